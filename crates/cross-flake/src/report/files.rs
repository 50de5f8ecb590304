//! Reports as files: JSON, JUnit and markdown.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::table;
use crate::cache::write_whole;
use crate::outcome::{CaseResult, Outcome, Report, Status};

/// The form of a report file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The document that `--json` prints.
    Json,
    /// JUnit XML, one suite a target.
    Junit,
    /// A table for a CI summary.
    Markdown,
}

/// `--report FORM=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    form: Form,
    path: PathBuf,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (form, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or("expected FORM=PATH, such as junit=report.xml")?;
        let form = match form {
            "json" => Form::Json,
            "junit" => Form::Junit,
            "markdown" => Form::Markdown,
            other => return Err(format!("unknown form `{other}`: expected json, junit or markdown")),
        };
        Ok(ReportFile { form, path: path.into() })
    }
}

impl ReportFile {
    /// Finds out before a long run whether the file can be written after it.
    ///
    /// # Errors
    /// The directory does not exist or cannot be written.
    pub fn check(&self) -> Result<()> {
        if self.path.is_dir() {
            bail!("--report: {} is a folder", self.path.display());
        }
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(".".as_ref());
        tempfile::tempfile_in(folder)
            .with_context(|| format!("--report: cannot write {}", self.path.display()))
            .map(drop)
    }

    /// Writes the report.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, report: &Report) -> Result<()> {
        let text = match self.form {
            Form::Json => to_json(report)?,
            Form::Junit => to_junit(report)?,
            Form::Markdown => to_markdown(report),
        };
        write_whole(&self.path, text.as_bytes(), false)
    }
}

/// The report as JSON, with a line feed at its end.
///
/// # Errors
/// Never in practice: every field has a JSON form.
pub fn to_json(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// The report as JUnit XML.
fn to_junit(report: &Report) -> Result<String> {
    let mut junit = quick_junit::Report::new("cross-flake");
    for outcome in &report.targets {
        junit.add_test_suite(suite(outcome));
    }
    junit.to_string().context("cannot form JUnit XML")
}

fn suite(outcome: &Outcome) -> TestSuite {
    let mut suite = TestSuite::new(outcome.name.as_str());
    suite.set_time(Duration::from_secs_f64(outcome.run_seconds));
    suite.add_property(("triple", outcome.triple.as_str()));
    suite.add_property(("runner", outcome.runner.as_str()));
    for program in outcome.all_programs() {
        for case in &program.cases {
            let status = match case.result {
                CaseResult::Passed => TestCaseStatus::success(),
                CaseResult::Ignored => TestCaseStatus::skipped(),
                CaseResult::Failed => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message("failed").set_description(program.output.as_str());
                    status
                }
            };
            let mut test = TestCase::new(case.name.as_str(), status);
            test.set_classname(program.title.as_str());
            suite.add_test_case(test);
        }
        if let Some(first) = &program.first {
            // As JUnit has a test that failed and then passed: the failed run within the case that passed.
            let failure = first.failure.as_deref().unwrap_or_default();
            let mut rerun = TestRerun::new(NonSuccessKind::Failure);
            rerun.set_message(format!("at first: {failure}")).set_description(first.output.as_str());
            let mut status = TestCaseStatus::success();
            status.add_rerun(rerun);
            let mut test = TestCase::new(format!("{} again", program.title), status);
            test.set_classname(program.title.as_str()).set_time(Duration::from_secs_f64(program.seconds));
            suite.add_test_case(test);
        }
        let explained = program.cases.iter().any(|c| c.result == CaseResult::Failed);
        // A program that hung, crashed or has a harness of its own is a test case itself.
        if program.cases.is_empty() || (program.failure.is_some() && !explained) {
            let status = match &program.failure {
                Some(failure) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                    status.set_message(failure.as_str()).set_description(program.output.as_str());
                    status
                }
                None if program.counts.passed == 0 => continue,
                None => TestCaseStatus::success(),
            };
            let mut test = TestCase::new(program.title.as_str(), status);
            test.set_classname(program.title.as_str()).set_time(Duration::from_secs_f64(program.seconds));
            suite.add_test_case(test);
        }
    }
    let whole = match outcome.status {
        Status::Linked | Status::Checked | Status::Kept => Some(TestCaseStatus::success()),
        Status::Skipped => Some(TestCaseStatus::skipped()),
        Status::Failed if outcome.all_programs().all(|p| p.failure.is_none()) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_description(outcome.build_output.as_deref().unwrap_or_default());
            Some(status)
        }
        Status::Failed | Status::Passed => None,
    };
    if let Some(mut status) = whole {
        if let Some(reason) = &outcome.reason {
            status.set_message(reason.as_str());
        }
        suite.add_test_case(TestCase::new(outcome.status.to_string(), status));
    }
    suite
}

/// The report as a markdown table.
fn to_markdown(report: &Report) -> String {
    let mut out = format!("**{}** ({})\n\n", report.summary(), report.provider);
    let columns = table::columns(report);
    // Numbers are aligned to the right: the five columns after the first three.
    let marks = (0..=columns.len()).map(|column| if (3..8).contains(&column) { "--:" } else { "---" });
    let _ = writeln!(out, "| {} | status |\n| {} |", columns.join(" | "), marks.collect::<Vec<_>>().join(" | "));
    for o in &report.targets {
        let status = match &o.reason {
            Some(reason) => format!("{}: {}", o.status, reason.replace('|', "\\|").replace('\n', " ")),
            None => o.status.to_string(),
        };
        let _ = writeln!(out, "| {} | {status} |", table::cells(o, columns.len()).join(" | "));
    }
    out
}
