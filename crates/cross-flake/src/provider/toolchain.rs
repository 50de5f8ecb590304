//! A toolchain that is another one plus the std of every target: a folder of links.
//!
//! rustc takes for its sysroot the folder in which `librustc_driver` lies, seen through symbolic links. So that library
//! and the programs are hard links (or copies, where the file system or its owner allows no hard links) and the rest are
//! symbolic ones. The toolchain itself is not touched, and plain cargo with this folder first in `PATH` needs no flags at
//! all.
//!
//! A rustc that names the folder of that library by its path, as those of the Nix store do, is at home nowhere else. There
//! cross-flake stands in for it and adds `--sysroot`. A script would not do: `sh` drops variables like
//! `CARGO_BIN_EXE_hello-zlib`, whose names are none for a shell.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::host::digest::StableHasher;
use crate::workspace::Toolchain;
use cross_flake_inspect as inspect;

/// The name of a custom target's specification beside its libraries, where rustc looks for it.
pub const SPEC: &str = "target.json";
/// The programs that cross-flake stands in for where a target is a custom one or the compiler cannot be moved; see [`as_proxy`].
const PROXIED: [&str; 3] = ["rustc", "rustdoc", CLIPPY];
/// What `cargo clippy` puts in front of rustc.
const CLIPPY: &str = "clippy-driver";
/// The extension of the program that cross-flake stands in for.
const REAL: &str = "real";

