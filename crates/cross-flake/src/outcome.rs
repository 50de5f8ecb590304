//! The end of a run: what became of each row, its tests and its suites. Views and files are made from it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The end of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Its tests ran on it and all passed.
    Passed,
    /// The same, but the results of some or all of its programs are those of earlier runs, since when nothing has changed.
    Kept,
    /// It was not built, or a test failed.
    Failed,
    /// Built, linked and inspected; nothing was run.
    Linked,
    /// Compiled as far as errors can be found; nothing was linked.
    Checked,
    /// Nothing was done; the reason says why.
    Skipped,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Status::Passed => "passed",
            Status::Kept => "passed (kept)",
            Status::Failed => "failed",
            Status::Linked => "linked",
            Status::Checked => "checked",
            Status::Skipped => "skipped",
        })
    }
}

/// One row at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The row's name.
    pub name: String,
    /// The Rust triple.
    pub triple: String,
    /// Its end.
    pub status: Status,
    /// The name of the emulator that ran its programs, or `native`.
    pub runner: String,
    /// The private binfmt namespace was used.
    pub binfmt: bool,
    /// The origin of Rust's std, as far as the provider tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<StdOrigin>,
    /// Its tests.
    pub tests: Counts,
    /// Crates that cargo compiled for it; what was there already does not count.
    pub crates: usize,
    /// From the start of the run to the last thing that cargo built for it.
    pub build_seconds: f64,
    /// Sum over its test programs.
    pub run_seconds: f64,
    /// The cause of its failure, or of its tests not being run.
    pub reason: Option<String>,
    /// The suites of the run.
    pub suites: Vec<SuiteOutcome>,
    /// Its test programs.
    #[serde(default)]
    pub programs: Vec<ProgramResult>,
    /// The words of the compiler or the inspection, where one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_output: Option<String>,
    /// The programs that a build without tests has made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub built: Vec<BuiltProgram>,
}

/// A program that cargo has built for a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltProgram {
    /// The name of its package.
    pub package: String,
    /// The program's own name, without a suffix.
    pub name: String,
    /// The program.
    pub file: PathBuf,
    /// What belongs to it and lies beside it, such as debug information.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<PathBuf>,
}

/// The origin of the libraries that Rust brings for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StdOrigin {
    /// They are the toolchain's own.
    Toolchain,
    /// rustup brought them into the cache.
    Rustup,
    /// They were built from their source.
    Source,
}

impl Outcome {
    /// Its test programs, and then the steps of its suites.
    pub fn all_programs(&self) -> impl Iterator<Item = &ProgramResult> {
        self.programs.iter().chain(self.suites.iter().flat_map(|suite| &suite.results))
    }
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The provider of the environments.
    pub provider: String,
    /// Crates that cargo compiled for the host: build scripts, procedural macros and what they need. They are the same
    /// for any number of rows.
    pub crates: usize,
    /// Rows that one cargo invocation built together: they want the same packages with the same features.
    pub groups: Vec<Vec<String>>,
    /// The rows, in the order of the table.
    pub targets: Vec<Outcome>,
    /// The part of the run that it is about, where several machines share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Share>,
    /// Diagnostics of the compiler, where they are what was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

/// One machine's part of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its number, from 1.
    pub number: usize,
    /// The number of all parts.
    pub of: usize,
    /// A hash of which part has what.
    pub plan: String,
    /// The rows of the whole run, in their order.
    pub rows: Vec<String>,
}

/// A diagnostic of the compiler, once for all rows that it is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The rows; none where it is about code for the host, as build scripts are.
    pub rows: Vec<String>,
    /// Cargo's message of the kind `compiler-message`, with rustc's diagnostic in it.
    pub message: serde_json::Value,
}

impl Report {
    /// Reads what `--json` printed.
    ///
    /// # Errors
    /// It is no such report.
    pub fn read(json: &str) -> Result<Report> {
        serde_json::from_str(json).context("this is no report of cross-flake")
    }

