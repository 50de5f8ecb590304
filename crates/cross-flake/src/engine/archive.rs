//! Test programs in a file: built on one machine, run on others.
//!
//! The file is a `.tar.gz`: `archive.json`, which says how cargo would start each program, and then the programs and what they look for
//! where they were built, below `target` and `build`. Sources are not in it: tests read them in a checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::Artifact;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::host::git::git;
use crate::workspace::Workspace;

/// The version of the file's form.
const FORM: u32 = 1;
/// The first entry.
const CONTENTS: &str = "archive.json";
/// A file in a directory of a triple that was unpacked: it holds the archive's id.
const MARK: &str = ".cross-flake-archive";

/// Where test programs come from or go to.
#[derive(Clone, Debug, Default)]
pub enum Programs {
    /// Cargo builds them, and they are run.
    #[default]
    Cargo,
    /// Cargo builds them, and they are written into this file instead of being run.
    To(PathBuf),
    /// They were built elsewhere.
    From(Box<Archive>),
}

/// One test program, with what cargo says of how it is started. Paths are as [`Places`] leave them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Its row.
    pub row: String,
    /// The Cargo.toml of its package.
    pub manifest: String,
    /// The name that people read.
    pub title: String,
    /// It is libtest, or prints as libtest does.
    pub harness: bool,
    /// The program.
    pub file: String,
    /// The directory to start in.
    pub folder: String,
    /// The variables that cargo sets, by name.
    pub env: BTreeMap<String, String>,
}

/// What stands in [`CONTENTS`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contents {
    form: u32,
    id: String,
    /// The folders of the workspace and of what cargo builds, where it was built.
    workspace: PathBuf,
    target: PathBuf,
    /// git's commit, if there is one.
    commit: Option<String>,
    /// The triples of its rows, by their names.
    pub rows: BTreeMap<String, String>,
    /// The programs.
    pub programs: Vec<Saved>,
}

/// Names for directories that are elsewhere on another machine.
pub struct Places(Vec<(String, PathBuf)>);

impl Places {
    /// Those of a workspace on this machine.
    pub fn of(workspace: &Workspace) -> Places {
        let [target, build] = folders(workspace);
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cache = Cache::locate().ok().map(|cache| cache.root().to_owned());
        let places = [
            ("target", Some(target)),
            ("build", Some(build)),
            ("workspace", Some(workspace.root().to_owned())),
            ("cargo", home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))),
            ("cache", cache),
            ("sysroot", Some(workspace.toolchain.sysroot.clone())),
        ];
        // No variable holds a NUL.
        let mut places: Vec<_> =
            places.into_iter().filter_map(|(name, path)| Some((format!("\0{name}\0"), path?))).collect();
        // The longest first, for some are within others.
        places.sort_by_key(|(_, path)| std::cmp::Reverse(path.as_os_str().len()));
        Places(places)
    }

    /// Puts names for paths.
    fn leave(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, path) in &self.0 {
            let path = path.to_string_lossy();
            let mut parts = text.split(&*path).peekable();
            let mut left = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                // `/a/bc` is not below `/a/b`.
                let ends = !part.starts_with(|next: char| next.is_alphanumeric() || "._-".contains(next));
                left.push_str(if ends { name } else { &path });
                left.push_str(part);
            }
            text = left;
        }
        text
    }

    /// Puts paths for names.
    pub fn enter(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, path)| text.replace(name, &path.to_string_lossy()))
    }
}

/// Where cargo puts programs, and what lies between; often the same directory.
fn folders(workspace: &Workspace) -> [PathBuf; 2] {
    let meta = &workspace.metadata;
    let build = meta.build_directory.as_ref().unwrap_or(&meta.target_directory);
    [meta.target_directory.clone().into(), build.clone().into()]
}

/// What is to be written, while cargo builds it.
pub struct Packing {
    places: Places,
    folders: [PathBuf; 2],
    rows: BTreeMap<String, String>,
    programs: Vec<Saved>,
    files: BTreeSet<PathBuf>,
    left: BTreeSet<String>,
}

