//! What a run ends with, and its views: live lines, a table, JSON, JUnit and markdown.

pub mod files;
mod lines;
pub mod live;
pub mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::engine::libtest::Counts;
use crate::engine::suites::SuiteOutcome;
use crate::engine::tests::JobResult;
use files::{ReportFile, to_json};

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Its tests ran on it and all passed.
    Passed,
    /// It was not built, or a test failed.
    Failed,
    /// Built, linked and inspected; nothing was run.
    Linked,
    /// Nothing was done; the reason says why.
    Skipped,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::Linked => "linked",
            Status::Skipped => "skipped",
        })
    }
}

/// How one row ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The row's name.
    pub name: String,
    /// The Rust triple.
    pub triple: String,
    /// How it ended.
    pub status: Status,
    /// What ran its programs.
    pub runner: String,
    /// Whether the private binfmt namespace was used.
    pub binfmt: bool,
    /// Its tests.
    pub tests: Counts,
    /// Crates that cargo compiled for it; what was there already does not count.
    pub crates: usize,
    /// From the start of the run to the last thing that cargo built for it.
    pub build_seconds: f64,
    /// Sum over its test programs.
    pub run_seconds: f64,
    /// Why it failed or was skipped, or why nothing was run.
    pub reason: Option<String>,
    /// What became of the suites of the run.
    pub suites: Vec<SuiteOutcome>,
    /// Its test programs.
    #[serde(skip)]
    pub programs: Vec<JobResult>,
    /// What the compiler or the inspection said, where it failed.
    #[serde(skip)]
    pub build_output: Option<String>,
}

impl Outcome {
    /// Its test programs, and then the steps of its suites.
    pub fn all_programs(&self) -> impl Iterator<Item = &JobResult> {
        self.programs.iter().chain(self.suites.iter().flat_map(|suite| &suite.results))
    }
}

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The provider of the environments.
    pub provider: String,
    /// Crates that cargo compiled for the build machine: build scripts, procedural macros and what they need. They are the same
    /// for any number of rows.
    pub crates: usize,
    /// Rows that one cargo invocation built together: they want the same packages with the same features.
    pub groups: Vec<Vec<String>>,
    /// The rows, in the order of the table.
    pub targets: Vec<Outcome>,
}

impl Report {
    /// Reads what `--json` printed; the output of programs is not in it.
    ///
    /// # Errors
    /// It is no such report.
    pub fn read(json: &str) -> Result<Report> {
        serde_json::from_str(json).context("this is no report of xtask")
    }

    /// The exit code that CI sees: 0 only if every row is passed or linked, or skipped where that was allowed.
    pub fn exit_code(&self, allow_skips: bool) -> u8 {
        let bad = |o: &Outcome| match o.status {
            Status::Failed => true,
            Status::Skipped => !allow_skips,
            Status::Passed | Status::Linked => false,
        };
        u8::from(self.targets.iter().any(bad))
    }

    /// How many rows ended so.
    pub fn count(&self, status: Status) -> usize {
        self.targets.iter().filter(|o| o.status == status).count()
    }

    /// `17 passed, 4 linked, 1 failed`.
    pub fn summary(&self) -> String {
        [Status::Passed, Status::Linked, Status::Failed, Status::Skipped]
            .into_iter()
            .filter(|status| self.count(*status) > 0)
            .map(|status| format!("{} {status}", self.count(status)))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// How a run is reported.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Print the report as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Write a report: FORM is json, junit or markdown; may be repeated
    #[arg(long = "report", value_name = "FORM=PATH")]
    reports: Vec<ReportFile>,
    /// Exit with 0 although targets were skipped
    #[arg(long)]
    allow_skips: bool,
}

impl ReportOptions {
    /// Finds out before a long run whether the reports can be written after it.
    ///
    /// # Errors
    /// One cannot.
    pub fn check(&self) -> Result<()> {
        self.reports.iter().try_for_each(ReportFile::check)
    }

    /// Shows what failed, then the table, and writes the files; gives the exit code.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(&self, report: &Report) -> Result<ExitCode> {
        for file in &self.reports {
            file.write(report)?;
        }
        show_failures(report);
        if self.json {
            print!("{}", to_json(report)?);
        } else {
            println!("\n{}\n\n{}", table::render(report), report.summary());
        }
        Ok(ExitCode::from(report.exit_code(self.allow_skips)))
    }
}

/// The output of what failed, whole, and of nothing else; also of what failed at first.
fn show_failures(report: &Report) {
    for outcome in &report.targets {
        for program in outcome.all_programs() {
            if let Some(first) = &program.first {
                let failure = first.failure.as_deref().unwrap_or_default();
                let output = first.output.trim_end();
                eprintln!("\n──── {}: {}: at first: {failure} ────\n{output}", outcome.name, program.title);
            }
        }
    }
    for outcome in report.targets.iter().filter(|o| o.status == Status::Failed) {
        if let Some(output) = &outcome.build_output {
            eprintln!("\n──── {}: build ────\n{}", outcome.name, output.trim_end());
        }
        for program in outcome.all_programs().filter(|p| p.failure.is_some()) {
            let failure = program.failure.as_deref().unwrap_or_default();
            eprintln!("\n──── {}: {}: {failure} ────\n{}", outcome.name, program.title, program.output.trim_end());
        }
    }
}
