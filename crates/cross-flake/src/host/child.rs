//! Programs that are started on the host.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::signals;
use crate::settings;

/// The variables that this program was started with, less those that cargo or rustup set for it and that must not reach a
/// cargo for another workspace.
pub fn inherited() -> BTreeMap<OsString, OsString> {
    let set_by_cargo = |name: &str| {
        name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_BIN_EXE_")
            || ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_MANIFEST_LINKS", "OUT_DIR"].contains(&name)
    };
    // The path ahead of `rustc` decides on the compiler, so rustup's and the user's wishes for one are not passed on.
    let steers = |name: &str| ["RUSTUP_TOOLCHAIN", "CARGO_BUILD_TARGET", "LD_LIBRARY_PATH"].contains(&name);
    let is_kept =
        |(name, _): &(OsString, OsString)| !set_by_cargo(&name.to_string_lossy()) && !steers(&name.to_string_lossy());
    let mut all: BTreeMap<OsString, OsString> = std::env::vars_os().filter(is_kept).collect();
    // Our scripts give hints as well.
    all.insert(settings::CALLED.into(), settings::program().into());
    all.extend(library_path().filter(|path| !path.is_empty()).map(|path| ("LD_LIBRARY_PATH".into(), path)));
    all
}

/// A command with the variables of [`inherited`].
pub fn clean_command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.env_clear().envs(inherited());
    command
}

/// The user's `LD_LIBRARY_PATH` without the directory of rustc's own library, which `cargo run` adds to it: rustc takes the directory
/// of that library for its sysroot, and ours has one of its own.
fn library_path() -> Option<OsString> {
    let inherited = std::env::var_os("LD_LIBRARY_PATH")?;
    let holds_rustc = |folder: &PathBuf| {
        let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|e| e.file_name().to_string_lossy().starts_with("librustc_driver"))
    };
    std::env::join_paths(std::env::split_paths(&inherited).filter(|folder| !holds_rustc(folder))).ok()
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// It cannot be started, or fails; the error holds the command and the end of what it said.
pub fn capture(cmd: xshell::Cmd<'_>) -> Result<String> {
    let line = cmd.to_string();
    let output = cmd.quiet().ignore_status().output().with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        signals::check()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.trim().lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        let line = line.chars().take(200).collect::<String>();
        bail!("`{line}` failed ({})\n{end}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program on `PATH`.
pub fn which(name: &str) -> Option<PathBuf> {
    which::which_global(name).ok()
}

/// Returns a path as one word of a POSIX shell.
pub fn quote(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
