//! `clippy`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::check::CheckArguments;
use crate::engine::build::Mode;

/// Find the errors in the workspace's code for some targets, and what clippy dislikes
///
/// The same as `check`, by `cargo clippy`: code that is only for Windows is linted as well. Arguments after `--` go to cargo, those
/// after a second `--` to clippy.
#[derive(Args)]
#[command(
    after_long_help = "Example:\n  cargo cross-flake clippy windows-x64 macos-arm64 -- --all-targets -- --deny warnings"
)]
pub struct Clippy {
    #[command(flatten)]
    with: CheckArguments,
}

impl Clippy {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`CheckArguments::run`].
    pub fn run(self) -> Result<ExitCode> {
        self.with.run(Mode::Clippy)
    }
}
