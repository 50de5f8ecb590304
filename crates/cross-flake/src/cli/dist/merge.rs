//! `dist merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Package;
use clap::Args;

use super::{Place, out_of, publish};
use crate::dist::join;
use crate::dist::provenance::Key;
use crate::dist::release::Release;
use crate::workspace::Workspace;

/// Make one release of those of several machines
///
/// They are the folders that `dist --shard 1/N` to `dist --shard N/N` filled, of the commit that is checked out here. Each file is held
/// against its hash; a part that is missing, or parts of different commits or releases of Rust, are an error.
#[derive(Args)]
#[command(
    after_long_help = "Example:\n  cargo cross-flake dist --shard 2/5 --out part-2    # on each machine\n  cargo cross-flake dist \
                       merge part-*"
)]
pub(super) struct Merge {
    /// Folders that `dist --shard` filled
    #[arg(required = true, value_name = "DIR")]
    parts: Vec<PathBuf>,
    /// The folder for the archives [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Sign the provenance with this Ed25519 key, as `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Merge {
    /// Runs the command.
    ///
    /// # Errors
    /// The parts do not belong together, are not of what is checked out here, or the release cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let key = self.key.as_deref().map(Key::read).transpose()?;
        let workspace = self.place.workspace()?;
        let (parts, source) = join::read(&self.parts)?;
        let packages =
            parts.iter().flat_map(join::Part::packages).map(|(name, version)| find(&workspace, name, version));
        let mut packages = packages.collect::<Result<Vec<_>>>()?;
        packages.sort_by_key(|package| package.name.as_str());
        packages.dedup_by_key(|package| &package.id);
        let out = out_of(self.out.clone(), &workspace);
        // The parts themselves may lie among the sources; how those were when they were built, the parts say.
        let mut release = Release::of(&workspace, &packages, source.profile.clone(), out, true)?;
        ensure!(
            release.origin.commit == source.commit,
            "the parts are of {}, and here is {}",
            source.commit.as_deref().unwrap_or("no commit"),
            release.origin.commit.as_deref().unwrap_or("none")
        );
        release.origin.time = source.source_date_epoch;
        let mut manifest = join::join(parts, source, &release.out)?;
        release.pack_for_all(&mut manifest)?;
        publish(&release, &manifest, key.as_ref())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn find<'a>(workspace: &'a Workspace, name: &str, version: &str) -> Result<&'a Package> {
    let is_it = |package: &&Package| *package.name == name && package.version.to_string() == version;
    workspace
        .metadata
        .workspace_packages()
        .into_iter()
        .find(is_it)
        .with_context(|| format!("no package here is {name} {version}"))
}
