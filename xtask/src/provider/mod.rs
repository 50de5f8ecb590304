//! A provider turns rows of the table into environments.

pub mod portable;

use anyhow::Result;
use clap::ValueEnum;

use crate::environment::Environment;
use crate::events::Events;
use crate::targets::Target;
use crate::workspace::Workspace;

/// Which provider makes the environments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The first of the others that works here.
    #[default]
    Auto,
    /// zig, emulators and std in the cache folder; needs nothing but cargo.
    Portable,
}

/// Something that a set-up fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// What it is: `zig 0.17.0`.
    pub name: String,
    /// Which of the package registries it comes from.
    pub from: &'static str,
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
}
