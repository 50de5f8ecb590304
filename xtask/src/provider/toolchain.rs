//! A toolchain that is the user's own plus the std of every target: a folder of links.
//!
//! rustc takes for its sysroot the folder in which `librustc_driver` lies, seen through symbolic links. So that library
//! and the programs are hard links (or copies, where the file system or its owner allows no hard links) and the rest are
//! symbolic ones. The user's toolchain is not touched, and plain cargo with this folder first in `PATH` needs no flags at
//! all. Scripts in the place of rustc would not do: `sh` drops variables like `CARGO_BIN_EXE_hello-zlib`, whose names
//! are none for a shell.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::workspace::Toolchain;

/// The name of a custom target's specification beside its libraries, where rustc looks for it.
pub const SPEC: &str = "target.json";
/// The programs that xtask stands in for where there are custom targets; see [`as_proxy`].
const PROXIED: [&str; 2] = ["rustc", "rustdoc"];
/// The extension of the program that xtask stands in for.
const REAL: &str = "real";

/// The folder for this toolchain, up to date with these libraries: the name below `rustlib` and the folder of each, of which a
/// later one wins. `xtask` is a copy of this program in the cache; without it a custom target is only a target.
///
/// # Errors
/// The cache cannot be written.
pub fn make(
    cache: &Cache,
    toolchain: &Toolchain,
    libraries: &[(String, PathBuf)],
    xtask: Option<&Path>,
) -> Result<PathBuf> {
    // The path of the toolchain belongs to the name: two copies of one version are two toolchains.
    let farm = cache.path("toolchains").join(format!("{}{}", toolchain.key(), suffix(&toolchain.sysroot)));
    let real = &toolchain.sysroot;
    let failed = || format!("cannot write {}", farm.display());
    fs::create_dir_all(farm.join("bin")).with_context(failed)?;
    fs::create_dir_all(farm.join("lib/rustlib")).with_context(failed)?;
    let is_custom = |folder: &Path| folder.join(SPEC).exists();
    let proxy = xtask.filter(|_| libraries.iter().any(|(_, folder)| is_custom(folder)));
    for entry in list(&real.join("bin")) {
        let (name, here) = (entry.file_name(), farm.join("bin").join(entry.file_name()));
        if let Some(xtask) = proxy.filter(|_| PROXIED.iter().any(|proxied| name == *proxied)) {
            twin(&entry.path(), &here.with_extension(REAL)).with_context(failed)?;
            twin(xtask, &here).with_context(failed)?;
        } else {
            twin(&entry.path(), &here).with_context(failed)?;
        }
    }
    for entry in list(&real.join("lib")) {
        let (name, here) = (entry.file_name(), farm.join("lib").join(entry.file_name()));
        match name.to_str() {
            Some("rustlib") => {}
            Some(name) if name.starts_with("librustc_driver") => twin(&entry.path(), &here).with_context(failed)?,
            _ => link(&entry.path(), &here).with_context(failed)?,
        }
    }
    link(&real.join("libexec"), &farm.join("libexec")).with_context(failed)?;
    for entry in list(&real.join("lib/rustlib")) {
        link(&entry.path(), &farm.join("lib/rustlib").join(entry.file_name())).with_context(failed)?;
    }
    for (name, folder) in libraries {
        if is_custom(folder) || !real.join("lib/rustlib").join(name).join("lib").exists() {
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
pub fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    if fs::read_link(at).is_ok_and(|old| old == to) {
        return Ok(());
    }
    let temporary = temporary(at);
    symlink(to, &temporary)?;
    fs::rename(&temporary, at)
}

/// The same file under another name, or a copy of it.
fn twin(from: &Path, at: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let original = fs::metadata(from)?;
    if fs::symlink_metadata(at).is_ok_and(|m| m.len() == original.len() && m.mtime() == original.mtime()) {
        return Ok(());
    }
    let temporary = temporary(at);
    // A link to what the name stands for: the toolchain itself may hold symbolic links.
    let from = fs::canonicalize(from)?;
    if fs::hard_link(&from, &temporary).is_err() {
        fs::copy(&from, &temporary)?;
        fs::File::options().append(true).open(&temporary)?.set_modified(original.modified()?)?;
    }
    fs::rename(&temporary, at)?;
    // Renaming one name of a file onto another of the same file does nothing.
    let _ = fs::remove_file(&temporary);
    Ok(())
}

fn temporary(at: &Path) -> PathBuf {
    let mut name = at.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

/// What xtask does under the name of rustc or rustdoc, if it has one.
///
/// Rust 1.95 takes a custom target only with `-Zunstable-options`, and that only with `RUSTC_BOOTSTRAP`. For the crates of such
/// a target both are given here, and `-Zallow-features=` keeps every unstable feature closed to them; nothing else sees either.
pub fn as_proxy() -> Option<anyhow::Error> {
    let own = std::env::current_exe().ok()?;
    let name = own.file_name()?;
    if !PROXIED.iter().any(|proxied| name == *proxied) {
        return None;
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let rustlib = own.parent()?.parent()?.join("lib/rustlib");
    let is_custom = |target: &OsStr| rustlib.join(target).join(SPEC).exists();
    let custom = args.iter().enumerate().any(|(i, arg)| match arg.to_str() {
        Some("--target") => args.get(i + 1).is_some_and(|t| is_custom(t)),
        Some(arg) => arg.strip_prefix("--target=").is_some_and(|t| is_custom(t.as_ref())),
        None => false,
    });
    let mut command = Command::new(own.with_extension(REAL));
    command.args(&args);
    if custom {
        command.args(["-Zunstable-options", "-Zallow-features="]).env("RUSTC_BOOTSTRAP", "1");
    }
    // It returns only if it fails.
    Some(anyhow::Error::from(command.exec()).context("cannot start the compiler"))
}
