//! `build`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::options::{CargoOptions, finish};
use super::{Place, events, find_targets};
use crate::engine::Request;
use crate::engine::build::Mode;
use crate::report::ReportOptions;

/// Build the workspace for some targets
#[derive(Args)]
pub struct Build {
    /// Names, triples or patterns of targets, `common` or `all`
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// More arguments for `cargo build`
    #[arg(last = true, value_name = "CARGO ARGS")]
    rest: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    #[command(flatten)]
    report: ReportOptions,
}

impl Build {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let targets = find_targets(&workspace, &self.targets)?;
        let (selection, rest) = self.cargo.selection(self.rest);
        let cargo_args = self.cargo.with_jobs([self.cargo.args(), rest].concat(), &workspace);
        let request = Request::without_tests(Mode::Build, selection, cargo_args);
        finish(&self.place, &workspace, &targets, &request, &self.report, &events())
    }
}
