//! The programs that cargo would run, in its own words.
//!
//! Which program belongs to which target, where it starts, with which variables and arguments: cargo decides all of that
//! from more than a message of its tells (`[env]` of its configuration, directories of libraries, `build.build-dir`, a layout that
//! differs between releases). So cargo is asked to run the tests, and what it calls as the runner of a target, or as
//! rustdoc, is this program, which writes down how it was called and ends:
//!
//! 1. `cargo test` builds, then calls `cross-flake-record ROW PROGRAM ARGS…` for each test program, and `rustdoc … --test …` for
//!    each library with documentation tests.
//! 2. The recorder writes one line to the stdout that it shares with cargo's own messages.
//! 3. The engine, which reads them, starts each program by the true runner as soon as it hears of it, several at once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::diagnostics;
use crate::cache::Cache;
use crate::provider::toolchain;

/// The name under which cargo finds the recorder on `PATH`. By name and not by path: cargo splits a runner at spaces.
pub const RUNNER: &str = "cross-flake-record";
/// The name under which it is cargo's rustdoc.
const RUSTDOC: &str = "rustdoc";
/// Names the user's own rustdoc to the recorder that stands for it.
const USERS_RUSTDOC: &str = "CROSS_FLAKE_RUSTDOC";
/// The beginning of each of the recorder's lines.
const MARK: &str = "cross-flake-recorded ";

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The row that cargo called the runner of; `None` for rustdoc.
    pub row: Option<String>,
    /// The program with its arguments, or rustdoc with its own.
    pub line: Vec<OsString>,
    /// All variables.
    pub env: BTreeMap<OsString, OsString>,
    /// The current directory.
    pub folder: PathBuf,
}

/// [`Recorded`] as it is written: bytes, for none of it need be UTF-8.
#[derive(Serialize, Deserialize)]
struct Raw {
    row: Option<String>,
    line: Vec<Text>,
    env: Vec<(Text, Text)>,
    folder: Text,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Unicode(String),
    Bytes(Vec<u8>),
}

impl From<OsString> for Text {
    fn from(text: OsString) -> Text {
        text.into_string().map_or_else(|text| Text::Bytes(text.into_vec()), Text::Unicode)
    }
}

impl From<Text> for OsString {
    fn from(text: Text) -> OsString {
        match text {
            Text::Unicode(text) => text.into(),
            Text::Bytes(bytes) => OsString::from_vec(bytes),
        }
    }
}

impl From<Recorded> for Raw {
    fn from(call: Recorded) -> Raw {
        Raw {
            row: call.row,
            line: call.line.into_iter().map(Text::from).collect(),
            env: call.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            folder: call.folder.into_os_string().into(),
        }
    }
}

impl From<Raw> for Recorded {
    fn from(raw: Raw) -> Recorded {
        Recorded {
            row: raw.row,
            line: raw.line.into_iter().map(OsString::from).collect(),
            env: raw.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            folder: OsString::from(raw.folder).into(),
        }
    }
}

impl Recorded {
    /// Reads a line of cargo's output; `None` if it is none of the recorder's.
    ///
    /// # Errors
    /// The line is damaged.
    pub fn read(line: &str) -> Option<Result<Recorded>> {
        let raw = serde_json::from_str::<Raw>(line.strip_prefix(MARK)?);
        Some(raw.map(Recorded::from).context("cannot read what cargo would run"))
    }

    /// The line that [`Recorded::read`] reads.
    fn into_line(self) -> Result<String> {
        Ok(format!("{MARK}{}\n", serde_json::to_string(&Raw::from(self))?))
    }

    /// The value that follows an option of rustdoc's.
    pub fn value_of(&self, option: &str) -> Option<&OsStr> {
        let at = self.line.iter().position(|word| word == option)?;
        self.line.get(at + 1).map(OsString::as_os_str)
    }
}

/// The places in which cargo finds the recorder. The places stay the same from run to run, for build scripts may look at `PATH`.
pub struct Recorder {
    folder: PathBuf,
    rustdoc: PathBuf,
    wrapper: PathBuf,
}

