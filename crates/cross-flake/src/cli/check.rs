//! `check`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::options::{CargoOptions, carry_out, split};
use super::{Place, events, find_or_usual_targets};
use crate::engine::Request;
use crate::engine::build::{Mode, given};
use crate::events::Events;
use crate::outcome::Report;
use crate::report::ReportOptions;
use crate::targets::Target;
use crate::workspace::Workspace;

/// Find the errors in the workspace's code for some targets
///
/// Each error and warning is printed once, with a note that names its targets unless it is about all of them. Nothing is linked,
/// and no test runs. C code of build scripts is compiled for each target.
///
/// What is compiled is kept apart from what `build` and `test` compile, in target/cross-flake/check, so that an editor that checks
/// keeps nobody waiting. A `--target-dir` of cargo's says otherwise.
#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  cargo cross-flake check aarch64-linux windows-x64 -- --all-targets\n  cargo cross-flake \
                       check --message-format json    # for rust-analyzer: docs/editor.md\n  cargo cross-flake check --changed=origin/main \
                       # what a branch has changed"
)]
pub struct Check {
    #[command(flatten)]
    with: CheckArguments,
}

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`CheckArguments::run`].
    pub fn run(self) -> Result<ExitCode> {
        self.with.run(Mode::Check)
    }
}

/// The form of diagnostics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum MessageFormat {
    /// Text on stderr, and a table of the targets on stdout
    #[default]
    Human,
    /// Cargo's messages on stdout, one a line
    Json,
}

/// Options of both commands that only check.
#[derive(Args)]
pub(super) struct CheckArguments {
    /// Names or triples of targets [default: all that `test-all-targets` means]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// More arguments for cargo, and after another `--` for clippy
    #[arg(last = true, value_name = "CARGO ARGS")]
    rest: Vec<String>,
    /// Look at those packages alone that have changed since this commit, or that depend on one that has; what is not committed
    /// counts as changed [default: HEAD]
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, require_equals = true, default_missing_value = "HEAD")]
    changed: Option<String>,
    /// The form of errors and warnings
    #[arg(long, value_enum, value_name = "FORM", default_value_t, conflicts_with = "json", help_heading = "Report")]
    message_format: MessageFormat,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    #[command(flatten)]
    report: ReportOptions,
}

/// What is to be checked.
pub(super) enum Checked<'a> {
    /// Nothing that was asked for has changed.
    Nothing(Report),
    /// These packages for these targets.
    Ready(Box<Ready<'a>>),
}

/// A check that can take place.
pub(super) struct Ready<'a> {
    place: &'a Place,
    /// The workspace.
    pub(super) workspace: Workspace,
    targets: Vec<Target>,
    request: Request,
}

impl Ready<'_> {
    /// Checks.
    ///
    /// # Errors
    /// Something keeps the run from taking place.
    pub(super) fn check(&self, events: &Events) -> Result<Report> {
        carry_out(self.place, &self.workspace, &self.targets, &self.request, events)
    }
}

impl CheckArguments {
    /// Checks and reports.
    ///
    /// # Errors
    /// Something keeps the run from taking place, or a report from being written.
    pub(super) fn run(self, mode: Mode) -> Result<ExitCode> {
        let report = match self.prepare(mode)? {
            Checked::Nothing(report) => report,
            Checked::Ready(ready) => ready.check(&events())?,
        };
        self.finish(&report)
    }

    /// Finds what is to be checked.
    ///
    /// # Errors
    /// The arguments do not fit the workspace or each other.
    pub(super) fn prepare(&self, mode: Mode) -> Result<Checked<'_>> {
        self.report.check()?;
        let workspace = self.place.workspace()?;
        let (cargo_rest, test_args) = split(&self.rest);
        if mode == Mode::Check && !test_args.is_empty() {
            bail!("nothing is started that could take {}", test_args.join(" "));
        }
        let (mut selection, rest) = self.cargo.selection(cargo_rest);
        let targets = find_or_usual_targets(&workspace, &self.targets, &selection)?;
        if targets.is_empty() {
            bail!("no target is for any package of {}", workspace.root().display());
        }
        let targets = match &self.changed {
            Some(commit) => {
                selection.only = Some(workspace.changed_since(commit)?);
                workspace.with_packages(targets, &selection)?.0
            }
            None => targets,
        };
        if targets.is_empty() {
            eprintln!("no package that these targets are for has changed");
            let provider = self.place.provider(&workspace)?.name().to_owned();
            return Ok(Checked::Nothing(Report { provider, ..Report::default() }));
        }
        let mut cargo_args = self.cargo.with_jobs([self.cargo.args(), rest].concat(), &workspace);
        if !given(&cargo_args, &["--target-dir"]) {
            let folder = workspace.metadata.target_directory.join("cross-flake/check");
            cargo_args.extend(["--target-dir".to_owned(), folder.into_string()]);
        }
        let request = Request { test_args, ..Request::without_tests(mode, selection, cargo_args) };
        Ok(Checked::Ready(Box::new(Ready { place: &self.place, workspace, targets, request })))
    }

    /// Reports.
    ///
    /// # Errors
    /// A report cannot be written.
    pub(super) fn finish(&self, report: &Report) -> Result<ExitCode> {
        match self.message_format {
            MessageFormat::Human => self.report.finish(report),
            MessageFormat::Json => self.report.finish_for_editors(report),
        }
    }
}
