//! `cargo xtask sysroot`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::events;
use crate::cache::Cache;
use crate::provider::portable::sysroot::Sysroot as Root;
use crate::workspace::Workspace;

/// Unpack Debian's packages for a target, with all that they depend on, and print the folder
///
/// Programs and libraries of the target, an interpreter say, for tests that need more than the
/// row brings: with CROSS_FLAKE_ROOT set to the folder, the row's runner takes the loader and the
/// libraries of a program from there. They are Debian 13's on every machine, checked by apt
/// against the distribution's keys. No script of a package is run.
///
/// The folder is in the cache, for reading only; --into makes a copy of your own.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Sysroot {
    /// Name or triple of the target
    target: String,
    /// Names of packages
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
    /// A copy goes here; what is here from an earlier call is replaced
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The Cargo.toml of the workspace [default: the one of the current folder]
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
}

impl Sysroot {
    /// Runs the command.
    ///
    /// # Errors
    /// An unknown target or package, a row without packages, or they cannot be fetched or written.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = Workspace::load(self.manifest_path.as_deref())?;
        let wish = Root::new(workspace.table.find(&self.target)?, &self.packages)?;
        let cache = Cache::locate()?;
        let folder = match self.into {
            Some(into) => {
                wish.copy(&cache, &into, &events())?;
                into
            }
            None => wish.provide(&cache, &events())?,
        };
        println!("{}", folder.display());
        Ok(ExitCode::SUCCESS)
    }
}
