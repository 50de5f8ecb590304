//! Diagnostics of the compiler, each once, with the rows that it is about.
//!
//! Cargo says of a diagnostic which package it is about, and not for which of several `--target`s. So what cargo calls as rustc's
//! wrapper (The Cargo Book, `build.rustc-wrapper`) is this program:
//!
//! 1. It starts the compiler and passes on what that writes, line by line. Into each diagnostic it puts the triple.
//! 2. Cargo keeps such a line as it keeps those of rustc, and repeats it for a crate that is fresh.
//! 3. The engine takes the triple out again, and several rows' same diagnostic becomes one with all of them.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::objects;
use crate::outcome::Diagnostic;
use crate::workspace::Workspace;

/// The name under which this program stands before rustc.
pub const WRAPPER: &str = "cross-flake-rustc";
/// Names the user's own wrapper to it.
const USERS_WRAPPER: &str = "CROSS_FLAKE_RUSTC_WRAPPER";
/// The triple in a diagnostic; empty where the code is for the host.
const TRIPLE: &str = "cross_flake_triple";

/// Has this cargo call the wrapper, which says in diagnostics for which triple they are. Nothing is compiled again for it: cargo takes no
/// account of a wrapper.
pub fn wrap(cargo: &mut Command, workspace: &Workspace, wrapper: &Path) {
    cargo.env("RUSTC_WRAPPER", wrapper);
    if let Some(users) = workspace.rustc_wrapper() {
        cargo.env(USERS_WRAPPER, users);
    }
}

/// Stands before a compiler, if this process was started under the wrapper's name.
pub fn by_name() -> Option<Result<ExitCode>> {
    let mut args = env::args_os();
    let own = PathBuf::from(args.next()?);
    (own.file_name()? == WRAPPER).then(|| compile(args.collect()))
}

fn compile(args: Vec<OsString>) -> Result<ExitCode> {
    let is_json = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.starts_with("--error-format=json"));
    let (marked, triple) = (args.iter().any(is_json), triple_of(&args));
    let users = env::var_os(USERS_WRAPPER).filter(|users| !users.is_empty());
    let object = objects::flag(&args, &triple);
    let mut line = users.into_iter().chain(args).chain(object);
    let program = line.next().context("cargo named no compiler")?;
    let mut command = Command::new(&program);
    command.args(line);
    let failed = || format!("cannot start {}", Path::new(&program).display());
    if !marked {
        return Err(command.exec()).with_context(failed);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(failed)?;
    let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).split(b'\n');
    for line in lines {
        // At once, for cargo starts the next crate when it hears of this one's metadata.
        let line = with_triple(line.context("cannot read what the compiler says")?, &triple);
        std::io::stderr().lock().write_all(&line).context("cannot pass on what the compiler says")?;
    }
    let status = child.wait().context("cannot wait for the compiler")?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// The value of `--target`; empty without one.
