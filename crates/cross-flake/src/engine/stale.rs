//! Removes from a target directory the results of another std or C compiler than the one that builds now.
//!
//! cargo compares sources, flags of Rust and the version of the compiler. It knows nothing of std, which rustup may have brought
//! since or which was built from source: its fresh crates fail with `E0463: can't find crate`. Nor does it know what a C compiler
//! is but a path, so that build scripts keep objects for another processor or another glibc. So each triple's directory says what it
//! was built by, and what cargo would build upon goes when that has changed; other triples stay as they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::environment::Environment;
use crate::events::Events;
use crate::host::digest::StableHasher;
use crate::workspace::Workspace;

/// The file in a triple's directory.
const MARK: &str = ".cross-flake";
/// Held while directories are looked at: two runs may begin at once.
const LOCK: &str = ".cross-flake-lock";

/// Says of a directory that it holds nothing worth a backup (<https://bford.info/cachedir/>). cargo writes it into target directories
/// that it makes itself.
const CACHE_TAG: (&str, &str) = ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");

/// Removes what was built for these environments by other ones and would be built upon, and says so. `cargo_args` are cargo's, for they may name a target
/// directory.
///
/// # Errors
/// The target directory cannot be written.
pub fn remove(
    workspace: &Workspace,
    environments: &[&Environment],
    cargo_args: &[String],
    events: &Events,
) -> Result<()> {
    let folder = build_folder(workspace, cargo_args);
    let failed = || format!("cannot write {}", folder.display());
    if !folder.exists() {
        fs::create_dir_all(&folder).with_context(failed)?;
        fs::write(folder.join(CACHE_TAG.0), CACHE_TAG.1).with_context(failed)?;
    }
    // A run that builds nothing changes no file.
    let lock = File::options().create(true).append(true).open(folder.join(LOCK)).with_context(failed)?;
    lock.lock().with_context(failed)?;
    for environment in environments {
        let own = folder.join(&environment.triple);
        if let Some(why) = refresh(&own, &identity(environment))? {
            events.note(&format!("{} is built again from the start: {} {why}", environment.target, own.display()));
        }
    }
    Ok(())
}

/// Returns cargo's directory for its results, in which each triple has one.
fn build_folder(workspace: &Workspace, cargo_args: &[String]) -> PathBuf {
    let metadata = &workspace.metadata;
    match &metadata.build_directory {
        Some(folder) if *folder != metadata.target_directory => folder.clone().into_std_path_buf(),
        // Relative to the directory in which cargo is started.
        _ => match target_dir(cargo_args) {
            Some(folder) => workspace.folder.join(folder),
            None => metadata.target_directory.clone().into_std_path_buf(),
        },
    }
}

/// The value of `--target-dir`.
fn target_dir(cargo_args: &[String]) -> Option<&str> {
    const OPTION: &str = "--target-dir";
    let after = cargo_args.iter().position(|arg| arg == OPTION).and_then(|at| cargo_args.get(at + 1));
    let joined = cargo_args.iter().find_map(|arg| arg.strip_prefix(OPTION)?.strip_prefix('='));
    after.map(String::as_str).or(joined)
}

/// The inputs of a build: a word for people, and a key that changes with it.
type Identity = BTreeMap<String, String>;

fn identity(environment: &Environment) -> Identity {
    let mut hasher = StableHasher::default();
    environment.provider.hash(&mut hasher);
    // A program is the same whatever starts it.
    let is_input = |name: &&String| !name.ends_with("_RUNNER");
    for (name, value) in environment.scoped.iter().filter(|(name, _)| is_input(name)) {
        (name, value).hash(&mut hasher);
    }
    // The toolchain, with Nix by its contents.
    environment.path.first().hash(&mut hasher);
    let variables = ("environment".to_owned(), format!("{:016x}", hasher.finish()));
    environment.inputs.clone().into_iter().chain([variables]).collect()
}

/// Has cargo build the directory of a triple again, if it is of another identity, and gives the reason then.
fn refresh(folder: &Path, wanted: &Identity) -> Result<Option<String>> {
    let mark = folder.join(MARK);
    let failed = || format!("cannot write {}", folder.display());
    let old: Option<Identity> = fs::read(&mark).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let why = match &old {
        Some(old) if old == wanted => return Ok(None),
        _ if !folder.exists() => None,
        None => Some("does not say by what it was built".to_owned()),
        Some(old) => {
            let differs = |name: &&String| old.get(*name) != wanted.get(*name);
            let names: Vec<&str> = wanted.keys().chain(old.keys()).filter(differs).map(String::as_str).collect();
            let mut names = names;
            names.sort_unstable();
            names.dedup();
            Some(format!("was built with another {}", names.join(", another ")))
        }
    };
    if why.is_some() {
        forget(folder).with_context(failed)?;
    }
    fs::create_dir_all(folder).with_context(failed)?;
    crate::cache::write_whole(&mark, &serde_json::to_vec(wanted)?, false)?;
    Ok(why)
}

/// Directories of a profile that cargo builds upon (The Cargo Book, "Build cache"). Programs stand beside these, and may be
/// somebody's release: they stay until they are built again.
const INTERMEDIATE: [&str; 4] = [".fingerprint", "build", "deps", "incremental"];

/// Makes cargo build everything in the directory of a triple again.
fn forget(folder: &Path) -> std::io::Result<()> {
    for profile in fs::read_dir(folder)? {
        for part in INTERMEDIATE.map(|name| profile.as_ref().map(|entry| entry.path().join(name))) {
            match part {
                Ok(part) if part.is_dir() => fs::remove_dir_all(part)?,
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(pairs: &[(&str, &str)]) -> Identity {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_folder_goes_when_what_built_it_changes_and_the_reason_is_named() {
        let target = tempfile::tempdir().unwrap();
        let folder = target.path().join("x-y-z");
        let build = |identity: &[(&str, &str)]| {
            let why = refresh(&folder, &inputs(identity)).unwrap();
            let was_empty = !folder.join("debug/deps").exists();
            fs::create_dir_all(folder.join("debug/deps")).unwrap();
            // What was built before stays.
            assert!(why.is_none() || folder.join("debug/program").exists());
            fs::write(folder.join("debug/program"), "").unwrap();
            (was_empty, why)
        };
        let first = [("std", "1"), ("C compiler", "1")];
        assert_eq!(build(&first), (true, None));
        assert_eq!(build(&first), (false, None));
        let another = |what: &str| (true, Some(format!("was built with another {what}")));
        assert_eq!(build(&[("std", "2"), ("C compiler", "1")]), another("std"));
        assert_eq!(build(&[("std", "2"), ("C compiler", "2")]), another("C compiler"));
        assert_eq!(build(&[]), another("C compiler, another std"));
        // By plain cargo, or an earlier version.
        fs::remove_file(folder.join(MARK)).unwrap();
        assert_eq!(build(&first), (true, Some("does not say by what it was built".to_owned())));
    }

    #[test]
    fn the_target_folder_of_the_command_line_is_known() {
        let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        assert_eq!(target_dir(&args(&["--release", "--target-dir", "x"])), Some("x"));
        assert_eq!(target_dir(&args(&["--target-dir=y", "--lib"])), Some("y"));
        assert_eq!(target_dir(&args(&["--target", "z"])), None);
    }
}
