//! `cargo cross-flake env`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Place, one_environment, print_json};

/// Print the environment of a target
///
/// With --shell, for a POSIX shell to evaluate: plain `cargo test` then builds and runs for the target.
#[derive(Args)]
#[command(after_long_help = "Example:\n  eval \"$(cargo cross-flake env aarch64-linux --shell)\"")]
pub struct Env {
    /// Name or triple of the target
    target: String,
    #[command(flatten)]
    place: Place,
    /// Print lines for a POSIX shell
    #[arg(long, conflicts_with = "json")]
    shell: bool,
    /// Print the document as JSON (the default)
    #[arg(long)]
    json: bool,
}

impl Env {
    /// Runs the command.
    ///
    /// # Errors
    /// The target cannot be had here.
    pub fn run(self) -> Result<ExitCode> {
        let (_, _, environment) = one_environment(&self.place, &self.target)?;
        if self.shell {
            print!("{}", environment.to_shell());
        } else {
            print_json(&environment)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
