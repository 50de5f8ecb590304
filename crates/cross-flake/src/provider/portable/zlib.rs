//! zlib for every row, compiled from the source that the crate libz-sys carries, which cargo fetches and verifies.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::clang::Clang;
use super::for_each_row;
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::capture;
use crate::provider::Download;
use crate::targets::Target;

/// A script that makes the directory of a row, with Nix as well.
const SCRIPT: &str = include_str!("../../../data/zlib.sh");
/// The crate with the source, and the version of zlib in it.
const CRATE: (&str, &str) = ("libz-sys", "1.1.31");
/// Its size.
const BYTES: u64 = 888_048;
/// The crate's hash in the registry, as `Cargo.lock` has it.
const CHECKSUM: &str = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";

/// Returns the directory with a row's own libraries, in `include` and `lib`.
pub fn prefix(cache: &Cache, target: &Target) -> PathBuf {
    cache.path(name(target))
}

/// The name tells all that the library depends on, so that a row that changes gets another.
fn name(target: &Target) -> String {
    let zig = target.zig_target().unwrap_or_default();
    let cpu = target.zig_cpu.as_deref().map(|c| format!("-{c}")).unwrap_or_default();
    format!("prefix/{zig}{cpu}-zlib-{}-zig-{}", CRATE.1, ZIG.version)
}

/// Builds zlib for these rows, several at once; `failed` hears of each row for which that is not possible.
pub fn provide(cache: &Cache, targets: &[&Target], events: &Events, failed: impl Fn(String, String) + Sync) {
    let wanted: Vec<&Target> = targets.iter().copied().filter(|t| t.has_libc() && !prefix(cache, t).exists()).collect();
    if wanted.is_empty() {
        return;
    }
    let doing = format!("compiling zlib for {} targets", wanted.len());
    let all = events.step("zlib", &doing, || {
        let source = source(cache)?;
        for_each_row(&wanted, |target| compile(cache, &source, target).context("cannot compile zlib"), &failed);
        Ok(())
    });
    if let Err(error) = all {
        wanted.iter().for_each(|t| failed(t.name.clone(), format!("{error:#}")));
    }
}

fn source_name() -> String {
    let (package, version) = CRATE;
    format!("zlib-source/{package}-{version}")
}

/// Returns what [`provide`] would fetch for these rows.
pub fn download(cache: &Cache, targets: &[Target]) -> Option<Download> {
    let missing = targets.iter().any(|t| t.zig.is_some() && t.has_libc() && !prefix(cache, t).exists());
    let name = format!("source of zlib, {} {}", CRATE.0, CRATE.1);
    (missing && !cache.has(&source_name())).then_some(Download { name, from: "crates.io".into(), bytes: BYTES })
}

/// Returns the directory with zlib's source.
fn source(cache: &Cache) -> Result<PathBuf> {
    let (package, version) = CRATE;
    let folder = cache.install(&source_name(), |new| {
        let sh = Shell::new()?;
        sh.change_dir(new);
        // A package that needs nothing but the source; the lock file pins its hash.
        sh.write_file(
            "Cargo.toml",
            format!("[package]\nname = \"source\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n{package} = {{ version = \"={version}\", default-features = false }}\n[workspace]\n"),
        )?;
        sh.write_file("lib.rs", "")?;
        capture(cmd!(sh, "cargo vendor --quiet --versioned-dirs vendor").env_remove("RUSTUP_TOOLCHAIN"))
            .with_context(|| format!("cannot fetch {package} {version}"))?;
        let lock = sh.read_file("Cargo.lock")?;
        if !lock.contains(CHECKSUM) {
            bail!("{package} {version} is not the one that is pinned");
        }
        Ok(())
    })?;
    Ok(folder.join(format!("vendor/{package}-{version}/src/zlib")))
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
