//! A provider turns rows of the table into environments.

pub mod nix;
pub mod portable;
pub mod toolchain;

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::environment::Environment;
use crate::events::Events;
use crate::targets::Target;
use crate::workspace::Workspace;

/// Which provider makes the environments.
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

/// The provider that was chosen, for this workspace.
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
            (nix::Found::Absent(reason) | nix::Found::Unusable(reason), _) => bail!("{reason}"),
        },
    }
}

/// Which provider `auto` is for this workspace, and why.
///
/// # Errors
/// The cache cannot be located.
pub fn describe_auto(workspace: &Workspace) -> Result<String> {
    let reason = match nix::Nix::find(workspace, Cache::locate()?) {
        nix::Found::Usable(nix) => return Ok(format!("nix, with the flake {}", nix.flake())),
        nix::Found::Absent(reason) | nix::Found::Unusable(reason) => reason,
    };
    Ok(format!("portable, for {}", reason.split_once(": ").map_or(reason.as_str(), |(what, _)| what)))
}

/// Something that a set-up fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// What it is: `zig 0.17.0`.
    pub name: String,
    /// Which of the package registries it comes from.
    pub from: String,
    /// Bytes over the network.
    pub bytes: u64,
}

/// One row with its environment, or with the reason why there is none here.
pub struct Prepared {
    /// The row.
    pub target: Target,
    /// Its environment, or the reason.
    pub environment: std::result::Result<Environment, String>,
}

/// Turns rows into environments.
pub trait Provider {
    /// The name that reports use.
    fn name(&self) -> &'static str;

    /// Whether a row needs no set-up any more. Asks no network.
    fn is_ready(&self, workspace: &Workspace, target: &Target) -> bool;

    /// Why [`Provider::prepare`] cannot set a row up here, as far as that is known without a network.
    fn obstacle(&self, _workspace: &Workspace, _target: &Target, _events: &Events) -> Option<String> {
        None
    }

    /// What [`Provider::prepare`] would have to fetch for these rows. May ask the network for sizes.
    ///
    /// # Errors
    /// The cache cannot be read or written.
    fn missing(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Download>>;

    /// Fetches and builds what these rows need and gives their environments, in the order of the rows.
    ///
    /// # Errors
    /// What keeps every row from being had; what keeps one row is that row's reason.
    fn prepare(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Prepared>>;

    /// What starts a command, or an interactive shell, inside a row; none where the row's environment is all that it takes.
    fn enter(&self, _target: &Target, _command: &[OsString]) -> Option<Command> {
        None
    }
}
