//! `cargo xtask room`: makes the namespaces in which programs of one package on one row run. Hidden, since the engine calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::runner::room;

/// Make a room for programs of a target, until the end of the input
#[derive(Args)]
pub struct Room {
    /// The document that describes it
    plan: PathBuf,
}

impl Room {
    /// Makes the room and holds it.
    ///
    /// # Errors
    /// The document cannot be read, or the kernel allows no namespaces.
    pub fn run(self) -> Result<ExitCode> {
        let text = std::fs::read(&self.plan).with_context(|| format!("cannot read {}", self.plan.display()))?;
        let plan = serde_json::from_slice(&text).with_context(|| format!("malformed {}", self.plan.display()))?;
        room::hold(&plan)?;
        Ok(ExitCode::SUCCESS)
    }
}
