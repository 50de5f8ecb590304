//! `cargo cross-flake clean`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::{Place, print_json};
use crate::cache::{Cache, disk_usage};
use crate::events::human_bytes;
use crate::provider::portable::Portable;
use crate::settings;

/// Show what the cache holds and how large it is; remove it, or a part of it
///
/// What was removed is fetched or made again when it is needed.
#[derive(Args)]
pub struct Clean {
    /// Remove the whole cache
    #[arg(long)]
    all: bool,
    /// Remove what no target here needs: compilers, C libraries, emulators and std of other versions of cross-flake or of Rust than those
    /// that this workspace uses now
    #[arg(long, conflicts_with = "all")]
    unused: bool,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Contents {
    folder: String,
    bytes: u64,
    entries: Vec<Entry>,
    removed: bool,
}

impl Contents {
    fn list(&self) {
        for entry in &self.entries {
            println!("{:>9}  {}", human_bytes(entry.bytes), entry.name);
        }
    }
}

impl Clean {
    /// Runs the command.
    ///
    /// # Errors
    /// The cache cannot be read or removed.
    pub fn run(self) -> Result<ExitCode> {
        let cache = Cache::locate()?;
        if self.unused {
            return self.remove_unused(&cache);
        }
        let contents = read(cache.root(), self.all);
        if self.all && cache.root().exists() {
            // Other runs must not lose it under their feet.
            let lock = cache.lock(|| eprintln!("waiting for another run that is setting up"))?;
            make_writable(cache.root());
            std::fs::remove_dir_all(cache.root())
                .with_context(|| format!("cannot remove {}", cache.root().display()))?;
            drop(lock);
        }
        if self.json {
            print_json(&contents)?;
        } else {
            contents.list();
            let verb = if contents.removed { "removed" } else { "holds" };
            println!("{} {verb} {}", contents.folder, human_bytes(contents.bytes));
            if !contents.removed && contents.bytes > 0 {
                println!("`{} clean --all` removes it", settings::program());
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn remove_unused(&self, cache: &Cache) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let _lock = cache.lock(|| eprintln!("waiting for another run that is setting up"))?;
        let places = Portable::new(cache.clone()).places(&workspace);
        let mut entries = Vec::new();
        for store in STORES {
            for entry in std::fs::read_dir(cache.path(store)).into_iter().flatten().flatten() {
                let name = Path::new(store).join(entry.file_name());
                // A place may be more than one name deep.
                if places.iter().any(|place| place.starts_with(&name)) {
                    continue;
                }
                entries.push(Entry { name: name.display().to_string(), bytes: disk_usage(&entry.path()) });
                make_writable(&entry.path());
                std::fs::remove_dir_all(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        let bytes = entries.iter().map(|entry| entry.bytes).sum();
        let contents = Contents { folder: cache.root().display().to_string(), bytes, entries, removed: true };
        if self.json {
            print_json(&contents)?;
        } else {
            contents.list();
            println!("{} removed of {}", human_bytes(bytes), contents.folder);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The directories of the cache in which there is one thing for each version.
const STORES: [&str; 8] = ["clang", "packages", "prefix", "rust-src", "spawn", "std", "wheels", "zlib-source"];

fn read(root: &Path, removed: bool) -> Contents {
    let mut entries: Vec<Entry> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| Entry { name: e.file_name().to_string_lossy().into_owned(), bytes: disk_usage(&e.path()) })
        .collect();
    entries.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let bytes = entries.iter().map(|e| e.bytes).sum();
    Contents { folder: root.display().to_string(), bytes, entries, removed }
}

/// Packages may hold directories that not even their owner may write.
fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = std::fs::symlink_metadata(folder) else { return };
    if !meta.is_dir() {
        return;
    }
    if meta.permissions().mode() & 0o700 != 0o700 {
        let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755));
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        make_writable(&entry.path());
    }
}
