//! The packages that a program is made of, as cargo compiles them for one target: with the features that are on and without those of
//! tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::Package;
use serde::Deserialize;

use crate::engine::units::{Graph, Unit};
use crate::workspace::Workspace;

/// The source of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// crates.io.
    CratesIo,
    /// Another registry.
    Registry,
    /// A git repository.
    Git,
    /// A directory.
    Path,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where cargo has it from.
    pub origin: Origin,
    /// The address of the registry or repository; none for crates.io and for a directory, whose path is nobody's business.
    pub url: Option<String>,
    /// It is in the program; others only help to build it.
    pub is_linked: bool,
    /// The terms of its use, as SPDX writes them.
    pub license: Option<String>,
    /// The SHA-256 of what the registry has.
    pub sha256: Option<String>,
    /// The places of those that it needs itself.
    pub needs: Vec<usize>,
}

/// The packages of a program, sorted by name and version.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// All of them, the package of the program among them.
    pub all: Vec<Dependency>,
    /// The place of the package of the program.
    pub root: usize,
}

impl Dependencies {
    /// Finds what the programs of a package are made of.
    ///
    /// # Errors
    /// The graph has no program of the package.
    pub fn of(graph: &Graph, workspace: &Workspace, package: &Package, sums: &Checksums) -> Result<Dependencies> {
        let id = &package.id.repr;
        let mut units: BTreeSet<usize> = BTreeSet::new();
        let mut todo: Vec<usize> = graph.programs_of(id).collect();
        while let Some(index) = todo.pop() {
            if units.insert(index) {
                todo.extend(graph.units[index].dependencies.iter().map(|needed| needed.index));
            }
        }
        let mut packages: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
        for index in units {
            let unit = &graph.units[index];
            packages.entry(&unit.pkg_id).or_default().push(unit);
        }
        let mut found = packages
            .iter()
            .map(|(id, units)| (*id, describe(id, units, workspace, sums)))
            .collect::<Vec<(&str, Dependency)>>();
        found.sort_by(|(_, a), (_, b)| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        let places: BTreeMap<&str, usize> = found.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        for (id, dependency) in &mut found {
            let needed = packages[id].iter().flat_map(|unit| &unit.dependencies);
            let others: BTreeSet<usize> =
                needed.map(|needed| places[graph.units[needed.index].pkg_id.as_str()]).collect();
            dependency.needs = others.into_iter().filter(|place| *place != places[id]).collect();
        }
        let root =
            *places.get(id.as_str()).with_context(|| format!("cargo compiles no program of {}", package.name))?;
        Ok(Dependencies { all: found.into_iter().map(|(_, dependency)| dependency).collect(), root })
    }
}

/// What is known of a package by its id (The Cargo Book, "Package ID Specifications"), its manifest and the lock file.
fn describe(id: &str, units: &[&Unit], workspace: &Workspace, sums: &Checksums) -> Dependency {
    let (url, fragment) = id.split_once('#').unwrap_or((id, ""));
    let last = url.split('?').next().unwrap_or(url).rsplit('/').next().unwrap_or_default();
    // Without a name it is that of the directory.
    let (name, version) = fragment.split_once('@').unwrap_or((last, fragment));
    let origin = match url.split_once('+').map_or("", |(kind, _)| kind) {
        "path" => Origin::Path,
        "git" => Origin::Git,
        _ if url.ends_with("/crates.io-index") => Origin::CratesIo,
        _ => Origin::Registry,
    };
    let member = workspace.metadata.packages.iter().find(|package| package.id.repr == id);
    let license = match member {
        Some(package) => package.license.clone(),
        None => units.first().and_then(|unit| license_beside(Path::new(&unit.target.src_path))),
    };
    Dependency {
        name: name.to_owned(),
        version: version.to_owned(),
        url: matches!(origin, Origin::Git | Origin::Registry).then(|| url.to_owned()),
        origin,
        is_linked: units.iter().any(|unit| unit.platform.is_some()),
        license,
        sha256: sums.get(&(name.to_owned(), version.to_owned())).cloned(),
        needs: Vec::new(),
    }
}

/// The licence in the manifest that a source file belongs to.
fn license_beside(source: &Path) -> Option<String> {
    let text = source.ancestors().find_map(|folder| fs::read_to_string(folder.join("Cargo.toml")).ok())?;
    let manifest: toml::Table = text.parse().ok()?;
    Some(manifest.get("package")?.get("license")?.as_str()?.to_owned())
}

/// The SHA-256 of each package of a registry, by name and version.
pub type Checksums = BTreeMap<(String, String), String>;

/// Reads the hashes that Cargo.lock has.
///
/// # Errors
/// It cannot be read.
pub fn checksums(workspace: &Workspace) -> Result<Checksums> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let file = workspace.root().join("Cargo.lock");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
    let sum = |locked: Locked| Some(((locked.name, locked.version), locked.checksum?));
    Ok(lock.package.into_iter().filter_map(sum).collect())
}