impl Packing {
    /// Nothing yet.
    pub fn new(workspace: &Workspace) -> Packing {
        Packing {
            places: Places::of(workspace),
            folders: folders(workspace),
            rows: BTreeMap::new(),
            programs: Vec::new(),
            files: BTreeSet::new(),
            left: BTreeSet::new(),
        }
    }

    /// Takes a test program.
    ///
    /// # Errors
    /// A variable is not UTF-8.
    pub fn program(
        &mut self,
        row: (&str, &str),
        (manifest, title, harness): (&Path, &str, bool),
        (file, folder): (&Path, &Path),
        env: BTreeMap<OsString, OsString>,
    ) -> Result<()> {
        let leave = |path: &Path| self.places.leave(&path.to_string_lossy());
        let text = |text: OsString| {
            text.into_string().map_err(|text| anyhow::anyhow!("{title} gets what is no UTF-8: {}", text.display()))
        };
        let env = env.into_iter().map(|(name, value)| Ok((text(name)?, self.places.leave(&text(value)?))));
        let saved = Saved {
            row: row.0.to_owned(),
            manifest: leave(manifest),
            title: title.to_owned(),
            harness,
            file: leave(file),
            folder: leave(folder),
            env: env.collect::<Result<_>>()?,
        };
        self.rows.insert(row.0.to_owned(), row.1.to_owned());
        self.files.insert(file.to_owned());
        self.programs.push(saved);
        Ok(())
    }

    /// Takes what cargo has built beside test programs: programs, for tests start them, and shared libraries.
    pub fn artifact(&mut self, artifact: &Artifact) {
        let files = artifact.filenames.iter().map(|file| file.as_std_path());
        if artifact.executable.is_some() && !artifact.profile.test && !artifact.target.is_custom_build() {
            self.files.extend(files.map(Path::to_owned));
        } else {
            self.files.extend(files.filter(|file| is_shared(file)).map(Path::to_owned));
        }
    }

    /// Takes the shared libraries of a directory.
    pub fn libraries(&mut self, folder: &Path) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        self.files.extend(entries.filter(|path| is_shared(path)));
    }

    /// Takes all files below a directory.
    pub fn folder(&mut self, folder: &Path) {
        let mut todo = vec![folder.to_owned()];
        while let Some(folder) = todo.pop() {
            for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                match path.is_dir() && !path.is_symlink() {
                    true => todo.push(path),
                    false => drop(self.files.insert(path)),
                }
            }
        }
    }

    /// Notes a test that needs more than its program.
    pub fn leave_out(&mut self, title: &str) {
        self.left.insert(title.to_owned());
    }

    /// Writes the file, and gives lines for people.
    ///
    /// # Errors
    /// There is nothing to write, a file cannot be read, or the archive not be written; then there is none.
    pub fn write(&self, workspace: &Workspace, to: &Path) -> Result<Vec<String>> {
        if self.programs.is_empty() {
            bail!("no test program was built that runs here: there is nothing to put into {}", to.display());
        }
        let failed = || format!("cannot write {}", to.display());
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let contents = Contents {
            form: FORM,
            id: format!("{:x}-{:x}", since.as_nanos(), std::process::id()),
            workspace: workspace.root().to_owned(),
            target: self.folders[0].clone(),
            commit: git(workspace.root(), &["rev-parse", "HEAD"]).ok(),
            rows: self.rows.clone(),
            programs: self.programs.clone(),
        };
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(failed)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        let out = GzEncoder::new(BufWriter::new(temporary.as_file_mut()), Compression::fast());
        let mut tar = tar::Builder::new(out);
        append(&mut tar, Path::new(CONTENTS), &serde_json::to_vec(&contents)?, 0o644).with_context(failed)?;
        for file in &self.files {
            let names = ["target", "build"].into_iter().zip(&self.folders);
            let below = names.filter_map(|(name, folder)| Some(Path::new(name).join(file.strip_prefix(folder).ok()?)));
            let below = below.min_by_key(|path| path.components().count());
            let Some(name) = below.filter(|_| file.is_file()) else { continue };
            let read = || format!("cannot read {}", file.display());
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).with_context(read)?.permissions());
            append(&mut tar, &name, &fs::read(file).with_context(read)?, mode & 0o777).with_context(failed)?;
        }
        tar.into_inner().and_then(|gz| gz.finish()?.flush()).with_context(failed)?;
        let bytes = temporary.as_file().metadata().map_or(0, |metadata| metadata.len());
        temporary.persist(to).with_context(failed)?;
        let mut lines = vec![format!(
            "{}: {} test programs of {} targets, {}",
            to.display(),
            contents.programs.len(),
            contents.rows.len(),
            crate::events::human_bytes(bytes)
        )];
        if !self.left.is_empty() {
            let names: Vec<&str> = self.left.iter().map(String::as_str).collect();
            lines.push(format!("not in it, for they need a compiler or are the build machine's: {}", names.join(", ")));
        }
        Ok(lines)
    }
}