/// The folder for this toolchain, up to date with these libraries: the name below `rustlib` and the folder of each, of which a
/// later one wins. `cross-flake` is this program, or a copy of it that stays.
///
/// # Errors
/// The cache cannot be written.
pub fn make(cache: &Cache, toolchain: &Toolchain, libraries: &[(String, PathBuf)], program: &Path) -> Result<PathBuf> {
    // The path of the toolchain belongs to the name: two copies of one version are two toolchains.
    let farm = cache.path("toolchains").join(format!("{}{}", toolchain.key(), suffix(&toolchain.sysroot)));
    let real = &toolchain.sysroot;
    let failed = || format!("cannot write {}", farm.display());
    fs::create_dir_all(farm.join("bin")).with_context(failed)?;
    fs::create_dir_all(farm.join("lib/rustlib")).with_context(failed)?;
    let is_custom = |folder: &Path| folder.join(SPEC).exists();
    let movable = can_move(&real.join("bin/rustc"));
    let bring = if movable { twin } else { link };
    let proxy = !movable || libraries.iter().any(|(_, folder)| is_custom(folder));
    for entry in list(&real.join("bin")) {
        let (name, here) = (entry.file_name(), farm.join("bin").join(entry.file_name()));
        if proxy && PROXIED.iter().any(|proxied| name == *proxied) {
            bring(&entry.path(), &here.with_extension(REAL)).with_context(failed)?;
            twin(program, &here).with_context(failed)?;
        } else {
            bring(&entry.path(), &here).with_context(failed)?;
        }
    }
    for entry in list(&real.join("lib")) {
        let (name, here) = (entry.file_name(), farm.join("lib").join(entry.file_name()));
        match name.to_str() {
            Some("rustlib") => {}
            Some(name) if name.starts_with("librustc_driver") => bring(&entry.path(), &here).with_context(failed)?,
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

/// What tells the libraries of a target below this folder from others: their names, in which cargo puts a hash of how they were built.
pub fn std_key(farm: &Path, triple: &str) -> String {
    use std::hash::{Hash, Hasher};
    let is_library = |name: &OsString| name.to_string_lossy().starts_with("lib");
    let files = list(&farm.join("lib/rustlib").join(triple).join("lib"));
    let mut files: Vec<(OsString, Option<u64>)> = files
        .iter()
        .map(|file| (file.file_name(), file.metadata().ok().map(|m| m.len())))
        .filter(|(name, _)| is_library(name))
        .collect();
    files.sort();
    let mut hasher = StableHasher::default();
    files.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Whether a twin of this rustc finds its library beside itself, and so another sysroot.
fn can_move(rustc: &Path) -> bool {
    let names_it = |i: inspect::Inspection| i.rpath.iter().chain(&i.runpath).any(|path| path.starts_with("$ORIGIN"));
    // What is no program is a script, which calls one at another place.
    inspect::inspect(rustc).is_ok_and(names_it)
}

fn suffix(sysroot: &Path) -> String {
    use std::hash::{Hash, Hasher};
    let mut hasher = StableHasher::default();
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
pub fn twin(from: &Path, at: &Path) -> std::io::Result<()> {
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
        // A copy of a file that nobody may write is one as well; its time may be set all the same.
        fs::File::open(&temporary)?.set_modified(original.modified()?)?;
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

/// What cross-flake does under the name of rustc or rustdoc, if it has one.
///
/// A compiler that could not be moved here is told its sysroot. Rust 1.95 takes a custom target only with `-Zunstable-options`, and that only with `RUSTC_BOOTSTRAP`. For the crates of such
/// a target both are given here, and `-Zallow-features=` keeps every unstable feature closed to them; nothing else sees either.
pub fn as_proxy() -> Option<anyhow::Error> {
    let own = std::env::current_exe().ok()?;
    let name = own.file_name()?;
    if !PROXIED.iter().any(|proxied| name == *proxied) {
        return None;
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let farm = own.parent()?.parent()?;
    let rustlib = farm.join("lib/rustlib");
    let is_custom = |target: &OsStr| rustlib.join(target).join(SPEC).exists();
    let custom = args.iter().enumerate().any(|(i, arg)| match arg.to_str() {
        Some("--target") => args.get(i + 1).is_some_and(|t| is_custom(t)),
        Some(arg) => arg.strip_prefix("--target=").is_some_and(|t| is_custom(t.as_ref())),
        None => false,
    });
    let real = own.with_extension(REAL);
    let mut command = Command::new(&real);
    // Given twice it would be an error, and rustdoc passes it on to the rustc of its tests.
    if real.is_symlink() && !args.iter().any(|arg| says_sysroot(arg)) {
        if name == CLIPPY {
            // Its first argument is the rustc that it stands for.
            command.env("SYSROOT", farm);
        } else {
            command.arg("--sysroot").arg(farm);
        }
    }
    command.args(&args);
    if custom {
        command.args(["-Zunstable-options", "-Zallow-features="]).env("RUSTC_BOOTSTRAP", "1");
    }
    // It returns only if it fails.
    Some(anyhow::Error::from(command.exec()).context("cannot start the compiler"))
}

/// Whether this argument is `--sysroot`, or `@file` with the name of a file that holds it (The rustc book, "Command-line
/// arguments").
fn says_sysroot(arg: &OsStr) -> bool {
    let Some(arg) = arg.to_str() else { return false };
    let is_it = |arg: &str| arg == "--sysroot" || arg.starts_with("--sysroot=");
    let file = arg.strip_prefix('@').and_then(|file| fs::read_to_string(file).ok());
    is_it(arg) || file.is_some_and(|text| text.lines().any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysroot_that_is_given_is_seen_in_a_file_of_arguments_too() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).unwrap();
            OsString::from(format!("@{}", dir.path().join(name).display()))
        };
        let with = file("with", "--edition=2024\n--sysroot=/elsewhere\n");
        assert!(["--sysroot".into(), "--sysroot=/elsewhere".into(), with].iter().all(|arg| says_sysroot(arg)));
        let without = file("without", "--print\nsysroot\n");
        assert!(!["sysroot".into(), "@no such file".into(), without].iter().any(|arg| says_sysroot(arg)));
    }

    #[test]
    fn a_compiler_that_is_a_script_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (real, cache) = (dir.path().join("real"), Cache::at(&dir.path().join("cache")));
        let std = dir.path().join("std");
        for folder in [&real.join("bin"), &real.join("lib/rustlib/host"), &std] {
            fs::create_dir_all(folder).unwrap();
        }
        for name in ["cargo", "rustc"] {
            fs::write(real.join("bin").join(name), "#!/bin/sh\n").unwrap();
        }
        fs::write(dir.path().join("program"), "program").unwrap();
        let toolchain =
            Toolchain { sysroot: real.clone(), release: "1.0.0".into(), commit: "c".into(), host: "host".into() };
        let libraries = [("target".to_owned(), std.clone())];
        // The second time there is nothing left to do.
        for _ in 0..2 {
            let farm = make(&cache, &toolchain, &libraries, &dir.path().join("program")).unwrap();
            assert_eq!(fs::read_link(farm.join("bin/cargo")).unwrap(), real.join("bin/cargo"));
            assert_eq!(fs::read_link(farm.join("bin/rustc.real")).unwrap(), real.join("bin/rustc"));
            assert_eq!(fs::read_to_string(farm.join("bin/rustc")).unwrap(), "program");
            assert_eq!(fs::read_link(farm.join("lib/rustlib/target")).unwrap(), std);
            assert!(farm.join("lib/rustlib/host").exists());
        }
    }
}
