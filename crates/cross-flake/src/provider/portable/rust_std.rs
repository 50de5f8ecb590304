//! Rust's own libraries for a target: the toolchain's, else rustup's, else built from their source, once for each
//! compiler and target.

mod build;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use xshell::{Shell, cmd};

use super::apt::{Apt, BACKPORTS, Package};
use super::part::{Failures, Part, Site};
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::capture;
use crate::host::signals;
use crate::provider::Download;
use crate::targets::{StdKind, Target};
use crate::workspace::Toolchain;

/// The variable that says where std comes from: `auto` (the default), `rustup` or `source`.
pub const VARIABLE: &str = "CROSS_FLAKE_STD";

/// The libraries of one toolchain.
pub struct RustStd {
    cache: Cache,
    toolchain: Toolchain,
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

    /// Returns what `lib/rustlib/<target>` should be: the toolchain's own directory, else a built one.
    pub fn folder(&self, target: &Target) -> Option<PathBuf> {
        let own = self.own(target);
        if target.spec.is_none() && has_library(&own.join("lib"), target) {
            return Some(own);
        }
        let built = self.cache.path(self.built_name(target));
        has_library(&built.join("lib"), target).then_some(built)
    }

    /// Returns true if nothing has to be fetched or built.
    pub fn has(&self, target: &Target) -> bool {
        self.folder(target).is_some()
    }

    /// Every directory that was built for this toolchain: the name below `rustlib`, and the directory.
    pub fn built(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.built_root()).into_iter().flatten().flatten();
        entries
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
            .filter(|(name, path)| name != "build" && path.is_dir())
            .map(|(name, path)| (name.split('@').next().unwrap_or_default().to_owned(), path))
            .collect()
    }

    /// The directory with the source as it is built: `library`, in which std is no shared library.
    fn source_name(&self) -> String {
        format!("rust-src/{}-rlib", self.toolchain.release)
    }

    fn has_source(&self) -> bool {
        self.cache.has(&self.source_name())
    }

    fn source_title(&self) -> String {
        format!("source of Rust {}'s std", self.toolchain.release)
    }

    /// The source that rustup's component rust-src brings.
    fn component(&self) -> Option<PathBuf> {
        let library = self.toolchain.sysroot.join("lib/rustlib/src/rust/library");
        library.join("vendor").is_dir().then_some(library)
    }

    /// The distribution's package with the source of exactly this compiler.
    ///
    /// # Errors
    /// It has none.
    pub fn source_package(&self, apt: &Apt) -> Result<Package> {
        let release = &self.toolchain.release;
        let versions = apt.versions("rust-src")?;
        let fits = |v: &&String| v.split(['+', '~', '-']).next() == Some(release.as_str());
        let version = versions.iter().find(fits).ok_or_else(|| {
            anyhow!(
                "no source of Rust {release}'s std: the distribution's rust-src is {}\n\
                 `rustup component add rust-src` or `rustup target add TRIPLE` may have it",
                if versions.is_empty() { "missing".to_owned() } else { versions.join(", ") }
            )
        })?;
        let package = apt.resolve(&[&format!("rust-src={version}")], &apt.own_suite)?;
        package.into_iter().next().context("apt does not find rust-src again")
    }

    /// The name by which rustup knows the toolchain, if it is rustup's and this user may change it.
    fn of_rustup(&self) -> Result<&OsStr> {
        let sysroot = &self.toolchain.sysroot;
        let toolchains = sysroot.parent().filter(|p| p.ends_with("toolchains"));
        let (Some(_), Some(name)) = (toolchains, sysroot.file_name()) else {
            bail!("{} is not a toolchain of rustup's", sysroot.display());
        };
        if nix::unistd::access(sysroot, nix::unistd::AccessFlags::W_OK).is_err() {
            bail!("{} may not be changed by this user", sysroot.display());
        }
        Ok(name)
    }

    /// Asks rustup for prebuilt libraries, where the toolchain is rustup's and may be written.
    fn add_with_rustup(&self, targets: &[&Target], events: &Events) -> Result<()> {
        let name = self.of_rustup()?;
        let sh = Shell::new()?;
        let known = capture(cmd!(sh, "rustup target list --toolchain {name}"))?;
        let known: HashSet<&str> = known.lines().filter_map(|l| l.split_whitespace().next()).collect();
        let triples: Vec<&str> = targets
            .iter()
            .filter(|t| t.spec.is_none())
            .map(|t| t.triple.as_str())
            .filter(|t| known.contains(t))
            .collect();
        if triples.is_empty() {
            return Ok(());
        }
        let doing = format!("rustup target add, for {} targets", triples.len());
        events.step("std", &doing, || capture(cmd!(sh, "rustup target add --toolchain {name} {triples...}")).map(drop))
    }
}

