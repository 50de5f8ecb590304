//! The files of an archive beside the programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::Package;

use super::files_below;
use crate::workspace::Workspace;

/// The starts of names of files that say under which terms the program may be used.
const LICENCES: [&str; 5] = ["license", "licence", "copying", "unlicense", "notice"];
/// Others that people expect; the manifest calls them so, too.
const OTHERS: [&str; 2] = ["readme", "changelog"];
/// The manifest's word for a licence.
const LICENCE: &str = "license";

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path below the archive's one folder.
    pub path: String,
    /// The file that is packed.
    pub file: PathBuf,
    /// It may be started.
    pub executable: bool,
}

/// What goes with the programs of one package.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The files, each as the archive has it.
    pub entries: Vec<Entry>,
}

impl Contents {
    /// Looks for the licence, the README, the changelog and what the package names itself.
    ///
    /// # Errors
    /// There is no licence, or a file that is named is not there or cannot be read.
    pub fn of(workspace: &Workspace, package: &Package) -> Result<Contents> {
        let own = package.manifest_path.as_std_path().parent().unwrap_or(Path::new("."));
        let named = [&package.license_file, &package.readme];
        let mut files: Vec<PathBuf> =
            named.into_iter().flatten().map(|file| own.join(file)).filter(|file| file.is_file()).collect();
        for start in LICENCES.iter().chain(&OTHERS) {
            // A package's own stands before the workspace's.
            let found = [own, workspace.root()].into_iter().map(|folder| called(folder, start));
            files.extend(found.into_iter().find(|found| !found.is_empty()).into_iter().flatten());
        }
        let mut entries: Vec<Entry> = Vec::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Two of one name are the same file, or the package's and the workspace's.
            if !entries.iter().any(|entry| entry.path == name) {
                entries.push(Entry { path: name, file, executable: false });
            }
        }
        let is_licence = |entry: &Entry| {
            let is_named = package.license_file.as_ref().is_some_and(|file| own.join(file) == entry.file);
            is_named || kind_of(&entry.path) == LICENCE
        };
        if !entries.iter().any(is_licence) {
            bail!(
                "{} has no licence file: put one, such as LICENSE, into {}, or name it with license-file in {}",
                package.name,
                own.display(),
                package.manifest_path
            );
        }
        for include in workspace.dist(package)?.include {
            let from = own.join(&include);
            if !from.exists() {
                bail!("{}: `include` names {include}, which is not there", package.manifest_path);
            }
            add(&from, include.trim_start_matches("./").trim_end_matches('/'), &mut entries)?;
        }
        for entry in &entries {
            let failed = || format!("cannot read {}", entry.file.display());
            // Whoever opens a pipe waits.
            ensure!(fs::metadata(&entry.file).with_context(failed)?.is_file(), "{} is no file", entry.file.display());
            fs::File::open(&entry.file).with_context(failed)?;
        }
        Ok(Contents { package: package.name.to_string(), version: package.version.to_string(), entries })
    }
}

/// The files of a folder whose names begin so, in any case.
fn called(folder: &Path, start: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = files
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            file.is_file() && name.starts_with(start) && !name.ends_with(".rs")
        })
        .collect();
    found.sort();
    found
}

/// Adds a file, or all that is below a folder.
fn add(from: &Path, path: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let files = match from.is_dir() {
        true => {
            files_below(from)?.into_iter().map(|file| (format!("{path}/{}", file.display()), from.join(file))).collect()
        }
        false => vec![(path.to_owned(), from.to_owned())],
    };
    for (path, file) in files {
        if !entries.iter().any(|entry| entry.path == path) {
            entries.push(Entry { path, file, executable: false });
        }
    }
    Ok(())
}

/// Returns the kind of a file that is no program, by its name: `license`, `readme`, `changelog` or `unknown`.
pub fn kind_of(path: &str) -> &'static str {
    let name = path.to_lowercase();
    if LICENCES.iter().any(|start| name.starts_with(start)) {
        return LICENCE;
    }
    OTHERS.into_iter().find(|start| name.starts_with(start)).unwrap_or("unknown")
}
