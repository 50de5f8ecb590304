//! `cargo cross-flake shell`.

use std::ffi::OsString;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result};
use clap::Args;

use super::{Place, one_environment};
use crate::environment::path_with;
use crate::host::child::clean_command;

/// Start a shell in which plain `cargo test` builds and runs for a target
#[derive(Args)]
pub struct Shell {
    /// Name or triple of the target
    target: String,
    #[command(flatten)]
    place: Place,
    /// A command to run instead of an interactive shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Shell {
    /// Runs the command.
    ///
    /// # Errors
    /// The target cannot be had here, or the shell cannot be started.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let target = workspace.table.find(&self.target)?;
        if let Some(mut command) = self.place.provider(&workspace)?.enter(target, &self.command) {
            return end(command.status().context("cannot start nix")?);
        }
        let (_, _, environment) = one_environment(&self.place, &self.target)?;
        let default = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let (program, args) = match self.command.split_first() {
            Some((program, args)) => (program.clone(), args),
            None => {
                eprintln!("{}: exit leaves this shell", self.target);
                (default, &[][..])
            }
        };
        let mut command: Command = clean_command(&program);
        command.args(args).envs(&environment.scoped).envs(&environment.shell);
        command.env("PATH", path_with(&[&environment])?);
        end(command.status().with_context(|| format!("cannot start {}", program.to_string_lossy()))?)
    }
}

fn end(status: ExitStatus) -> Result<ExitCode> {
    Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
}
