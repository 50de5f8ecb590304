//! `cargo xtask runner`: what starts one program of a target. Hidden, since cargo and the engine call it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::runner;

/// Start a program of a target
#[derive(Args)]
pub struct Runner {
    /// Do not enter a private binfmt_misc
    #[arg(long)]
    no_binfmt: bool,
    /// The document that describes the runner
    spec: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Runner {
    /// Runs the program and gives its exit code.
    ///
    /// # Errors
    /// The document cannot be read, or the program cannot be started.
    pub fn run(self) -> Result<ExitCode> {
        let text = std::fs::read(&self.spec).with_context(|| format!("cannot read {}", self.spec.display()))?;
        let spec = serde_json::from_slice(&text).with_context(|| format!("malformed {}", self.spec.display()))?;
        let (program, args) = self.command.split_first().context("no program to run")?;
        let code = runner::run(&spec, program, args, !self.no_binfmt)?;
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}