    /// The exit code that CI sees: 0 only if every row is passed, linked or checked, or skipped where that was allowed.
    pub fn exit_code(&self, allow_skips: bool) -> u8 {
        let bad = |o: &Outcome| match o.status {
            Status::Failed => true,
            Status::Skipped => !allow_skips,
            Status::Passed | Status::Kept | Status::Linked | Status::Checked => false,
        };
        u8::from(self.targets.iter().any(bad))
    }

    /// Returns the number of rows that ended so.
    pub fn count(&self, status: Status) -> usize {
        self.targets.iter().filter(|o| o.status == status).count()
    }

    /// `17 passed, 4 linked, 1 failed`.
    pub fn summary(&self) -> String {
        if self.targets.is_empty() {
            return "nothing was run".to_owned();
        }
        [Status::Passed, Status::Kept, Status::Linked, Status::Checked, Status::Failed, Status::Skipped]
            .into_iter()
            .filter(|status| self.count(*status) > 0)
            .map(|status| format!("{} {status}", self.count(status)))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Tests by their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that were not run because their author marked them so.
    pub ignored: usize,
}

impl Counts {
    /// Adds the counts of another program.
    pub fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The end of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseResult {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run.
    Ignored,
}

/// One test of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its end.
    pub result: CaseResult,
}

/// One test program at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgramResult {
    /// The name that people read: `hello-zlib tests/io`.
    pub title: String,
    /// Tests that it ran.
    pub counts: Counts,
    /// The tests by name.
    pub cases: Vec<Case>,
    /// Its fault, in a few words; `None` if all is well.
    pub failure: Option<String>,
    /// Everything it printed, if it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Seconds that it ran.
    pub seconds: f64,
    /// The private binfmt namespace was entered.
    pub binfmt: Option<bool>,
    /// It had to be ended.
    pub timed_out: bool,
    /// The first run, which failed, if it passed when it was run again alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Box<ProgramResult>>,
    /// The emulator's words, where it failed itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulator: Option<String>,
    /// It did not run: its result is that of an earlier run, since when nothing has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

impl ProgramResult {
    /// A program of which nothing is known yet.
    pub fn of(title: String) -> ProgramResult {
        ProgramResult {
            title,
            counts: Counts::default(),
            cases: Vec::new(),
            failure: None,
            output: String::new(),
            seconds: 0.0,
            binfmt: None,
            timed_out: false,
            first: None,
            emulator: None,
            kept: false,
        }
    }
}

/// A suite at its end on one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SuiteOutcome {
    /// The suite.
    pub name: String,
    /// Its end; `None` if it is not for the row.
    pub status: Option<Status>,
    /// The step that failed, or the cause of its being skipped or not for the row.
    pub reason: Option<String>,
    /// The sum over its steps.
    pub seconds: f64,
    /// Its steps.
    pub steps: Vec<StepOutcome>,
    /// Its steps with all that they printed.
    #[serde(default)]
    pub results: Vec<ProgramResult>,
}

/// A step at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepOutcome {
    /// Its name.
    pub name: String,
    /// Its fault; `None` if all is well.
    pub failure: Option<String>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// The reason of an outcome with programs that had to be run again.
pub fn passed_alone(programs: &[ProgramResult]) -> Option<String> {
    let again = programs.iter().filter_map(|program| Some((program.title.as_str(), program.first.as_deref()?)));
    let (by_emulator, others): (Vec<_>, Vec<_>) = again.partition(|(_, first)| first.emulator.is_some());
    let words =
        |(title, first): (&str, &ProgramResult)| format!("{title} ({})", first.emulator.as_deref().unwrap_or_default());
    let by_emulator: Vec<String> = by_emulator.into_iter().map(words).collect();
    let others: Vec<&str> = others.into_iter().map(|(title, _)| title).collect();
    let lists = [
        ("the emulator failed at first, and passed when run again", by_emulator.join(", ")),
        ("failed at first and passed when run again alone", others.join(", ")),
    ];
    let said: Vec<String> =
        lists.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| format!("{what}: {names}")).collect();
    (!said.is_empty()).then(|| said.join("; "))
}