/// Tells by its name if a file is a shared library: `libz.so.1.3`, `z.dll`.
fn is_shared(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".dll") || name.split('.').skip(1).any(|part| part == "so")
}

fn append(tar: &mut tar::Builder<impl Write>, name: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(1);
    header.set_entry_type(tar::EntryType::Regular);
    Ok(tar.append_data(&mut header, name, content)?)
}

/// A file that was written by [`Packing`].
#[derive(Clone, Debug)]
pub struct Archive {
    file: PathBuf,
    /// What is in it.
    pub contents: Contents,
}

impl Archive {
    /// Reads what is in a file.
    ///
    /// # Errors
    /// It cannot be read, or is no such archive.
    pub fn open(file: &Path) -> Result<Archive> {
        let mut tar = tar(file)?;
        let other = || format!("{} is no archive of test programs, as `archive` writes them", file.display());
        let mut first = tar.entries().and_then(|mut entries| entries.next().transpose()).with_context(other)?;
        let first = first.as_mut().filter(|first| first.path_bytes() == CONTENTS.as_bytes()).with_context(other)?;
        let mut text = String::new();
        first.read_to_string(&mut text).with_context(other)?;
        let form = serde_json::from_str::<serde_json::Value>(&text).with_context(other)?["form"].as_u64();
        if form != Some(FORM.into()) {
            bail!("{} is of another version of cross-flake: archive and run with the same one", file.display());
        }
        Ok(Archive { file: file.to_owned(), contents: serde_json::from_str(&text).with_context(other)? })
    }

