//! Rows that one cargo invocation may build together.
//!
//! Cargo turns on a feature of a package for all `--target`s of an invocation if one of them wants it (The Cargo Book, "Feature
//! unification": resolver 2 parts the host from targets, not targets from each other). What is tested must be what is
//! built alone. So cargo is asked, for each row by itself, which features it would build every package with (its unit
//! graph), and rows whose answers contradict each other are built one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::units::{Graph, graph_of};
use crate::cache::write_whole;
use crate::host::capacity;
use crate::workspace::{Workspace, cargo_home};

/// A crate of a build: its package, whether it is for the host, and which of the package's targets it is.
type Crate = (String, bool, String);

/// The features that each crate is built with. One crate may be built in several ways, for the host and as a build
/// script's dependency, say.
type Features = BTreeMap<Crate, BTreeSet<Vec<String>>>;

/// Parts rows, given by one command each that would build the row alone, into groups for one cargo invocation each. Rows keep
/// their order, and a row joins the first group that it fits.
///
/// # Errors
/// Cargo cannot be started, or cannot resolve the workspace for any row.
pub fn groups(workspace: &Workspace, commands: Vec<Command>) -> Result<Vec<Vec<usize>>> {
    if commands.len() < 2 {
        return Ok(vec![(0..commands.len()).collect()]);
    }
    let mut memory = Memory::load(workspace, &commands);
    if let Some(groups) = memory.recall() {
        return Ok(groups);
    }
    let all = ask(commands)?;
    let mut groups: Vec<(Vec<usize>, Features)> = Vec::new();
    for (index, features) in all.iter().enumerate() {
        match groups.iter_mut().find(|(_, known)| agree(known, features)) {
            Some((group, known)) => {
                group.push(index);
                known.extend(features.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            None => groups.push((vec![index], features.clone())),
        }
    }
    let groups: Vec<Vec<usize>> = groups.into_iter().map(|(group, _)| group).collect();
    memory.keep(&groups, &all)?;
    Ok(groups)
}

/// Tells if every crate that both have has the same features in both.
fn agree(a: &Features, b: &Features) -> bool {
    b.iter().all(|(key, features)| a.get(key).is_none_or(|known| known == features))
}

/// The features of each row, in the order of the commands; several cargos are asked at once.
fn ask(commands: Vec<Command>) -> Result<Vec<Features>> {
    let answers: Vec<Mutex<Option<Result<Features>>>> = commands.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let commands: Vec<Mutex<Command>> = commands.into_iter().map(Mutex::new).collect();
    std::thread::scope(|scope| {
        for _ in 0..capacity::cores().min(commands.len()) {
            scope.spawn(|| {
                while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < commands.len()) {
                    let mut command = commands[index].lock().unwrap_or_else(PoisonError::into_inner);
                    *answers[index].lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(graph_of(&mut command).map(features_of));
                }
            });
        }
    });
    let taken = answers.into_iter().map(|answer| answer.into_inner().unwrap_or_else(PoisonError::into_inner));
    taken.map(|answer| answer.context("cargo was not asked")?).collect()
}

fn features_of(graph: Graph) -> Features {
    let mut features = Features::new();
    for unit in graph.units {
        let key =
            (unit.pkg_id, unit.platform.is_none(), format!("{} {}", unit.target.kind.join(" "), unit.target.name));
        let mut of_unit = unit.features;
        of_unit.sort();
        features.entry(key).or_default().insert(of_unit);
    }
    features
}

/// Answers of earlier runs, in the workspace's target directory: nothing is asked again while no manifest, lock file,
/// configuration, variable or argument is another.
struct Memory {
    file: PathBuf,
    known: Vec<Known>,
    key: String,
}

#[derive(Serialize, Deserialize)]
struct Known {
    /// The command lines and all variables that cargo or rustc read.
    key: String,
    /// Length and time of each file that decides on features; none for one that is not there.
    files: BTreeMap<PathBuf, Option<(u64, u128)>>,
    groups: Vec<Vec<usize>>,
}

/// So many different runs are remembered.
const REMEMBERED: usize = 16;

impl Memory {
    fn load(workspace: &Workspace, commands: &[Command]) -> Memory {
        let file = workspace.metadata.target_directory.as_std_path().join("cross-flake/groups.json");
        let known = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let steers = |name: &str| name.starts_with("CARGO") || name.starts_with("RUST");
        let own = std::env::vars_os().filter(|(name, _)| steers(&name.to_string_lossy()));
        let mut key = format!("{:?}\n{:?}\n", workspace.toolchain, own.collect::<BTreeMap<_, _>>());
        for command in commands {
            let env = command.get_envs().filter(|(name, _)| steers(&name.to_string_lossy()));
            key.push_str(&format!(
                "{:?} {:?} {:?}\n",
                command.get_current_dir(),
                command.get_args().collect::<Vec<_>>(),
                env.collect::<BTreeMap<_, _>>()
            ));
        }
        // Members that a pattern in the workspace's manifest finds.
        key.extend(workspace.metadata.workspace_members.iter().map(|id| format!("{}\n", id.repr)));
        Memory { file, known, key }
    }

    fn recall(&self) -> Option<Vec<Vec<usize>>> {
        let is_same = |(file, stamp): (&PathBuf, &Option<(u64, u128)>)| stamp_of(file) == *stamp;
        let known = self.known.iter().find(|known| known.key == self.key && known.files.iter().all(is_same))?;
        Some(known.groups.clone())
    }

    fn keep(&mut self, groups: &[Vec<usize>], all: &[Features]) -> Result<()> {
        // The directory of the lock file is that of the workspace's manifest, and packages of a path have one each.
        let folders = all.iter().flat_map(|features| features.keys()).filter_map(|(id, ..)| folder_of(id));
        let mut files: BTreeSet<PathBuf> = folders.map(|folder| folder.join("Cargo.toml")).collect();
        let roots: Vec<PathBuf> = files.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        for folder in roots.iter().flat_map(|root| root.ancestors()) {
            files.extend(
                ["Cargo.lock", "Cargo.toml", ".cargo/config.toml", ".cargo/config"].map(|name| folder.join(name)),
            );
        }
        files.extend(cargo_home().map(|home| home.join("config.toml")));
        let stamped = |file: PathBuf| {
            let stamp = stamp_of(&file);
            (file, stamp)
        };
        let files = files.into_iter().map(stamped).collect();
        self.known.retain(|known| known.key != self.key);
        self.known.insert(0, Known { key: self.key.clone(), files, groups: groups.to_vec() });
        self.known.truncate(REMEMBERED);
        write_whole(&self.file, &serde_json::to_vec(&self.known)?, false)
    }
}

fn stamp_of(file: &Path) -> Option<(u64, u128)> {
    let meta = std::fs::metadata(file).ok()?;
    let time = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((meta.len(), time.as_nanos()))
}

/// The directory of a package by its id, `path+file:///a/b#name@1.0.0`; none for one that never changes.
fn folder_of(id: &str) -> Option<PathBuf> {
    let (path, _) = id.strip_prefix("path+file://")?.split_once('#')?;
    let bytes = percent_encoding::percent_decode_str(path).collect();
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::super::units;
    use super::*;

    fn unit(id: &str, platform: Option<&str>, features: &[&str]) -> serde_json::Value {
        serde_json::json!({
            "pkg_id": id, "platform": platform, "features": features, "target": { "kind": ["lib"], "name": id }
        })
    }

    fn features(units: &[serde_json::Value]) -> Features {
        let json = serde_json::json!({ "version": 1, "units": units, "roots": [] }).to_string();
        features_of(units::read(json.as_bytes()).unwrap())
    }

    #[test]
    fn rows_agree_unless_a_package_of_both_differs() {
        let linux = features(&[unit("a", Some("linux"), &[]), unit("b", None, &["x"])]);
        let windows = features(&[unit("a", Some("windows"), &["extra"]), unit("b", None, &["x"])]);
        let freebsd = features(&[unit("a", Some("freebsd"), &[]), unit("c", Some("freebsd"), &["y"])]);
        assert!(!agree(&linux, &windows));
        assert!(agree(&linux, &freebsd));
        // For the host a package may have other features than for a row.
        assert!(agree(&linux, &features(&[unit("b", Some("windows"), &[])])));
        assert!(!agree(&linux, &features(&[unit("b", None, &[])])));
    }

    #[test]
    fn the_folder_of_a_package_is_in_its_id() {
        assert_eq!(folder_of("path+file:///a%20b/c#1.0.0"), Some("/a b/c".into()));
        assert_eq!(folder_of("path+file:///a/c#name@1.0.0"), Some("/a/c".into()));
        assert_eq!(folder_of("registry+https://x#name@1.0.0"), None);
    }
}
