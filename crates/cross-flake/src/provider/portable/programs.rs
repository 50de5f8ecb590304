//! Programs of unpacked packages: their libraries, and their versions.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::cache::Cache;
use crate::host::child::capture;
use crate::host::digest::StableHasher;

/// Returns the directories with shared libraries below the root of unpacked packages.
pub fn library_folders(root: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for base in ["lib", "usr/lib"] {
        let base = root.join(base);
        let arch = base.join(format!("{}-linux-gnu", std::env::consts::ARCH));
        for folder in [arch.clone(), arch.join("pulseaudio"), base] {
            if folder.is_dir() {
                folders.push(folder);
            }
        }
    }
    folders
}

/// The file in a folder whose name begins so.
pub fn named(folder: &Path, start: &str) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.flatten();
    Some(entries.find(|entry| entry.file_name().to_string_lossy().starts_with(start))?.path())
}

/// Returns a path for a document that holds text.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns the version that a program prints: the first word that begins with a digit, perhaps after a `v`. It is asked once: as long as
/// its file is the same, the cache has the answer.
///
/// # Errors
/// It does not start, or says no version.
pub fn version_of(cache: &Cache, program: &Path, env: &BTreeMap<String, String>) -> Result<String> {
    let file = std::fs::metadata(program).with_context(|| format!("cannot find {}", program.display()))?;
    let mut hasher = StableHasher::default();
    (program, file.len(), file.modified().ok()).hash(&mut hasher);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let answer = format!("versions/{name}-{:016x}", hasher.finish());
    if let Ok(known) = std::fs::read_to_string(cache.path(&answer)) {
        return Ok(known);
    }
    let sh = Shell::new()?;
    for (name, value) in env {
        sh.set_var(name, value);
    }
    let said = capture(cmd!(sh, "{program} --version"))?;
    let word = said
        .split(|c: char| c.is_whitespace() || c == '-' || c == '(')
        .find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    let Some(word) = word else { bail!("{} does not say its version: {}", program.display(), said.trim()) };
    let version = word.trim_start_matches('v');
    cache.write(&answer, version.as_bytes(), false)?;
    Ok(version.to_owned())
}