/// Returns the caller's choice.
fn choice() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| "auto".to_owned())
}

/// The libraries of each row, made for all rows in one go.
pub struct Std;

impl Part for Std {
    fn key(&self) -> String {
        "std".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        site.std.has(row)
    }

    fn needs(&self, _: &Site<'_>, row: &Target) -> Vec<Box<dyn Part>> {
        // zig is dlltool for Windows, and has the C library of WASI.
        let zig = row.zig.is_some().then(|| Box::new(ZIG) as Box<dyn Part>);
        std::iter::once(Box::new(Source) as Box<dyn Part>).chain(zig).collect()
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        site.std.build(rows, site.events)
    }
}

/// The directory `library` of Rust's source, in which std is no shared library, so that building it needs no linker; or rustup's
/// libraries, where these can be had.
struct Source;

impl Part for Source {
    fn key(&self) -> String {
        "rust-src".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        site.std.has(row) || choice() == "source" && site.std.has_source()
    }

    fn needs(&self, site: &Site<'_>, row: &Target) -> Vec<Box<dyn Part>> {
        if site.std.has_source() || site.std.component().is_some() {
            return Vec::new();
        }
        let lists = site.lists(|_| vec![BACKPORTS.to_owned()], &[]);
        // Where rustup may have the row's libraries, the distribution is asked only once rustup has not.
        let may_be_prebuilt = choice() != "source" && site.std.of_rustup().is_ok() && row.spec.is_none();
        if may_be_prebuilt { Vec::new() } else { vec![lists] }
    }

    fn downloads(&self, site: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        if site.std.has_source() || site.std.component().is_some() {
            return Ok(Vec::new());
        }
        // A version that the distribution lacks is told by who needs it.
        let package = site.std.source_package(&site.apt()?).ok();
        let download = |package: Package| Download {
            name: format!("{}{}", site.std.source_title(), if package.is_part() { ", in part" } else { "" }),
            from: "Debian".into(),
            bytes: package.bytes,
        };
        Ok(package.map(download).into_iter().collect())
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        let choice = choice();
        match choice.as_str() {
            "source" => {}
            "auto" | "rustup" => match site.std.add_with_rustup(rows, site.events) {
                Err(error) if choice == "auto" => {
                    let text = error.to_string();
                    let first = text.lines().next().unwrap_or_default();
                    site.events.note(&format!("std is built from source: {first}"));
                }
                result => result?,
            },
            other => bail!("{VARIABLE}={other}: expected auto, rustup or source"),
        }
        let name = site.std.source_name();
        if site.std.has_source() || rows.iter().all(|row| site.std.has(row)) {
            return Ok(Failures::new());
        }
        signals::check()?;
        if let Some(component) = site.std.component() {
            // It is rustup's, so a copy is what changes.
            let copy = |new: &Path| {
                let sh = Shell::new()?;
                capture(cmd!(sh, "cp --recursive --reflink=auto {component}/. {new}"))?;
                without_dylib(new)
            };
            return site.cache.install(&name, copy).map(|_| Failures::new());
        }
        let apt = site.apt()?;
        let package = site.std.source_package(&apt)?;
        site.install("std", &format!("fetching the {}", site.std.source_title()), &name, |new| {
            // The package holds the compiler's source, too, which is six times as large.
            let library = format!("usr/src/rustc-{}/library", site.std.toolchain.release);
            let scratch = site.cache.scratch()?;
            apt.unpack_part(&[package], &library, scratch.path())?;
            let library = scratch.path().join(library);
            for entry in fs::read_dir(&library).with_context(|| format!("cannot read {}", library.display()))? {
                let entry = entry?;
                fs::rename(entry.path(), new.join(entry.file_name()))?;
            }
            without_dylib(new)
        })
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
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    fs::read(spec).unwrap_or_default().hash(&mut hasher);
    format!("@{:016x}", hasher.finish())
}

/// Makes std no shared library: that would need a linker.
fn without_dylib(library: &Path) -> Result<()> {
    let sh = Shell::new()?;
    let manifest = library.join("std/Cargo.toml");
    let text = sh.read_file(&manifest)?;
    let patched = text.replace("crate-type = [\"dylib\", \"rlib\"]", "crate-type = [\"rlib\"]");
    if patched == text {
        bail!("{} does not look as expected: is this compiler supported?", manifest.display());
    }
    Ok(sh.write_file(&manifest, patched)?)
}
