//! zlib for every row, compiled from the source that the crate libz-sys carries, which cargo fetches and verifies.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::clang::{CToolchains, Clang};
use super::part::{Failures, Part, Site, each};
use super::prefix::{ZLIB, name, prefix};
use crate::cache::Cache;
use crate::host::child::capture;
use crate::provider::Download;
use crate::targets::Target;

/// A script that makes the directory of a row, with Nix as well.
const SCRIPT: &str = include_str!("../../../data/zlib.sh");
/// The crate with the source, and the version of zlib in it.
const CRATE: (&str, &str) = ("libz-sys", ZLIB);
/// Its size.
const BYTES: u64 = 888_048;
/// The crate's hash in the registry, as `Cargo.lock` has it.
const CHECKSUM: &str = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";

/// zlib for each row.
pub struct Zlib;

impl Part for Zlib {
    fn key(&self) -> String {
        "zlib".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        site.cache.has(&name(row))
    }

    fn needs(&self, _: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
        vec![Box::new(CToolchains), Box::new(Source)]
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        let source = site.cache.path(source_name()).join(format!("vendor/{}-{}/src/zlib", CRATE.0, CRATE.1));
        let compile = |row: &Target| compile(site.cache, &source, row).context("cannot compile zlib");
        site.events.step("zlib", &format!("compiling zlib for {} targets", rows.len()), || {
            Ok(each(rows, |row| Some(name(row)), compile))
        })
    }
}

/// The source.
struct Source;

impl Part for Source {
    fn key(&self) -> String {
        source_name()
    }

    fn downloads(&self, _: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        let name = format!("source of zlib, {} {}", CRATE.0, CRATE.1);
        Ok(vec![Download { name, from: "crates.io".into(), bytes: BYTES }])
    }

    fn install(&self, site: &Site<'_>, _: &[&Target]) -> Result<Failures> {
        site.install("zlib", "fetching the source of zlib", &source_name(), |new| {
            // The workspace's own cargo: in the cache, rustup would look for its default toolchain, which may not be there.
            fetch(&site.std.toolchain.sysroot.join("bin/cargo"), new)
        })
    }
}

fn source_name() -> String {
    let (package, version) = CRATE;
    format!("zlib-source/{package}-{version}")
}

fn fetch(cargo: &Path, new: &Path) -> Result<()> {
    let (package, version) = CRATE;
    let sh = Shell::new()?;
    sh.change_dir(new);
    // A package that needs nothing but the source; the lock file pins its hash.
    sh.write_file(
        "Cargo.toml",
        format!("[package]\nname = \"source\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n{package} = {{ version = \"={version}\", default-features = false }}\n[workspace]\n"),
    )?;
    sh.write_file("lib.rs", "")?;
    capture(cmd!(sh, "{cargo} vendor --quiet --versioned-dirs vendor"))
        .with_context(|| format!("cannot fetch {package} {version}"))?;
    let lock = sh.read_file("Cargo.lock")?;
    if !lock.contains(CHECKSUM) {
        bail!("{package} {version} is not the one that is pinned");
    }
    Ok(())
}

fn compile(cache: &Cache, source: &Path, target: &Target) -> Result<()> {
    let place = prefix(cache, target);
    cache.install(&name(target), |new| {
        let sh = Shell::new()?;
        sh.set_var("ZIG_GLOBAL_CACHE_DIR", cache.path("zig-cache"));
        sh.set_var("ZIG_LOCAL_CACHE_DIR", cache.path("zig-cache"));
        sh.set_var("CC", Clang::new(cache, target).context("the row has no `zig`")?.write()?.cc);
        sh.set_var("AR", cache.path("bin/zig-ar"));
        let scratch = cache.scratch()?;
        let script = scratch.path().join("zlib.sh");
        sh.write_file(&script, SCRIPT)?;
        let system = target.platform().system.name();
        // The place is where the directory will be, not where it is made.
        capture(cmd!(sh, "sh {script} {system} {source} {new} {place}")).map(drop)
    })?;
    Ok(())
}