fn triple_of(args: &[OsString]) -> String {
    let after = args.iter().position(|arg| arg == "--target").and_then(|at| args.get(at + 1)).map(OsString::as_os_str);
    let joined = args.iter().find_map(|arg| arg.to_str()?.strip_prefix("--target=")).map(OsStr::new);
    after.or(joined).map(|triple| triple.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A line of the compiler with its line feed, and with the triple if it is a diagnostic.
fn with_triple(line: Vec<u8>, triple: &str) -> Vec<u8> {
    const START: &[u8] = br#"{"$message_type":"diagnostic","#;
    let rest = line.strip_prefix(START);
    let mark = rest.map(|_| format!("{{\"{TRIPLE}\":{},", Value::from(triple))).unwrap_or_default();
    let rest = if rest.is_some() { &line[1..] } else { &line[..] };
    [mark.as_bytes(), rest, b"\n"].concat()
}

/// Diagnostics, each once.
#[derive(Default)]
pub struct Merged {
    /// In the order in which they came: the rows of each, and cargo's message.
    all: Vec<(Vec<usize>, Value)>,
    /// Their places, by package and diagnostic.
    places: HashMap<String, usize>,
}

impl Merged {
    /// Takes cargo's message with a diagnostic of the rows that have its triple. Gives these rows, none where it is about the
    /// host, and its first line if it is an error. `None` for what only counts others.
    pub fn take(
        &mut self,
        mut message: Value,
        rows: impl Fn(&str) -> Vec<usize>,
    ) -> Option<(Vec<usize>, Option<String>)> {
        let diagnostic = message.get_mut("message")?.as_object_mut()?;
        // One that cargo has kept from a run without the wrapper has none.
        let triple = diagnostic.shift_remove(TRIPLE).and_then(|triple| triple.as_str().map(str::to_owned));
        let said = diagnostic.get("message").and_then(Value::as_str).unwrap_or_default();
        // The compiler's own counts and hints at its manual, which are about a whole crate for one row.
        let level = diagnostic.get("level").and_then(Value::as_str).unwrap_or_default().to_owned();
        if level == "failure-note"
            || said.starts_with("aborting due to ")
            || said.ends_with(" warning emitted")
            || said.ends_with(" warnings emitted")
        {
            return None;
        }
        let code = diagnostic.get("code").and_then(|code| code.get("code")?.as_str());
        let place = diagnostic.get("spans").and_then(place_of).map(|place| format!(" ({place})")).unwrap_or_default();
        let is_error = level.starts_with("error");
        let error = is_error.then(|| match code {
            Some(code) => format!("error[{code}]: {said}{place}"),
            None => format!("error: {said}{place}"),
        });
        let rows = triple.map(|triple| rows(&triple)).unwrap_or_default();
        // Not by its notes: the first of a kind in a crate says which lint it is, and the first on another row is another one.
        let fields = ["level", "code", "message", "spans"].map(|field| message["message"][field].to_string());
        let key = format!("{} {}", message["package_id"], fields.join(" "));
        let place = *self.places.entry(key).or_insert_with(|| {
            self.all.push((Vec::new(), message));
            self.all.len() - 1
        });
        let known = &mut self.all[place].0;
        known.extend(&rows);
        known.sort_unstable();
        known.dedup();
        Some((rows, error))
    }

    /// The diagnostics, with rows by name.
    pub fn with_names(self, name: impl Fn(usize) -> String) -> Vec<Diagnostic> {
        let named =
            |(rows, message): (Vec<usize>, Value)| Diagnostic { rows: rows.into_iter().map(&name).collect(), message };
        self.all.into_iter().map(named).collect()
    }
}

/// `src/lib.rs:3`, of the span that a diagnostic is about.
fn place_of(spans: &Value) -> Option<String> {
    let primary = spans.as_array()?.iter().find(|span| span["is_primary"] == true)?;
    Some(format!("{}:{}", primary["file_name"].as_str()?, primary["line_start"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_diagnostic_gets_the_triple_of_its_compiler_and_other_lines_stay() {
        assert_eq!(triple_of(&words("rustc --target a-b-c x.rs")), "a-b-c");
        assert_eq!(triple_of(&words("rustc x.rs --target=a-b-c")), "a-b-c");
        assert_eq!(triple_of(&words("rustc x.rs --target")), "");
        let line = br#"{"$message_type":"diagnostic","message":"m"}"#.to_vec();
        let marked: Value = serde_json::from_slice(&with_triple(line, "a-b-c")).unwrap();
        assert_eq!(marked, json!({ TRIPLE: "a-b-c", "$message_type": "diagnostic", "message": "m" }));
        for line in [r#"{"$message_type":"artifact","artifact":"x"}"#, "thread 'rustc' panicked", ""] {
            assert_eq!(with_triple(line.into(), "a-b-c"), format!("{line}\n").into_bytes());
        }
    }

    #[test]
    fn what_several_rows_say_is_one_with_all_of_them() {
        let triples = ["linux", "windows", "windows", "macos"];
        let rows = |triple: &str| (0..triples.len()).filter(|row| triples[*row] == triple).collect::<Vec<_>>();
        let said = |triple: Option<&str>, package: &str, level: &str, text: &str| {
            let spans = json!([
                { "is_primary": false, "file_name": "src/other.rs", "line_start": 1 },
                { "is_primary": true, "file_name": "src/lib.rs", "line_start": 3 },
            ]);
            let mut message = json!({ "message": text, "level": level, "code": { "code": "E1" }, "spans": spans });
            if let Some(triple) = triple {
                message[TRIPLE] = triple.into();
            }
            json!({ "package_id": package, "message": message })
        };
        let mut merged = Merged::default();
        let error = Some("error[E1]: wrong (src/lib.rs:3)".to_owned());
        assert_eq!(merged.take(said(Some("macos"), "a", "error", "wrong"), rows), Some((vec![3], error.clone())));
        assert_eq!(merged.take(said(Some("windows"), "a", "error", "wrong"), rows), Some((vec![1, 2], error.clone())));
        assert_eq!(merged.take(said(Some("linux"), "a", "warning", "odd"), rows), Some((vec![0], None)));
        // Another package, the host, and what was kept without a triple.
        assert_eq!(merged.take(said(Some("linux"), "b", "error", "wrong"), rows), Some((vec![0], error.clone())));
        assert_eq!(merged.take(said(Some(""), "macro", "error", "wrong"), rows), Some((vec![], error)));
        assert_eq!(merged.take(said(None, "a", "warning", "odd"), rows), Some((vec![], None)));
        assert_eq!(merged.take(said(Some("linux"), "a", "error", "aborting due to 2 previous errors"), rows), None);
        let all = merged.with_names(|row| format!("row {row}"));
        let rows: Vec<&[String]> = all.iter().map(|one| &one.rows[..]).collect();
        assert_eq!(rows, [&["row 1", "row 2", "row 3"][..], &["row 0"], &["row 0"], &[]]);
        assert_eq!(all[0].message, said(None, "a", "error", "wrong"));
    }
}
