//! A provider turns rows of the table into environments.

pub mod finding;
pub mod nix;
pub mod portable;
pub mod toolchain;

mod native;
mod reason;

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::environment::Environment;
use crate::events::Events;
use crate::targets::Target;
use crate::workspace::Workspace;
use finding::Finding;

pub use native::is_native;
pub use reason::Reason;

/// A choice of who makes the environments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// nix, where Nix works and the workspace has a flake that uses cross-flake, else portable.
    #[default]
    Auto,
    /// The flake's environments: everything from the Nix store.
    Nix,
    /// zig, emulators and std in the cache folder; needs nothing but cargo.
    Portable,
}

/// Returns the provider that was chosen, for this workspace.
///
/// # Errors
/// Nix was asked for and does not work here, or the cache cannot be located.
pub fn choose(choice: Choice, workspace: &Workspace) -> Result<Box<dyn Provider>> {
    let cache = Cache::locate()?;
    let portable = || Ok(Box::new(portable::Portable::new(cache.clone())) as Box<dyn Provider>);
    match choice {
        Choice::Portable => portable(),
        Choice::Nix | Choice::Auto => match (nix::Nix::find(workspace, cache.clone()), choice) {
            (nix::Found::Usable(nix), _) => Ok(Box::new(nix)),
            (nix::Found::Absent(_), Choice::Auto) => portable(),
            (nix::Found::Unusable(reason), Choice::Auto) => {
                eprintln!("note: the portable provider is used, for {reason}");
                portable()
            }
            (nix::Found::Absent(reason) | nix::Found::Unusable(reason), _) => Err(reason.into()),
        },
    }
}

/// Says which provider `auto` is for this workspace, and why.
///
/// # Errors
/// The cache cannot be located.
pub fn describe_auto(workspace: &Workspace) -> Result<String> {
    Ok(match nix::Nix::find(workspace, Cache::locate()?) {
        nix::Found::Usable(nix) => format!("nix, with the flake {}", nix.flake()),
        nix::Found::Absent(reason) | nix::Found::Unusable(reason) => format!("portable, for {}", reason.what),
    })
}

/// Looks for what the providers need of this machine, whichever is chosen.
pub fn diagnose(events: &Events) -> Vec<Finding> {
    let mut findings = portable::diagnosis::diagnose(&Cache::locate().unwrap_or_else(|_| Cache::none()), events);
    findings.push(nix::diagnose());
    findings
}

/// Something that a set-up fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// Its name: `zig 0.17.0`.
    pub name: String,
    /// The package registry that it comes from.
    pub from: String,
    /// Bytes over the network.
    pub bytes: u64,
}

/// One row with its environment, or with the reason why there is none here.
#[derive(Clone)]
pub struct Prepared {
    /// The row.
    pub target: Target,
    /// Its environment, or the reason.
    pub environment: Result<Environment, Reason>,
}

/// Turns rows into environments.
pub trait Provider {
    /// The name that reports use.
    fn name(&self) -> &'static str;

    /// Sets up no more than what runs programs that were built elsewhere, where that is less.
    fn only_run(&mut self) {}

    /// Returns true if a row needs no set-up any more. Asks no network.
    fn is_ready(&self, workspace: &Workspace, target: &Target) -> bool;

    /// Returns what keeps [`Provider::prepare`] from setting a row up here, as far as that is known without a network.
    fn obstacle(&self, _workspace: &Workspace, _target: &Target) -> Option<Reason> {
        None
    }

    /// Returns what [`Provider::prepare`] would have to fetch for these rows. May ask the network for sizes.
    ///
    /// # Errors
    /// The cache cannot be read or written.
    fn missing(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Download>>;

    /// Fetches and builds what these rows need and gives their environments, in the order of the rows.
    ///
    /// # Errors
    /// What keeps every row from being had; what keeps one row is that row's reason.
    fn prepare(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Prepared>>;

    /// Returns what starts a command, or an interactive shell, inside a row; `None` where the row's environment is enough.
    fn enter(&self, _target: &Target, _command: &[OsString]) -> Option<Command> {
        None
    }
}
