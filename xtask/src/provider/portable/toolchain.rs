//! A toolchain that is the user's own plus the std of every target: a folder of symbolic links.
//!
//! rustc is a script that adds `--sysroot`, because rustc finds its own sysroot through the links. The user's toolchain
//! is not touched, no space is taken, and plain cargo with this folder first in `PATH` needs no flags at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::rust_std::RustStd;
use super::wrappers::quote;
use crate::cache::{Cache, write_whole};
use crate::workspace::Toolchain;

/// The folder for this toolchain, up to date with what was built for it.
///
/// # Errors
/// The cache cannot be written.
pub fn make(cache: &Cache, toolchain: &Toolchain, std: &RustStd) -> Result<PathBuf> {
    // The path of the toolchain belongs to the name: two copies of one version are two toolchains.
    let farm = cache.path("toolchains").join(format!("{}{}", toolchain.key(), suffix(&toolchain.sysroot)));
    let real = &toolchain.sysroot;
    let failed = || format!("cannot write {}", farm.display());
    fs::create_dir_all(farm.join("bin")).with_context(failed)?;
    fs::create_dir_all(farm.join("lib/rustlib")).with_context(failed)?;
    let built = std.built();
    let custom: Vec<&str> =
        built.iter().filter(|(_, folder)| folder.join("target.json").exists()).map(|(name, _)| name.as_str()).collect();
    for entry in list(&real.join("bin")) {
        let (name, program) = (entry.file_name(), entry.path());
        let here = farm.join("bin").join(&name);
        match name.to_str() {
            Some("rustc" | "rustdoc") => write_script(&here, &program, &farm, &custom)?,
            _ => link(&program, &here).with_context(failed)?,
        }
    }
    for entry in list(&real.join("lib")) {
        if entry.file_name() != "rustlib" {
            link(&entry.path(), &farm.join("lib").join(entry.file_name())).with_context(failed)?;
        }
    }
    for entry in list(&real.join("lib/rustlib")) {
        link(&entry.path(), &farm.join("lib/rustlib").join(entry.file_name())).with_context(failed)?;
    }
    for (name, folder) in &built {
        if !real.join("lib/rustlib").join(name).join("lib").exists() {
            link(folder, &farm.join("lib/rustlib").join(name)).with_context(failed)?;
        }
    }
    Ok(farm)
}

fn suffix(sysroot: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    sysroot.hash(&mut hasher);
    format!("-{:08x}", hasher.finish() as u32)
}

fn list(folder: &Path) -> Vec<fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten().collect()
}

/// Makes a link say this, without a moment in which it is missing.
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    if fs::read_link(at).is_ok_and(|old| old == to) {
        return Ok(());
    }
    let mut temporary = at.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    symlink(to, &temporary)?;
    fs::rename(&temporary, at)
}

/// The real program with this sysroot, unless the caller names one.
///
/// Rust 1.95 takes a custom target only with `-Zunstable-options`, and that only with `RUSTC_BOOTSTRAP`. For those targets
/// the script gives both, and `-Zallow-features=` keeps every unstable feature closed to the crates.
fn write_script(at: &Path, program: &Path, farm: &Path, custom: &[&str]) -> Result<()> {
    let (program, farm) = (quote(program), quote(farm));
    let mut script = format!("#!/bin/sh\ncase \" $* \" in *' --sysroot'*) exec {program} \"$@\" ;; esac\n");
    for name in custom {
        script.push_str(&format!(
            "case \" $* \" in *[\\ =]{name}\\ *) RUSTC_BOOTSTRAP=1 exec {program} --sysroot {farm} -Zunstable-options -Zallow-features= \"$@\" ;; esac\n"
        ));
    }
    script.push_str(&format!("exec {program} --sysroot {farm} \"$@\"\n"));
    if fs::read_to_string(at).is_ok_and(|old| old == script) {
        return Ok(());
    }
    write_whole(at, script.as_bytes(), true)
}
