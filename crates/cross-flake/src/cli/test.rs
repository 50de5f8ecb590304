//! `test`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::options::TestArguments;
use super::{events, find_targets};

/// Build the workspace's tests for some targets and run them
///
/// The same tests run, with the same features and variables, as by `cargo test` in a shell of each target.
/// Arguments after `--` go to cargo, those after a second `--` to the test programs.
#[derive(Args)]
#[command(after_long_help = "Example:\n  cargo cross-flake test aarch64-linux s390x-linux -- --test io -- --nocapture")]
pub struct Test {
    /// Names, triples or patterns of targets, `common` or `all`
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    with: TestArguments,
}

impl Test {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.with.place.workspace()?;
        let events = events();
        let targets = self.with.in_archive(find_targets(&workspace, &self.targets)?, true)?;
        let targets = self.with.targets(targets, &events)?;
        let suites = self.with.suites(&workspace, &targets)?;
        self.with.finish(&workspace, &targets, suites, &events)
    }
}
