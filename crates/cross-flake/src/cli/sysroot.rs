//! `cargo cross-flake sysroot`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::events;
use crate::cache::Cache;
use crate::provider::portable::sysroot::Sysroot as Root;
use crate::targets;
use crate::workspace::Workspace;

/// Unpack Debian's packages for a target, with all that they depend on, and print the directory
///
/// They join the row's builds: they are added to its `packages` in the targets.toml beside your
/// Cargo.toml, and from then on compiler, linker, pkg-config, CMake and Meson find their headers
/// and libraries, and the row's programs are run with them. They are Debian 13's on every machine,
/// checked against the distribution's keys. No script of a package is run.
///
/// With --apart they join nothing: an interpreter, say, for tests that need more than the row
/// brings. With CROSS_FLAKE_ROOT set to the directory, the row's runner takes the loader and the
/// libraries of a program from there.
///
/// The directory is in the cache, for reading only; --into makes a copy of your own, apart as well.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Sysroot {
    /// Name or triple of the target
    target: String,
    /// Names of packages
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Leave targets.toml, and so the row's builds, as they are
    #[arg(long)]
    apart: bool,
    /// A copy goes here; what is here from an earlier call is replaced
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The Cargo.toml of the workspace [default: the one of the current directory]
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
        let target = workspace.table.find(&self.target)?;
        let (cache, events) = (Cache::locate()?, events());
        let wish = |packages: &[String]| Root::new(target, packages);
        let folder = match self.into {
            Some(into) => {
                wish(&self.packages)?.copy(&cache, &into, &events)?;
                into
            }
            None if self.apart => wish(&self.packages)?.provide(&cache, &events)?,
            None => {
                let new = self.packages.iter().filter(|package| !target.packages.contains(package));
                let all: Vec<String> = target.packages.iter().chain(new).cloned().collect();
                let root = wish(&all)?;
                let was_here = root.folder(&cache).exists();
                let folder = root.provide(&cache, &events)?;
                if was_here {
                    root.notes(&cache).iter().for_each(|note| events.note(note));
                }
                if all != target.packages {
                    let file = workspace.root().join("targets.toml");
                    targets::set_packages(&file, &target.name, &all)?;
                    events.note(&format!(
                        "{}: [target.{target}] has packages = {all:?} now, which its builds find; --apart leaves it alone",
                        file.display()
                    ));
                }
                folder
            }
        };
        println!("{}", folder.display());
        Ok(ExitCode::SUCCESS)
    }
}
