//! Programs of this very machine.

use std::ffi::OsString;
use std::path::Path;
use std::{env, fs};

use anyhow::Context;

use cross_flake_inspect as inspect;

/// Returns the words that start a program of this very machine in a root: the root's own loader and its libraries' directories,
/// for those that it knows by itself are the machine's. A static program needs none.
pub fn loader_in(root: &Path, program: &Path) -> anyhow::Result<Vec<OsString>> {
    let Some(loader) = inspect::inspect(program)?.interpreter else { return Ok(Vec::new()) };
    let base = root.join("usr/lib");
    let several = fs::read_dir(&base).into_iter().flatten().flatten().map(|entry| entry.path());
    // Debian's directories for one architecture each are named as x86_64-linux-gnu.
    let mut folders: Vec<_> = several.filter(|path| path.to_string_lossy().contains("-linux-")).collect();
    folders.sort();
    folders.push(base);
    let folders = env::join_paths(folders).context("a folder with a colon in its name cannot be a root")?;
    Ok(vec![root.join(loader.trim_start_matches('/')).into(), "--library-path".into(), folders])
}
