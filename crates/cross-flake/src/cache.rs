//! The one directory in which cross-flake keeps what it fetches and builds.
//!
//! Everything in it is installed by a rename of a finished directory, so a killed run leaves nothing half-written that a
//! later run would trust.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::settings;
use anyhow::{Context, Result, anyhow};
use etcetera::BaseStrategy;

/// The cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    /// The paths that it was asked for, if somebody wants to know.
    asked: Option<Arc<Mutex<BTreeSet<PathBuf>>>>,
}

/// Held while the cache is changed; other runs wait for it.
pub struct CacheLock {
    _file: File,
}

impl Cache {
    /// `$CROSS_FLAKE_CACHE`, else `cross-flake` in the user's cache directory (`$XDG_CACHE_HOME`, `~/.cache`).
    ///
    /// # Errors
    /// No home directory, or a relative path in the variable.
    pub fn locate() -> Result<Cache> {
        if let Some(root) = &settings::get().cache {
            let root = std::path::absolute(PathBuf::from(root)).context("cannot make the cache's path absolute")?;
            return Ok(Cache { root, asked: None });
        }
        let base = etcetera::choose_base_strategy()
            .map_err(|_| anyhow!("no home folder: set {} to a folder that can be written", settings::CACHE))?;
        Ok(Cache { root: base.cache_dir().join("cross-flake"), asked: None })
    }

    /// A cache where nothing is, for a user without a home.
    pub fn none() -> Cache {
        Cache { root: PathBuf::from("/nonexistent/cross-flake"), asked: None }
    }

    /// A cache at this directory.
    #[cfg(test)]
    pub fn at(root: &Path) -> Cache {
        Cache { root: root.to_owned(), asked: None }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the directory.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        if let Some(asked) = &self.asked {
            asked.lock().unwrap_or_else(PoisonError::into_inner).insert(relative.as_ref().to_owned());
        }
        self.root.join(relative)
    }

    /// The same cache, which remembers the paths that it is asked for.
    pub fn watched(&self) -> Cache {
        Cache { root: self.root.clone(), asked: Some(Arc::default()) }
    }

    /// The relative paths that a watched cache was asked for.
    pub fn asked(&self) -> BTreeSet<PathBuf> {
        let asked = self.asked.as_ref().map(|asked| asked.lock().unwrap_or_else(PoisonError::into_inner).clone());
        asked.unwrap_or_default()
    }

    /// Tells if `install` has put this name in place.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Waits until no other run changes the cache, then keeps others from it. `waiting` is called once if it must wait.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn lock(&self, waiting: impl FnOnce()) -> Result<CacheLock> {
        let unwritable = || {
            format!(
                "cannot write the cache {}\nset {} to a folder that can be written",
                self.root.display(),
                settings::CACHE
            )
        };
        fs::create_dir_all(self.root.join("tmp")).with_context(unwritable)?;
        let file = File::create(self.path("lock")).with_context(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().with_context(unwritable)?;
            }
            Err(TryLockError::Error(e)) => return Err(e).with_context(unwritable),
        }
        // But for those that say themselves if they are used, what is there now was left by a killed run.
        for leftover in fs::read_dir(self.path("tmp")).with_context(unwritable)?.flatten() {
            if !RunFolder::is_one(&leftover) {
                remove(&leftover.path());
            } else {
                RunFolder::remove_unless_used(&leftover.path());
            }
        }
        Ok(CacheLock { _file: file })
    }

    /// A directory that vanishes when dropped, on the cache's own file system. Nobody needs the lock for it.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn scratch(&self) -> Result<Scratch> {
        let of_run = RunFolder::new(&self.path("tmp"))?;
        let path = of_run.path().join("scratch");
        fs::create_dir(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Scratch { path, _of_run: of_run })
    }

    /// A directory for the temporary files of a run; below the system's one if the cache cannot be written.
    ///
    /// # Errors
    /// Neither can be written.
    pub fn run_folder(&self) -> Result<RunFolder> {
        RunFolder::new(&self.path("tmp")).or_else(|_| RunFolder::new(&std::env::temp_dir()))
    }

    /// Puts a directory in place under `name`, made whole by `make` in a scratch directory first; does nothing if it is there.
    ///
    /// # Errors
    /// Whatever `make` says; nothing is left then.
    pub fn install(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let place = self.path(name);
        if place.exists() {
            return Ok(place);
        }
        let scratch = self.scratch()?;
        let new = scratch.path().join("new");
        fs::create_dir(&new).with_context(|| format!("cannot write {}", new.display()))?;
        make(&new).map_err(|error| self.explain(error))?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot write {}", parent.display()))?;
        }
        match fs::rename(&new, &place) {
            // Another run was faster.
            Err(_) if place.exists() => {}
            result => result.with_context(|| format!("cannot put {} in place", place.display()))?,
        }
        Ok(place)
    }

    /// Not every program says that the disk is full: zig just aborts. To be asked while the half-made directory is there.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        // Less than any single thing that is installed.
        const FULL: u64 = 1_000_000;
        match nix::sys::statvfs::statvfs(&self.path("tmp")).map(|s| s.blocks_available() * s.fragment_size()) {
            Ok(free @ 0..FULL) => {
                error.context(format!("only {free} bytes are left on the disk of {}", self.root.display()))
            }
            _ => error,
        }
    }

    /// Writes a file whole or not at all, and only when its content differs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, content: &[u8], executable: bool) -> Result<PathBuf> {
        let path = self.path(name);
        if fs::read(&path).is_ok_and(|old| old == content) {
            return Ok(path);
        }
        write_whole(&path, content, executable)?;
        Ok(path)
    }
}