    /// Puts the programs of these rows where cargo would have put them, and gives lines about what is not as it was.
    ///
    /// # Errors
    /// Cargo has built something there, or the file is damaged; then nothing has been put there.
    pub fn unpack(&self, workspace: &Workspace, rows: &[&str]) -> Result<Vec<String>> {
        let folders = folders(workspace);
        let triples: BTreeSet<&String> = rows.iter().filter_map(|row| self.contents.rows.get(*row)).collect();
        let mut missing = BTreeSet::new();
        for triple in &triples {
            for folder in folders.iter().map(|folder| folder.join(triple)).filter(|folder| folder.exists()) {
                let id = fs::read_to_string(folder.join(MARK)).ok().filter(|_| !was_built_in(&folder));
                match id {
                    Some(id) if id == self.contents.id => {}
                    Some(_) => {
                        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?
                    }
                    None => bail!(
                        "{} is there, which the archive would fill: remove it, or set CARGO_TARGET_DIR to another folder",
                        folder.display()
                    ),
                }
            }
            if !folders.iter().any(|folder| folder.join(triple).join(MARK).exists()) {
                missing.insert(triple.as_str());
            }
        }
        if !missing.is_empty() {
            self.unpack_triples(&folders, &missing)?;
        }
        // CARGO_TARGET_TMPDIR, here or there by cargo's release.
        for folder in triples.into_iter().map(String::as_str).chain([""]) {
            let folder = folders[0].join(folder).join("tmp");
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut lines = Vec::new();
        let (there, here) = (&self.contents.target, &folders[0]);
        if there != here || self.contents.workspace != workspace.root() {
            lines.push(format!(
                "built in {} of {}: tests that hold such a path, by env!(\"CARGO_BIN_EXE_…\") or env!(\"CARGO_MANIFEST_DIR\"), \
                 want the same folders here",
                there.display(),
                self.contents.workspace.display()
            ));
        }
        let here = git(workspace.root(), &["rev-parse", "HEAD"]).ok();
        if let (Some(there), Some(here)) = (&self.contents.commit, here)
            && *there != here
        {
            lines.push(format!("built of commit {there}, and {here} is checked out: tests may read other files"));
        }
        Ok(lines)
    }

    fn unpack_triples(&self, folders: &[PathBuf; 2], triples: &BTreeSet<&str>) -> Result<()> {
        let failed = || format!("cannot unpack {}", self.file.display());
        fs::create_dir_all(&folders[0]).with_context(failed)?;
        let scratch = tempfile::Builder::new().prefix(MARK).tempdir_in(&folders[0]).with_context(failed)?;
        let mut tar = tar(&self.file)?;
        for entry in tar.entries().with_context(failed)?.skip(1) {
            let mut entry = entry.with_context(failed)?;
            let path = entry.path().with_context(failed)?.into_owned();
            let names: Vec<_> = path.components().collect();
            let plain = names.iter().all(|name| matches!(name, Component::Normal(_)));
            ensure!(plain && entry.header().entry_type().is_file(), "{}: {} has no place", failed(), path.display());
            if names.get(1).is_some_and(|name| triples.iter().any(|triple| name.as_os_str() == *triple)) {
                entry.unpack_in(scratch.path()).with_context(failed)?;
            }
        }
        for triple in triples {
            for (name, folder) in ["build", "target"].into_iter().zip([&folders[1], &folders[0]]) {
                let unpacked = scratch.path().join(name).join(triple);
                if unpacked.is_dir() {
                    fs::write(unpacked.join(MARK), &self.contents.id).with_context(failed)?;
                    fs::create_dir_all(folder).with_context(failed)?;
                    fs::rename(&unpacked, folder.join(triple)).with_context(failed)?;
                }
            }
        }
        Ok(())
    }
}

/// Tells if cargo has built something in a triple's directory: it leaves files of its own in each profile's.
fn was_built_in(folder: &Path) -> bool {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let is_cargos = |entry: fs::DirEntry| {
        let name = entry.file_name();
        [".cargo-", ".fingerprint"].iter().any(|start| name.to_string_lossy().starts_with(start))
    };
    entries(folder).any(|profile| entries(&profile.path()).any(is_cargos))
}

fn tar(file: &Path) -> Result<tar::Archive<GzDecoder<BufReader<File>>>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(tar::Archive::new(GzDecoder::new(BufReader::new(opened))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_get_names_and_names_paths() {
        let places =
            |pairs: [(&str, &str); 2]| Places(pairs.map(|(name, path)| (format!("\0{name}\0"), path.into())).to_vec());
        let (there, here) = (
            places([("target", "/a/b/target"), ("workspace", "/a/b")]),
            places([("target", "/cache/t"), ("workspace", "/home/me/b")]),
        );
        for (path, moved) in [
            ("/a/b/target/debug:/a/b/lib", "/cache/t/debug:/home/me/b/lib"),
            ("/a/b", "/home/me/b"),
            ("/a/bc", "/a/bc"),
            ("/a/b-c/d=/a/b/target", "/a/b-c/d=/cache/t"),
            ("1.2.3", "1.2.3"),
        ] {
            assert_eq!(here.enter(&there.leave(path)), moved);
        }
    }
}
