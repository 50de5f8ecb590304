//! Rust's std as rustup has it. It goes to a home of rustup's own below the cache, so that the user's toolchain stays as it is: there
//! the toolchain is a folder of links, with rustup's notes of what is installed, to which rustup adds what is asked for.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::cache::Cache;
use crate::host::child::capture;
use crate::targets::Target;
use crate::workspace::Toolchain;

/// The channel's manifest of a toolchain that rustup has installed, with the hash of every component; one that is only linked has none.
const MANIFEST: &str = "lib/rustlib/multirust-channel-manifest.toml";

/// The home for one toolchain.
pub struct Rustup<'a> {
    cache: &'a Cache,
    toolchain: &'a Toolchain,
    /// The name by which rustup knows the toolchain.
    name: &'a OsStr,
}

impl<'a> Rustup<'a> {
    /// The home for this toolchain, which may be still to be made.
    ///
    /// # Errors
    /// It is no toolchain that rustup has installed.
    pub fn of(cache: &'a Cache, toolchain: &'a Toolchain) -> Result<Rustup<'a>> {
        let sysroot = &toolchain.sysroot;
        // What this program makes of a toolchain looks like one, but for rustup's settings beside it.
        let home = sysroot.parent().filter(|parent| parent.ends_with("toolchains")).and_then(Path::parent);
        let is_installed =
            home.is_some_and(|home| home.join("settings.toml").exists()) && sysroot.join(MANIFEST).exists();
        match sysroot.file_name() {
            Some(name) if is_installed => Ok(Rustup { cache, toolchain, name }),
            _ => bail!("{} is not a toolchain that rustup has installed", sysroot.display()),
        }
    }

    /// The name of the home in the cache.
    fn folder(&self) -> String {
        format!("rustup/{}", self.toolchain.key())
    }

    fn rustlib(&self) -> PathBuf {
        self.cache.path(self.folder()).join("toolchains").join(self.name).join("lib/rustlib")
    }

    /// Every target that rustup has brought here: its triple, and what `lib/rustlib/<triple>` should be.
    pub fn brought(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.rustlib()).into_iter().flatten().flatten();
        // The host's is a link.
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
    }

    /// Lets rustup bring what it has of these targets; it checks the hashes that the manifest names.
    ///
    /// # Errors
    /// There is no rustup, or no network.
    pub fn bring(&self, targets: &[&Target]) -> Result<()> {
        self.cache.install(&self.folder(), |new| self.make(new))?;
        let (sh, name) = (Shell::new()?, self.name);
        sh.set_var("RUSTUP_HOME", self.cache.path(self.folder()));
        let known = capture(cmd!(sh, "rustup target list --toolchain {name}"))?;
        let known: HashSet<&str> = known.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let is_wanted = |target: &&&Target| target.spec.is_none() && known.contains(&*target.triple);
        let triples: Vec<&str> = targets.iter().filter(is_wanted).map(|target| &*target.triple).collect();
        if triples.is_empty() {
            return Ok(());
        }
        capture(cmd!(sh, "rustup target add --toolchain {name} {triples...}")).map(drop)
    }

    /// Makes the home: the toolchain, of which rustup's notes are copies because rustup changes them.
    fn make(&self, home: &Path) -> Result<()> {
        let (real, here) = (&self.toolchain.sysroot, home.join("toolchains").join(self.name));
        let rustlib = Path::new("lib/rustlib");
        fs::create_dir_all(here.join(rustlib))?;
        symlink(real.join("bin"), here.join("bin"))?;
        for entry in fs::read_dir(real.join(rustlib)).with_context(|| format!("cannot read {}", real.display()))? {
            let entry = entry?;
            let (from, to) = (entry.path(), here.join(rustlib).join(entry.file_name()));
            if from.is_dir() { symlink(from, to)? } else { fs::copy(from, to).map(drop)? }
        }
        Ok(())
    }
}