/// An empty directory that lives as long as this value.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Keeps others from taking it for a leftover.
    _of_run: RunFolder,
}

impl Scratch {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A directory for the temporary files of a run, which lives as long as this value. What a killed run has left is removed by the next.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Locked for as long as the process lives, however it ends.
    _lock: File,
}

impl RunFolder {
    const PREFIX: &str = "cross-flake-run-";
    const LOCK: &str = "lock";

    fn new(parent: &Path) -> Result<RunFolder> {
        use std::os::unix::fs::MetadataExt;
        let failed = || format!("cannot write {}", parent.display());
        fs::create_dir_all(parent).with_context(failed)?;
        for leftover in fs::read_dir(parent).with_context(failed)?.flatten() {
            if Self::is_one(&leftover) {
                Self::remove_unless_used(&leftover.path());
            }
        }
        loop {
            let path = tempfile::Builder::new().prefix(Self::PREFIX).tempdir_in(parent).with_context(failed)?.keep();
            let locked = File::create(path.join(Self::LOCK)).and_then(|file| {
                file.lock()?;
                let same = fs::metadata(path.join(Self::LOCK))?.ino() == file.metadata()?.ino();
                Ok(same.then_some(file))
            });
            match locked {
                Ok(Some(_lock)) => return Ok(RunFolder { path, _lock }),
                // Another run came before the lock, and took it for a leftover.
                Ok(None) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(failed),
            }
        }
    }

    fn is_one(entry: &fs::DirEntry) -> bool {
        entry.file_name().to_string_lossy().starts_with(Self::PREFIX)
    }

    /// Removes such a directory unless its process lives. Whoever has made it and not locked it yet waits for the lock, or does not find
    /// it any more, and makes another.
    fn remove_unless_used(path: &Path) {
        let lock = File::options().create(true).append(true).open(path.join(Self::LOCK));
        if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) {
            return;
        }
        // Nobody must come into it while it is being emptied.
        let gone = path.with_file_name(format!("gone-{}", path.file_name().unwrap_or_default().display()));
        if fs::rename(path, &gone).is_ok() {
            remove(&gone);
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a file or directory that is nobody's any more, as far as that is possible. Tests, and the kernel's overlays, leave directories
/// that not even their owner may open.
pub fn remove(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fn open_up(folder: &Path) {
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open_up(&entry.path());
            }
        }
    }
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        if fs::remove_dir_all(path).is_err() {
            open_up(path);
            let _ = fs::remove_dir_all(path);
        }
    } else {
        let _ = fs::remove_file(path);
    }
}

/// Writes a file beside its place and renames it there.
///
/// # Errors
/// The directory cannot be written.
pub fn write_whole(path: &Path, content: &[u8], executable: bool) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(content).with_context(failed)?;
    let mode = if executable { 0o755 } else { 0o644 };
    file.as_file().set_permissions(fs::Permissions::from_mode(mode)).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// Returns the bytes that a directory takes on disk; a file with several names counts once.
pub fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut seen = std::collections::HashSet::new();
    let mut todo = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(path) = todo.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        }
        if seen.insert((meta.dev(), meta.ino())) {
            bytes += meta.blocks() * 512;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let result = cache.install("tool", |new| {
            fs::write(new.join("half"), "x")?;
            Err(anyhow!("no space left"))
        });
        assert!(result.is_err());
        assert!(!cache.has("tool"));
        assert_eq!(fs::read_dir(cache.path("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        fs::create_dir_all(cache.path("tmp/.tmpabc/new")).unwrap();
        let _lock = cache.lock(|| panic!("nobody else holds it")).unwrap();
        assert_eq!(fs::read_dir(cache.path("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn the_folder_of_a_run_that_lives_is_left_alone_and_that_of_a_dead_one_removed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let living = cache.run_folder().unwrap();
        let dead = cache.path("tmp/cross-flake-run-dead");
        fs::create_dir_all(dead.join("closed/inner")).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        fs::set_permissions(dead.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        let second = cache.run_folder().unwrap();
        assert!(!dead.exists() && living.path().exists());
        let _lock = cache.lock(|| panic!("nobody else holds it")).unwrap();
        assert!(living.path().exists() && second.path().exists());
        drop((living, second));
        assert_eq!(fs::read_dir(cache.path("tmp")).unwrap().count(), 0);
        // Where nothing can be written there is still the system's directory.
        let elsewhere = Cache::none().run_folder().unwrap();
        assert!(elsewhere.path().starts_with(std::env::temp_dir()) || !elsewhere.path().starts_with(folder.path()));
    }

    #[test]
    fn runs_that_begin_at_once_leave_each_other_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let run = cache.run_folder().unwrap();
                        std::thread::yield_now();
                        fs::write(run.path().join("output"), "").unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn a_second_run_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let first = cache.lock(|| ()).unwrap();
        let (waits, waited) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| cache.lock(move || waits.send(()).unwrap()).map(drop).unwrap());
            waited.recv().unwrap();
            drop(first);
        });
    }

    #[test]
    fn a_cache_that_cannot_be_written_names_the_variable() {
        let error = Cache::at(Path::new("/proc/no/such")).lock(|| ()).map(drop).unwrap_err();
        assert!(error.to_string().contains(settings::CACHE));
    }
}
