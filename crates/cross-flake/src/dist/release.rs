//! One release: its packages, and the archives that are made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use super::archive::{self, Form};
use super::contents::{Contents, Entry, kind_of};
use super::manifest::{Artifact, Asset, Manifest, Proof};
use super::{Origin, smoke};
use crate::environment::Environment;
use crate::host::git::git;
use crate::outcome::{BuiltProgram, Outcome, Status};
use crate::provider::Prepared;
use crate::targets::{Level, StdKind};
use crate::workspace::Workspace;

/// What a release is made of.
pub struct Release {
    /// The sources.
    pub origin: Origin,
    /// The folder of the archives.
    pub out: PathBuf,
    /// The profile of cargo's.
    pub profile: String,
    packages: Vec<Packed>,
}

/// A package with programs.
struct Packed {
    contents: Contents,
    /// The arguments with which an unpacked program is started; with none at all it is not.
    smoke: Vec<String>,
}

impl Release {
    /// Finds what goes with the programs of these packages, and where they come from.
    ///
    /// # Errors
    /// There is no program, two have one name, or a licence is missing; and see [`Origin::of`].
    pub fn of(
        workspace: &Workspace,
        packages: &[&Package],
        profile: String,
        out: PathBuf,
        allow_dirty: bool,
    ) -> Result<Release> {
        if packages.is_empty() {
            bail!("no package here has a program to pack: name one with -p");
        }
        let mut programs: BTreeMap<&str, &str> = BTreeMap::new();
        for package in packages {
            for program in package.targets.iter().filter(|target| target.is_bin()) {
                if let Some(other) = programs.insert(&program.name, &package.name) {
                    bail!("two packages have a program {}: {other} and {}; choose with -p", program.name, package.name);
                }
            }
        }
        let origin = Origin::of(workspace.root(), packages, allow_dirty)?;
        let packed = |package: &&Package| {
            let smoke = workspace.dist(package)?.smoke.unwrap_or_else(|| vec!["--version".to_owned()]);
            anyhow::Ok(Packed { contents: Contents::of(workspace, package)?, smoke })
        };
        Ok(Release { origin, out, profile, packages: packages.iter().map(packed).collect::<Result<_>>()? })
    }

    /// Returns the names of the packages.
    pub fn names(&self) -> Vec<String> {
        self.packages.iter().map(|package| package.contents.package.clone()).collect()
    }

    /// Packs the programs of a row and, if they are to be, starts them from the archive, which gets its own name after that. Returns the
    /// reason if one of them fails, and the archives' names.
    ///
    /// # Errors
    /// An archive cannot be written.
    pub fn pack(
        &self,
        row: &Prepared,
        made: &Outcome,
        tested: &Outcome,
        starts: bool,
        manifest: &mut Manifest,
    ) -> Result<std::result::Result<Vec<String>, String>> {
        let mut names = Vec::new();
        for Packed { contents, smoke: args } in &self.packages {
            let is_own = |program: &&BuiltProgram| program.package == contents.package;
            let programs: Vec<Entry> = made.built.iter().filter(is_own).map(entry).collect();
            if programs.is_empty() {
                continue;
            }
            let form = Form::of(&row.target);
            let folder = format!("{}-{}-{}", contents.package, contents.version, row.target.triple);
            let name = format!("{folder}.{}", form.suffix());
            let entries = [programs.clone(), contents.entries.clone()].concat();
            fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
            let directory = tempfile::tempdir_in(&self.out).context("cannot make a directory")?;
            let new = directory.path().join(&name);
            let written = archive::write(&new, form, &folder, &entries, self.origin.time)?;
            let mut started_by = None;
            if starts && row.target.level == Level::Run && row.target.std == StdKind::Std {
                let smoke = smoke::start(&new, form, &folder, &programs, args, row)?;
                if let Some(failure) = smoke.failure {
                    return Ok(Err(failure));
                }
                started_by = Some(smoke.by);
            }
            let to = self.out.join(&name);
            fs::rename(&new, &to).with_context(|| format!("cannot write {}", to.display()))?;
            let artifact = Artifact {
                name: name.clone(),
                kind: "executable-zip",
                target_triples: vec![row.target.triple.clone()],
                assets: assets(&programs, &entries),
                checksums: BTreeMap::from([("sha256", written.sha256)]),
                proof: Proof { bytes: written.bytes, ..proof(row, tested, started_by) },
            };
            manifest.add(&contents.package, &contents.version, artifact);
            names.push(name);
        }
        Ok(Ok(names))
    }
}

/// Copies the files that git has or would take.
///
/// # Errors
/// There is no git repository, or a file cannot be copied.
pub fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    let list = git(from, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = list.context("--check builds a copy of the files that git knows, and there is no git repository")?;
    for name in list.split('\0').filter(|name| from.join(name).is_file()) {
        let file = to.join(name);
        fs::create_dir_all(file.parent().unwrap_or(to)).with_context(|| format!("cannot make {}", to.display()))?;
        fs::copy(from.join(name), &file).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

/// A program as the archive has it.
fn entry(program: &BuiltProgram) -> Entry {
    let path = program.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Entry { path, file: program.file.clone(), executable: true }
}

fn assets(programs: &[Entry], entries: &[Entry]) -> Vec<Asset> {
    let programs: BTreeSet<&str> = programs.iter().map(|entry| entry.path.as_str()).collect();
    let asset = |entry: &Entry| Asset {
        name: entry.path.rsplit('/').next().unwrap_or_default().to_owned(),
        path: entry.path.clone(),
        kind: if programs.contains(entry.path.as_str()) { "executable" } else { kind_of(&entry.path) },
    };
    entries.iter().map(asset).collect()
}

/// What is known of a row, but for the archive's size.
fn proof(row: &Prepared, tested: &Outcome, started_by: Option<String>) -> Proof {
    let environment: Option<&Environment> = row.environment.as_ref().ok();
    let is_tested = tested.status == Status::Passed;
    Proof {
        target: row.target.name.clone(),
        bytes: 0,
        tested: is_tested,
        tests: tested.tests,
        runner: tested.runner.clone(),
        started_by,
        glibc: environment.and_then(|environment| environment.glibc.clone()),
        std: environment.and_then(|environment| environment.std),
        reason: tested.reason.clone().filter(|_| !is_tested),
    }
}
