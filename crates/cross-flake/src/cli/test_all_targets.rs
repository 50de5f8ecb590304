//! `test-all-targets`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::events;
use super::options::{RowOptions, TestArguments, split};
use crate::engine::suites::Chosen;
use crate::events::Events;
use crate::suites::{Suite, Suites};
use crate::targets::Target;
use crate::workspace::Workspace;

/// Build and test the workspace for many targets
///
/// They are those that the workspace lists with `[workspace.metadata.cross-flake] targets = ["aarch64-linux", "*-musl"]`, or else the common
/// ones of the table (`list` says which); `--rows all` takes every one. A package has the same key under `[package.metadata.cross-flake]`.
/// Bare-metal rows are for the packages that list them.
///
/// Tests of other build systems are in suites.toml: every suite whose tools are here runs as well, and the others are named. `--suite all` makes a
/// missing tool an error.
///
/// Exits with 0 only if every target was built and every test passed, with 1 if one failed or was skipped, and with 2 if
/// there was nothing to run.
#[derive(Args)]
pub struct TestAllTargets {
    #[command(flatten)]
    rows: RowOptions,
    #[command(flatten)]
    with: TestArguments,
    /// Run cargo's tests alone
    #[arg(long, conflicts_with = "suites", help_heading = "Running tests")]
    no_suites: bool,
}

impl TestAllTargets {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.with.place.workspace()?;
        let (selection, _) = self.with.cargo.selection(split(&self.with.rest).0);
        let (targets, not) = workspace.all_targets(&self.rows.selection(), &selection)?;
        if targets.is_empty() {
            bail!("no target is for any package of {}", workspace.root().display());
        }
        let events = events();
        if !not.is_empty() {
            let names: Vec<&str> = not.iter().map(|t| t.name.as_str()).collect();
            events.note(&format!(
                "not for this workspace: {} (no package lists them under [package.metadata.cross-flake])",
                names.join(", ")
            ));
        }
        let targets = self.with.targets(self.with.in_archive(targets, false)?, &events)?;
        let suites = if self.no_suites || self.with.is_from_archive() || !self.with.suites.is_empty() {
            self.with.suites(&workspace, &targets)?
        } else {
            present_suites(&workspace, &targets, &events)?
        };
        self.with.finish(&workspace, &targets, suites, &events)
    }
}

/// Every suite of the workspace; one whose tools are missing is named, and skipped.
fn present_suites(workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Chosen>> {
    let all = Suites::load(workspace.root(), &workspace.table)?;
    let chosen = |suite: &Suite| {
        let missing = all.missing(suite, targets);
        for tool in &missing {
            events.note(&format!("suite {} is skipped: {tool}", suite.name));
        }
        let unavailable = missing.first().map(ToString::to_string);
        Chosen { suite: suite.clone(), unavailable }
    };
    Ok(all.all().iter().map(chosen).collect())
}
