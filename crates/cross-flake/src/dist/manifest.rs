//! What is known of a release: dist-manifest.json, sha256.sum and a table for people.
//!
//! The manifest has the names of cargo-dist's dist-manifest.json, which installers read, for what that knows; the rest is
//! under `cross-flake`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::origin::Origin;
use crate::cache::write_whole;
use crate::outcome::{Counts, Share, StdOrigin};

/// Its file.
const MANIFEST: &str = "dist-manifest.json";

/// The manifest.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// The packages.
    pub releases: Vec<Release>,
    /// The archives by their names.
    pub artifacts: BTreeMap<String, Artifact>,
    /// The source of all of it.
    #[serde(rename = "cross-flake")]
    pub source: Source,
}

/// One package.
#[derive(Debug, Serialize, Deserialize)]
pub struct Release {
    /// Its name.
    pub app_name: String,
    /// Its version.
    pub app_version: String,
    /// The names of its archives.
    pub artifacts: Vec<String>,
}

/// The source of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The version of cross-flake.
    pub version: String,
    /// The commit; none where there is no git repository.
    pub commit: Option<String>,
    /// Files differed from it.
    pub dirty: bool,
    /// The time of the files in the archives, in seconds since 1970.
    pub source_date_epoch: u64,
    /// The Rust release.
    pub rust: String,
    /// The profile of cargo's.
    pub profile: String,
    /// The provider of the environments.
    pub provider: String,
    /// The part of the release that this is, where several machines share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Share>,
}

/// One file of a release.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// Its file's name.
    pub name: String,
    /// cargo-dist's word: `executable-zip` for archives of programs in all forms, `symbols`, `sbom`, `installer`.
    pub kind: String,
    /// The triples that it is for.
    pub target_triples: Vec<String>,
    /// What is in it.
    pub assets: Vec<Asset>,
    /// Its hashes: `sha256`.
    pub checksums: BTreeMap<String, String>,
    /// Its size and its proof; none for what only goes with an archive.
    #[serde(rename = "cross-flake", default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

impl Artifact {
    /// A file of which no more is known.
    pub fn new(name: String, kind: &str, sha256: String) -> Artifact {
        let checksums = BTreeMap::from([("sha256".to_owned(), sha256)]);
        Artifact { name, kind: kind.to_owned(), target_triples: Vec::new(), assets: Vec::new(), checksums, proof: None }
    }

    /// Its SHA-256.
    pub fn sha256(&self) -> &str {
        self.checksums.get("sha256").map_or("", String::as_str)
    }
}

/// A file in an archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asset {
    /// Its name.
    pub name: String,
    /// Its path below the archive's folder.
    pub path: String,
    /// `executable`, `license`, `readme`, `changelog` or `unknown`.
    pub kind: String,
}

/// What was done with the programs of an archive before it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// The row's name.
    pub target: String,
    /// The archive's size in bytes.
    pub bytes: u64,
    /// Its tests were run, in the profile that is packed.
    pub tested: bool,
    /// Their counts.
    pub tests: Counts,
    /// What ran the tests.
    pub runner: String,
    /// What started the unpacked programs, with the oldest processor that the row promises; none where that was not done.
    pub started_by: Option<String>,
    /// The oldest glibc that the programs run with; none where they need none.
    pub glibc: Option<String>,
    /// The origin of Rust's std.
    pub std: Option<StdOrigin>,
    /// Its programs hold the list of their packages, as cargo-auditable writes it.
    pub auditable: bool,
    /// The reason for which tests were not run.
    pub reason: Option<String>,
}

impl Manifest {
    /// A manifest without archives.
    pub fn new(origin: &Origin, rust: &str, profile: &str, provider: &str) -> Manifest {
        let source = Source {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: origin.commit.clone(),
            dirty: origin.dirty,
            source_date_epoch: origin.time,
            rust: rust.to_owned(),
            profile: profile.to_owned(),
            provider: provider.to_owned(),
            shard: None,
        };
        Manifest { releases: Vec::new(), artifacts: BTreeMap::new(), source }
    }

    /// Reads the manifest of a release.
    ///
    /// # Errors
    /// The folder has none, or it is not one of ours.
    pub fn read(folder: &Path) -> Result<Manifest> {
        let file = folder.join(MANIFEST);
        let text = fs::read(&file).with_context(|| format!("{} holds no release", folder.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no manifest of `dist`", file.display()))
    }

    /// Adds an archive of this package.
    pub fn add(&mut self, package: &str, version: &str, artifact: Artifact) {
        let name = artifact.name.clone();
        match self.releases.iter_mut().find(|release| release.app_name == package) {
            // The same order whichever machine packed which.
            Some(release) => {
                let place = release.artifacts.binary_search(&name).unwrap_or_else(|place| place);
                release.artifacts.insert(place, name.clone());
            }
            None => self.releases.push(Release {
                app_name: package.to_owned(),
                app_version: version.to_owned(),
                artifacts: vec![name.clone()],
            }),
        }
        self.artifacts.insert(name, artifact);
    }

    /// The archives of programs.
    pub fn archives(&self) -> impl Iterator<Item = &Artifact> {
        self.artifacts.values().filter(|one| one.proof.is_some())
    }

    /// Writes dist-manifest.json, sha256.sum, release-notes.md, and the statement of where all of it comes from.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn write(&self, folder: &Path, statement: &Value) -> Result<()> {
        // As `sha256sum --check` reads it.
        let sums: String = self.artifacts.values().map(|one| format!("{}  {}\n", one.sha256(), one.name)).collect();
        write_whole(&folder.join("sha256.sum"), sums.as_bytes(), false)?;
        write_whole(&folder.join("release-notes.md"), self.notes()?.as_bytes(), false)?;
        write_whole(&folder.join("provenance.intoto.jsonl"), format!("{statement}\n").as_bytes(), false)?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_whole(&folder.join(MANIFEST), text.as_bytes(), false)
    }

    /// The table of the release's notes.
    fn notes(&self) -> Result<String> {
        let mut text = "| download | for | tested | needs |\n| --- | --- | --- | --- |\n".to_owned();
        for one in self.archives() {
            let Some(proof) = &one.proof else { continue };
            let tested = match (&proof.started_by, proof.tested) {
                (Some(by), true) => format!("{} tests by {}, started by {by}", proof.tests.passed, proof.runner),
                (None, true) => format!("{} tests by {}", proof.tests.passed, proof.runner),
                (_, false) => format!("no: {}", proof.reason.as_deref().unwrap_or("nothing here runs it")),
            };
            let needs = proof.glibc.as_ref().map_or_else(String::new, |glibc| format!("glibc {glibc}"));
            writeln!(text, "| {} | `{}` | {tested} | {needs} |", one.name, one.target_triples.join("`, `"))?;
        }
        Ok(text)
    }
}
