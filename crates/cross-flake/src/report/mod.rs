//! Views of a run: live lines, a table, JSON, JUnit and markdown.

mod annotations;
mod diagnostics;
pub mod files;
mod lines;
pub mod live;
pub mod merge;
pub mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::outcome::{Report, Status};
use files::{ReportFile, to_json};

/// Options for reports.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Print the report as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
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
        // Without its colours where stderr shows none.
        anstream::eprint!("{}", diagnostics::for_people(report));
        show_failures(report);
        annotations::write(report);
        if self.json {
            print!("{}", to_json(report)?);
        } else {
            println!("\n{}\n\n{}", table::render(report), report.summary());
        }
        Ok(ExitCode::from(report.exit_code(self.allow_skips)))
    }

    /// Prints cargo's messages, and what failed otherwise, and writes the files; gives the exit code.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish_for_editors(&self, report: &Report) -> Result<ExitCode> {
        for file in &self.reports {
            file.write(report)?;
        }
        show_failures(report);
        print!("{}", diagnostics::for_editors(report)?);
        Ok(ExitCode::from(report.exit_code(self.allow_skips)))
    }
}

/// The reasons of more than one line for which rows were skipped, each once, with those rows.
fn long_reasons(report: &Report) -> Vec<(&str, Vec<&str>)> {
    let mut known: Vec<(&str, Vec<&str>)> = Vec::new();
    for outcome in report.targets.iter().filter(|o| o.status == Status::Skipped) {
        let Some(reason) = outcome.reason.as_deref().filter(|reason| reason.trim_end().contains('\n')) else {
            continue;
        };
        match known.iter_mut().find(|(told, _)| *told == reason) {
            Some((_, rows)) => rows.push(&outcome.name),
            None => known.push((reason, vec![&outcome.name])),
        }
    }
    known
}

/// The output of what failed, whole, and of nothing else; also of what failed at first, and reasons that a table's line cannot hold.
fn show_failures(report: &Report) {
    for (reason, rows) in long_reasons(report) {
        eprintln!("\n──── {} ────\n{}", rows.join(", "), reason.trim_end());
    }
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
