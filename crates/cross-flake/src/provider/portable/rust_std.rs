//! Rust's own libraries for a target: the toolchain's, else rustup's, else built from their source, once for each
//! compiler and target.

mod build;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::archive::{Archive, Package};
use super::rustup::Rustup;
use crate::cache::Cache;
use crate::environment::StdOrigin as Origin;
use crate::host::digest::StableHasher;
use crate::settings;
use crate::targets::{StdKind, Target};
use crate::workspace::Toolchain;

/// The value of the setting by which rustup is not asked.
pub const SOURCE: &str = "source";

/// The libraries of one toolchain.
pub struct RustStd {
    cache: Cache,
    pub(super) toolchain: Toolchain,
}

impl RustStd {
    /// The libraries of this toolchain.
    pub fn new(cache: &Cache, toolchain: &Toolchain) -> RustStd {
        RustStd { cache: cache.clone(), toolchain: toolchain.clone() }
    }

    /// Returns the toolchain's own directory of a target.
    fn own(&self, target: &Target) -> PathBuf {
        self.toolchain.sysroot.join("lib/rustlib").join(&target.triple)
    }

    /// The directory of all libraries that were built for this toolchain.
    fn built_root(&self) -> PathBuf {
        self.cache.path("std").join(self.toolchain.key())
    }

    /// The name of a built target's directory in the cache. A custom target's also depends on its specification.
    fn built_name(&self, target: &Target) -> String {
        let suffix = target.spec.as_deref().map(spec_key).unwrap_or_default();
        format!("std/{}/{}{suffix}", self.toolchain.key(), target.triple)
    }

    /// Returns what `lib/rustlib/<target>` should be, and its origin: the toolchain's own directory, else rustup's, else a built one.
    fn find(&self, target: &Target) -> Option<(PathBuf, Origin)> {
        let mut places = vec![(self.cache.path(self.built_name(target)), Origin::Source)];
        if target.spec.is_none() {
            let brought = self.rustup().map(|rustup| rustup.brought()).unwrap_or_default();
            places.extend(
                brought.into_iter().filter(|(name, _)| *name == target.triple).map(|(_, p)| (p, Origin::Rustup)),
            );
            places.push((self.own(target), Origin::Toolchain));
        }
        places.into_iter().rev().find(|(folder, _)| has_library(&folder.join("lib"), target))
    }

    /// Returns what `lib/rustlib/<target>` should be.
    pub fn folder(&self, target: &Target) -> Option<PathBuf> {
        Some(self.find(target)?.0)
    }

    /// Returns the origin of a target's libraries, where they are here.
    pub fn origin(&self, target: &Target) -> Option<Origin> {
        Some(self.find(target)?.1)
    }

    /// Returns true if nothing has to be fetched or built.
    pub fn has(&self, target: &Target) -> bool {
        self.folder(target).is_some()
    }

    /// Every directory that was built or brought for this toolchain: the name below `rustlib`, and the directory. Of two with one
    /// name, the later one counts.
    pub fn all(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.built_root()).into_iter().flatten().flatten();
        let built = entries
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
            .filter(|(name, path)| name != "build" && path.is_dir())
            .map(|(name, path)| (name.split('@').next().unwrap_or_default().to_owned(), path));
        built.chain(self.rustup().map(|rustup| rustup.brought()).unwrap_or_default()).collect()
    }

    /// The directory with the source as it is built: `library`, in which std is no shared library.
    pub(super) fn source_name(&self) -> String {
        format!("rust-src/{}-rlib", self.toolchain.release)
    }

    pub(super) fn has_source(&self) -> bool {
        self.cache.has(&self.source_name())
    }

    pub(super) fn source_title(&self) -> String {
        format!("source of Rust {}'s std", self.toolchain.release)
    }

    /// The source that rustup's component rust-src brings.
    pub(super) fn component(&self) -> Option<PathBuf> {
        let library = self.toolchain.sysroot.join("lib/rustlib/src/rust/library");
        library.join("vendor").is_dir().then_some(library)
    }

    /// The distribution's package with the source of exactly this compiler.
    ///
    /// # Errors
    /// It has none.
    pub fn source_package(&self, archive: &Archive) -> Result<Package> {
        let release = &self.toolchain.release;
        let versions = archive.versions("rust-src")?;
        let fits = |v: &&String| v.split(['+', '~', '-']).next() == Some(release.as_str());
        let version = versions.iter().find(fits).ok_or_else(|| {
            anyhow!(
                "no source of Rust {release}'s std: the distribution's rust-src is {}\n\
                 `rustup component add rust-src` may have it",
                if versions.is_empty() { "missing".to_owned() } else { versions.join(", ") }
            )
        })?;
        let package = archive.resolve(&[&format!("rust-src={version}")], &archive.own_suite)?;
        package.into_iter().next().context("archive does not find rust-src again")
    }

    /// rustup's home in the cache for this toolchain.
    ///
    /// # Errors
    /// It is no toolchain of rustup's, or rustup is not to be asked.
    pub(super) fn rustup(&self) -> Result<Rustup<'_>> {
        if settings::get().std == SOURCE {
            bail!("{}={SOURCE}", settings::STD);
        }
        Rustup::of(&self.cache, &self.toolchain)
    }
}

/// Returns true if a directory holds core, and std where the target has it.
fn has_library(lib: &Path, target: &Target) -> bool {
    let wanted = match target.std {
        StdKind::Std => "libstd-",
        StdKind::Core => "libcore-",
    };
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    entries.map(|e| e.file_name()).any(|n| {
        let name = n.to_string_lossy();
        name.starts_with(wanted) && name.ends_with(".rlib")
    })
}

/// Distinguishes two versions of a specification: `@` and a hash of its text.
pub fn spec_key(spec: &Path) -> String {
    use std::hash::{Hash, Hasher};
    let mut hasher = StableHasher::default();
    fs::read(spec).unwrap_or_default().hash(&mut hasher);
    format!("@{:016x}", hasher.finish())
}
