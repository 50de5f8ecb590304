//! cargo-nextest as what runs the tests of a program: each in a process of its own, chosen and retried by its filters and profiles.
//!
//! Cargo builds as for libtest. For each test program nextest is told of that one program, as of one that was built elsewhere
//! (<https://nexte.st/docs/ci-features/archiving/#manually-creating-your-own-archives>), and starts its tests by the row's runner. Its events,
//! one in a line, are read back; they are those of libtest's JSON.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Package, TargetKind};
use cross_flake_runner::RunnerKind;
use serde::Deserialize;
use serde_json::json;
use tempfile::NamedTempFile;

use super::libtest::Parsed;
use crate::host::child;
use crate::outcome::{Case, CaseResult, Counts};
use crate::targets::Target;
use crate::workspace::Workspace;

/// Without it nextest refuses the form of its events that we read.
const EVENTS: (&str, &str) = ("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");

/// nextest, and what it wants to know of a workspace.
pub struct Nextest {
    program: PathBuf,
    metadata: NamedTempFile,
    host: String,
    root: PathBuf,
    target: PathBuf,
    build: PathBuf,
    args: Vec<String>,
}

/// A test program as nextest calls it.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The words that start nextest for it, but for the file that [`Binary::document`] becomes.
    pub command: Vec<OsString>,
    /// The directory to start in.
    pub folder: PathBuf,
    /// What nextest is told of the program.
    pub document: serde_json::Value,
}

impl Nextest {
    /// Finds nextest, which gets these arguments, and asks cargo about the workspace.
    ///
    /// # Errors
    /// It is not installed, or cargo fails.
    pub fn find(workspace: &Workspace, args: &[String]) -> Result<Nextest> {
        let Some(program) = child::which("cargo-nextest") else {
            bail!("nextest is not installed: cargo install cargo-nextest --locked");
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["metadata", "--format-version", "1"]).current_dir(workspace.root());
        let output = cargo.output().context("cannot start cargo")?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut metadata = NamedTempFile::new().context("cannot make a temporary file")?;
        metadata.write_all(&output.stdout).context("cannot write a temporary file")?;
        let meta = &workspace.metadata;
        let build = meta.build_directory.as_ref().unwrap_or(&meta.target_directory);
        Ok(Nextest {
            program,
            metadata,
            host: workspace.toolchain.host.clone(),
            root: workspace.root().to_owned(),
            target: meta.target_directory.clone().into(),
            build: build.clone().into(),
            args: args.to_vec(),
        })
    }

    /// Tells if it can start programs by such a runner: it wants the options of libtest, which programs for boards do not have, and
    /// wasm-bindgen's neither.
    pub fn drives(kind: RunnerKind) -> bool {
        matches!(kind, RunnerKind::Native | RunnerKind::QemuUser | RunnerKind::Wine)
    }

    /// Returns how it runs one test program of a row.
    pub fn binary(&self, row: &Target, package: &Package, target: &cargo_metadata::Target, file: &Path) -> Binary {
        let (package_name, name) = (package.name.as_str(), target.name.as_str());
        // https://nexte.st/docs/glossary/#binary-id
        let (kind, id) = match target.kind.first() {
            Some(TargetKind::Test) => ("test", format!("{package_name}::{name}")),
            Some(TargetKind::Bin) => ("bin", format!("{package_name}::bin/{name}")),
            Some(TargetKind::Example) => ("example", format!("{package_name}::example/{name}")),
            Some(TargetKind::Bench) => ("bench", format!("{package_name}::bench/{name}")),
            _ => ("lib", package_name.to_owned()),
        };
        let platform = |triple: &str| {
            json!({
                "platform": { "triple": triple, "target-features": "unknown" },
                "libdir": { "status": "unavailable", "reason": "not-in-archive" },
            })
        };
        let document = json!({
            "rust-build-meta": {
                "target-directory": self.target,
                "build-directory": self.build,
                "base-output-directories": [],
                "non-test-binaries": {},
                "build-script-out-dirs": {},
                "linked-paths": [],
                "platforms": { "host": platform(&self.host), "targets": [platform(&row.triple)] },
                "target-platforms": [{ "triple": row.triple, "target-features": "unknown" }],
                "target-platform": row.triple,
            },
            "rust-binaries": { &id: {
                "binary-id": id,
                "binary-name": name,
                "package-id": package.id.repr,
                "kind": kind,
                "binary-path": file,
                "build-platform": "target",
            } },
        });
        let mut command: Vec<OsString> = vec![self.program.clone().into()];
        command.extend(["nextest", "run", "--color", "never", "--no-tests", "pass"].map(OsString::from));
        command.extend(["--message-format", "libtest-json", "--cargo-metadata"].map(OsString::from));
        command.push(self.metadata.path().into());
        command.extend(self.args.iter().map(OsString::from));
        Binary { command, folder: self.root.clone(), document }
    }
}

impl Binary {
    /// The command, with this file for the document.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn start(&self, file: &Path, args: &[String]) -> Result<Command> {
        let text = serde_json::to_vec(&self.document)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).arg("--binaries-metadata").arg(file).args(args);
        Ok(command)
    }

    /// The variable that has it print what [`parse`] reads.
    pub fn variable() -> (&'static str, &'static str) {
        EVENTS
    }
}

/// An event.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    name: String,
    /// Of a suite that has ended: tests that were left out, as ignored ones or by a filter. There is no event of theirs.
    #[serde(default)]
    ignored: usize,
}

fn event(line: &str) -> Option<Event> {
    line.starts_with("{\"type\":").then(|| serde_json::from_str(line).ok()).flatten()
}

/// Reads nextest's events.
pub fn parse(output: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut counts = Counts::default();
    for event in output.lines().filter_map(event) {
        counts.ignored += event.ignored;
        if event.kind != "test" {
            continue;
        }
        // `package::binary$module::name`, and `#2` after a retry.
        let name = event.name.split_once('$').map_or(event.name.as_str(), |(_, name)| name);
        let (result, count) = match event.event.as_str() {
            "started" => {
                parsed.announced += 1;
                continue;
            }
            "ok" => (CaseResult::Passed, &mut counts.passed),
            "ignored" => continue,
            _ => (CaseResult::Failed, &mut counts.failed),
        };
        *count += 1;
        parsed.cases.push(Case { name: name.to_owned(), result });
    }
    parsed.counts = Some(counts);
    parsed
}

/// What nextest said to people, with what tests printed as they printed it: nextest puts four spaces before it.
pub fn without_events(output: &str) -> String {
    let lines = output.lines().filter(|line| event(line).is_none());
    lines.flat_map(|line| [line.strip_prefix("    ").unwrap_or(line), "\n"]).collect()
}
