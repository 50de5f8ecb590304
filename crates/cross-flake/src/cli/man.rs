//! `man`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::completions::command;

/// Write manual pages, one for each command
#[derive(Args)]
#[command(after_long_help = "Example:\n  cargo cross-flake man ~/.local/share/man/man1 && man cargo-cross-flake-test")]
pub struct Man {
    /// A directory, which is made if it is not there
    #[arg(value_name = "DIRECTORY")]
    folder: PathBuf,
}

impl Man {
    /// Runs the command.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let failed = || format!("cannot write {}", self.folder.display());
        std::fs::create_dir_all(&self.folder).with_context(failed)?;
        clap_mangen::generate_to(command()?, &self.folder).with_context(failed)?;
        Ok(ExitCode::SUCCESS)
    }
}