impl Recorder {
    /// Puts the recorder in its place.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn install(cache: &Cache) -> Result<Recorder> {
        let own = std::env::current_exe().context("cannot find this program itself")?;
        let (folder, rustdoc) = (cache.path("recorder/bin"), cache.path("recorder").join(RUSTDOC));
        let wrapper = cache.path("recorder").join(diagnostics::WRAPPER);
        // No links to the program: whoever builds that again takes its file away for a moment.
        std::fs::create_dir_all(&folder)
            .and_then(|()| toolchain::twin(&own, &folder.join(RUNNER)))
            .and_then(|()| toolchain::twin(&own, &rustdoc))
            .and_then(|()| toolchain::twin(&own, &wrapper))
            .with_context(|| format!("cannot write {}", folder.display()))?;
        Ok(Recorder { folder, rustdoc, wrapper })
    }

    /// The program that stands before rustc; see [`diagnostics`].
    pub fn wrapper(&self) -> &Path {
        &self.wrapper
    }

    /// Has this cargo call the recorder for these rows, by the triples in capitals that its variables hold.
    ///
    /// # Errors
    /// `PATH` cannot be formed.
    pub fn record<'a>(&self, cargo: &mut Command, rows: impl IntoIterator<Item = (String, &'a str)>) -> Result<()> {
        let of_cargo = |name: &str| {
            let set = cargo.get_envs().find(|(known, _)| *known == name).map(|(_, value)| value.map(OsStr::to_owned));
            set.unwrap_or_else(|| std::env::var_os(name))
        };
        let path = of_cargo("PATH").unwrap_or_default();
        let users_rustdoc = of_cargo("RUSTDOC");
        let folders = std::env::split_paths(&path).chain([self.folder.clone()]);
        cargo.env("PATH", std::env::join_paths(folders).context("cannot form PATH")?);
        cargo.env("RUSTDOC", &self.rustdoc);
        if let Some(rustdoc) = users_rustdoc {
            cargo.env(USERS_RUSTDOC, rustdoc);
        }
        for (triple, row) in rows {
            cargo.env(format!("CARGO_TARGET_{triple}_RUNNER"), format!("{RUNNER} {row}"));
        }
        Ok(())
    }

    /// The variables that a program would have had without the recorder, but for those of the runners.
    pub fn without(&self, mut env: BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
        if let Some(path) = env.get_mut(OsStr::new("PATH")) {
            let folders: Vec<PathBuf> = std::env::split_paths(path).filter(|folder| *folder != self.folder).collect();
            if let Ok(folders) = std::env::join_paths(folders) {
                *path = folders;
            }
        }
        if env.get(OsStr::new("RUSTDOC")).is_some_and(|rustdoc| *rustdoc == *self.rustdoc) {
            env.remove(OsStr::new("RUSTDOC"));
        }
        if let Some(rustdoc) = env.remove(OsStr::new(USERS_RUSTDOC)) {
            env.insert("RUSTDOC".into(), rustdoc);
        }
        env
    }
}

/// Records a call, if this process was started under one of the recorder's names.
pub fn by_name() -> Option<Result<ExitCode>> {
    let mut args = std::env::args_os();
    let own = PathBuf::from(args.next()?);
    let name = own.file_name()?;
    let args: Vec<OsString> = args.collect();
    if name == RUNNER {
        Some(called(args))
    } else if name == RUSTDOC && own.parent()?.file_name()? == "recorder" {
        Some(called_as_rustdoc(args))
    } else {
        None
    }
}

fn here(row: Option<String>, line: Vec<OsString>) -> Result<()> {
    let folder = std::env::current_dir().context("cannot find the current folder")?;
    let text = Recorded { row, line, env: std::env::vars_os().collect(), folder }.into_line()?;
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot tell what cargo would run")
}

fn called(mut args: Vec<OsString>) -> Result<ExitCode> {
    let row = if args.is_empty() { OsString::new() } else { args.remove(0) };
    here(Some(row.to_string_lossy().into_owned()), args)?;
    Ok(ExitCode::SUCCESS)
}

/// Documentation tests are recorded; whatever else rustdoc is asked, it answers itself.
fn called_as_rustdoc(args: Vec<OsString>) -> Result<ExitCode> {
    let rustdoc = std::env::var_os(USERS_RUSTDOC).unwrap_or_else(|| RUSTDOC.into());
    if args.iter().any(|arg| arg == "--test") {
        here(None, [vec![rustdoc], args].concat())?;
        return Ok(ExitCode::SUCCESS);
    }
    let error = Command::new(&rustdoc).args(&args).exec();
    Err(anyhow::Error::from(error).context(format!("cannot start {}", Path::new(&rustdoc).display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_call_is_read_as_it_was_written() {
        let odd = OsStr::from_bytes(b"\xff odd");
        let recorded = Recorded {
            row: Some("aarch64-linux".into()),
            line: vec!["/a b/program".into(), odd.into()],
            env: [("A".into(), odd.to_owned()), ("B".into(), "\n\"".into())].into(),
            folder: odd.into(),
        };
        assert_eq!(Recorded::read(recorded.clone().into_line().unwrap().trim_end()).unwrap().unwrap(), recorded);
        assert!(Recorded::read("running 1 test").is_none());
        assert!(Recorded::read(&format!("{MARK}{{")).unwrap().is_err());
    }
}
