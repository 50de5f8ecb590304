//! The parts of a release that several machines have made, as one.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::archive::sha256;
use super::manifest::{Manifest, Source};
use crate::cache::write_whole;

/// Part of a release: its folder, and what it says of itself.
pub struct Part {
    folder: PathBuf,
    manifest: Manifest,
}

impl Part {
    /// Name and version of each package that has archives.
    pub fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.manifest.releases.iter().map(|release| (release.app_name.as_str(), release.app_version.as_str()))
    }
}

/// Reads parts, which must be all of one release. Returns what they have in common as well.
///
/// # Errors
/// One is missing, there twice, or was made of something else.
pub fn read(folders: &[PathBuf]) -> Result<(Vec<Part>, Source)> {
    let read = |folder: &PathBuf| anyhow::Ok(Part { folder: folder.clone(), manifest: Manifest::read(folder)? });
    let parts: Vec<Part> = folders.iter().map(read).collect::<Result<_>>()?;
    let first = parts.first().context("no part is named")?;
    let source = without_shard(&first.manifest.source);
    let mut seen = HashSet::new();
    let mut whole = None;
    for Part { folder, manifest } in &parts {
        let place = folder.display();
        let Some(shard) = &manifest.source.shard else {
            bail!("{place} is no part of a release: `dist --shard K/N` makes one");
        };
        if without_shard(&manifest.source) != source {
            let said = |source: &Source| {
                let commit = source.commit.as_deref().unwrap_or("no commit");
                format!(
                    "of {commit} with Rust {} and cross-flake {}, profile {}",
                    source.rust, source.version, source.profile
                )
            };
            bail!(
                "{place} and {} are of different releases\nthe one is {}, the other {}",
                first.folder.display(),
                said(&manifest.source),
                said(&source)
            );
        }
        let (of, rows) = whole.get_or_insert((shard.of, &shard.rows));
        ensure!(
            (*of, *rows) == (shard.of, &shard.rows),
            "{place} and {} are of releases for different targets",
            first.folder.display()
        );
        ensure!(seen.insert(shard.number), "{place}: part {}/{} is there twice", shard.number, shard.of);
    }
    let of = whole.map_or(0, |(of, _)| of);
    let missing: Vec<String> =
        (1..=of).filter(|number| !seen.contains(number)).map(|number| format!("{number}/{of}")).collect();
    ensure!(missing.is_empty(), "part {} is missing", missing.join(", "));
    Ok((parts, source))
}

/// Puts the files of all parts into one folder.
///
/// # Errors
/// A file is not as its manifest says, or cannot be written.
pub fn join(parts: Vec<Part>, source: Source, out: &Path) -> Result<Manifest> {
    let mut joined = Manifest { source, ..Manifest::default() };
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    for Part { folder, manifest } in parts {
        for release in &manifest.releases {
            for name in &release.artifacts {
                let artifact = manifest.artifacts.get(name).with_context(|| format!("{name} is in no manifest"))?;
                let file = folder.join(name);
                let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                ensure!(sha256(&content) == artifact.sha256(), "{} is not what was packed", file.display());
                write_whole(&out.join(name), &content, false)?;
                joined.add(&release.app_name, &release.app_version, artifact.clone());
            }
        }
    }
    Ok(joined)
}

fn without_shard(source: &Source) -> Source {
    Source { shard: None, ..source.clone() }
}
