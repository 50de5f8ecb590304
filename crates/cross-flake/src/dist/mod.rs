//! Releases: programs that were tested, packed so that everybody gets the same bytes, with what is known of them beside.
//!
//! A [`release::Release`] is made in these steps:
//!
//! 1. [`Origin`] says which commit is packed, and refuses what is of none.
//! 2. [`contents`] finds what goes with the programs, before anything is built.
//! 3. [`reproducible`] takes out of the build what belongs to one machine alone, and [`evidence`] puts the list of packages in.
//! 4. [`symbols`] are parted from the programs, [`archive`] packs, [`smoke`] starts what was packed, [`universal`] makes one program of
//!    macOS's two.
//! 5. [`manifest`], [`sbom`] and [`provenance`] tell of it, and an [`installer`] brings it to users.
//!
//! Where several machines share the work, [`join`] makes one release of their parts.

pub mod archive;
pub mod auditable;
pub mod contents;
pub mod dependencies;
pub mod difference;
pub mod evidence;
pub mod installer;
pub mod join;
pub mod manifest;
pub mod origin;
pub mod provenance;
pub mod release;
pub mod reproducible;
pub mod sbom;
pub mod sizes;
pub mod smoke;
pub mod sources;
pub mod symbols;
pub mod universal;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use origin::Origin;

/// Returns the files below a folder, relative to it and sorted.
///
/// # Errors
/// A folder cannot be read.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let path = entry?.path();
            match path.is_dir() {
                true => todo.push(path),
                false => found.push(path.strip_prefix(folder)?.to_owned()),
            }
        }
    }
    found.sort();
    Ok(found)
}
