//! `report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::outcome::Report as Outcomes;
use crate::report::ReportOptions;
use crate::report::merge::merge;

/// Work with the reports of earlier runs
#[derive(Args)]
pub struct Report {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Merge(Merge),
}

impl Report {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Merge::run`].
    pub fn run(self) -> Result<ExitCode> {
        let Command::Merge(merge) = self.command;
        merge.run()
    }
}

/// Make one report of those of several machines
///
/// They are JSON reports of `--shard 1/N` to `--shard N/N`, or of runs for different targets. A shard that is missing, or shards that
/// parted the work differently, are an error. The exit code is that of a single run.
#[derive(Args)]
#[command(
    after_long_help = "Example:\n  cargo cross-flake test-all-targets --shard 2/5 --report json=shard-2.json    # on each machine\n  \
                       cargo cross-flake report merge shard-*.json --report junit=all.xml"
)]
struct Merge {
    /// Reports that `--report json=FILE` or `--json` wrote
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    report: ReportOptions,
}

impl Merge {
    /// Runs the command.
    ///
    /// # Errors
    /// A file is no report, the reports do not belong together, or a report cannot be written.
    fn run(self) -> Result<ExitCode> {
        self.report.check()?;
        let read = |file: PathBuf| {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {name}"))?;
            let report = Outcomes::read(&text).with_context(|| format!("cannot read {name}"))?;
            Ok((name, report))
        };
        let reports = self.files.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        self.report.finish(&merge(reports)?)
    }
}
