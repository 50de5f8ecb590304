//! Packages of a distribution of Debian's family, without root and without its tools: lists that the archive's keys vouch for,
//! packages that the lists vouch for, unpacked into the cache.

mod date;
mod deb;
mod fetch;
mod index;
mod keys;
mod lists;
mod package;
mod pieces;
mod proxy;
mod release;
mod resolve;
mod sources;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod version;
mod world;
mod xz;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::events::Events;
use crate::host::signals;
use crate::provider::Download;
use crate::settings;
use fetch::{Client, Expected};
use index::Index;
use lists::List;
use sources::Sources;
use world::World;

pub use fetch::is_absent;
pub use package::Package;

/// Emulators that need no library of the machine and cross libraries come from here: the oldest suite that has them all.
pub const NEWER_SUITE: &str = "trixie";
/// `rust-src` stands in several versions here.
pub const BACKPORTS: &str = "trixie-backports";
/// Where a target's packages come from, whatever the machine's own release is. The second is for what a mirror lacks of the first: the
/// lists of a point release reach some before all its files do, those of rarer architectures last.
pub const SYSROOT_SUITES: [&str; 2] = [NEWER_SUITE, "bookworm"];
/// Where dpkg keeps what is installed.
const STATUS: &str = "/var/lib/dpkg/status";

/// An archive of packages.
#[derive(Clone)]
pub struct Archive {
    cache: Cache,
    /// The codename of the machine's own release: programs from here fit the machine's libraries.
    pub own_suite: String,
    sources: Arc<Sources>,
    scope: Scope,
    client: Arc<OnceLock<Client>>,
    /// The lists of packages that were fetched over the network, by this value and its clones.
    fetched: Arc<Mutex<Vec<Download>>>,
    /// Lists that were read, by architecture and suite.
    known: Arc<Mutex<Known>>,
    installed: Arc<OnceLock<Index>>,
    events: Events,
}

/// Lists by architecture and suite.
type Known = HashMap<(String, String), Arc<Index>>;

/// The root for which packages are chosen.
#[derive(Clone)]
enum Scope {
    /// The machine: what is installed counts.
    Machine,
    /// The machine's own release for another architecture.
    Foreign(String),
    /// A root of its own, of this architecture and suite, in which nothing is installed.
    Sysroot { arch: String, suite: &'static str },
}

impl Archive {
    /// The archive of this machine.
    ///
    /// # Errors
    /// It has none; the error says what to type.
    pub fn open(cache: &Cache, events: &Events) -> Result<Archive> {
        let wish = settings::get().archive.as_deref();
        Ok(Archive::with(cache, events, Sources::read(Path::new("/"), wish)?))
    }

    /// The archive of these sources.
    fn with(cache: &Cache, events: &Events, sources: Sources) -> Archive {
        Archive {
            cache: cache.clone(),
            own_suite: sources.own_suite.clone(),
            sources: Arc::new(sources),
            scope: Scope::Machine,
            client: Arc::default(),
            fetched: Arc::default(),
            known: Arc::default(),
            installed: Arc::default(),
            events: events.clone(),
        }
    }

    /// The same release for another architecture, with its lists of packages fetched.
    ///
    /// # Errors
    /// See [`Archive::update`].
    pub fn of_arch(&self, arch: &str) -> Result<Archive> {
        let archive = Archive { scope: Scope::Foreign(arch.to_owned()), ..self.clone() };
        archive.update(std::slice::from_ref(&self.own_suite))?;
        Ok(archive)
    }

    /// A root of its own for an architecture, of one of [`SYSROOT_SUITES`]. Nothing is installed there, so that
    /// [`Archive::closure`] gives the same packages on every machine.
    pub fn of_sysroot(&self, arch: &str, suite: &'static str) -> Archive {
        Archive { scope: Scope::Sysroot { arch: arch.to_owned(), suite }, ..self.clone() }
    }

    /// The same for the machine's own architecture.
    pub fn apart(&self, suite: &'static str) -> Archive {
        self.of_sysroot(machines_arch(), suite)
    }

    /// The name of the distribution.
    pub fn name(&self) -> &str {
        &self.sources.name
    }

    /// The suite that serves for one of Debian's: it, or the machine's own where the archive is another distribution's.
    pub fn serving(&self, suite: &str) -> String {
        self.sources.serving(suite)
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(Client::new)
    }

    /// The architecture of the packages.
    fn arch(&self) -> &str {
        match &self.scope {
            Scope::Machine => machines_arch(),
            Scope::Foreign(arch) | Scope::Sysroot { arch, .. } => arch,
        }
    }

    /// The suite whose packages are preferred.
    fn preferred(&self) -> String {
        match &self.scope {
            Scope::Sysroot { suite, .. } => self.sources.serving(suite),
            _ => self.own_suite.clone(),
        }
    }

    fn list(&self, suite: &str) -> Result<List> {
        let (suite, arch) = (self.sources.serving(suite), self.arch());
        Ok(List::new(&self.cache, &suite, arch, self.sources.place(&suite, arch)?))
    }

    /// The suites of which lists are here, the preferred one first, and last those that nobody prefers.
    fn suites(&self) -> Vec<String> {
        let preferred = self.preferred();
        let mut suites = List::kept(&self.cache, self.arch());
        suites.retain(|suite| self.list(suite).is_ok_and(|list| list.suite == *suite && list.is_here()));
        suites.sort_by_key(|suite| (*suite != preferred, suite.ends_with("-backports")));
        suites
    }

    /// Tells if the lists of these suites are here, and not old.
    pub fn is_ready(&self, suites: &[String]) -> bool {
        suites.iter().all(|suite| self.list(suite).is_ok_and(|list| list.is_fresh()))
    }

    /// The lists of packages that were fetched, with their sizes.
    pub fn fetched(&self) -> Vec<Download> {
        guard(&self.fetched).clone()
    }

    /// Fetches the lists of packages of these suites. Others that are here already stay.
    ///
    /// # Errors
    /// No network and no older lists, or a release that is not to be believed.
    pub fn update(&self, suites: &[String]) -> Result<()> {
        let mut suites: Vec<String> = suites.iter().map(|suite| self.sources.serving(suite)).collect();
        suites.sort();
        suites.dedup();
        let (mut reasons, mut is_any_here) = (Vec::new(), false);
        for suite in &suites {
            match self.update_one(suite) {
                Ok(()) => is_any_here = true,
                Err(error) if fetch::is_of_network(&error) => reasons.push(error),
                Err(error) => return Err(error),
            }
        }
        // A mirror that is being synchronised may lack one list of several: the packages of the others can be had, and the
        // next run asks again.
        match reasons.into_iter().next() {
            Some(reason) if !is_any_here => {
                signals::check()?;
                Err(reason.context(
                    "cannot fetch the distribution's lists of packages, among which are the emulators; targets that \
                     this machine runs by itself, and those of level `link`, work without",
                ))
            }
            Some(reason) => {
                self.events.note(&format!("some lists of packages are missing: {reason:#}"));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn update_one(&self, suite: &str) -> Result<()> {
        let (list, arch) = (self.list(suite)?, self.arch());
        if list.is_fresh() {
            return Ok(());
        }
        let keys = self.sources.keys(suite, arch)?;
        match list.update(self.client(), &keys, SystemTime::now()) {
            Ok(bytes) => {
                guard(&self.known).remove(&(arch.to_owned(), suite.to_owned()));
                let name = format!("lists of packages of {suite} for {arch}");
                guard(&self.fetched).push(Download { name, from: self.sources.name.clone(), bytes });
                Ok(())
            }
            Err(error) if fetch::is_of_network(&error) && list.is_here() => {
                signals::check()?;
                self.events.note(&format!("older lists of packages of {suite} are used: {error:#}"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The lists of a suite, read once.
    fn index(&self, suite: &str) -> Result<Arc<Index>> {
        let key = (self.arch().to_owned(), suite.to_owned());
        let mut known = guard(&self.known);
        if let Some(index) = known.get(&key) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(self.list(suite)?.load()?);
        known.insert(key, Arc::clone(&index));
        Ok(index)
    }

    /// The packages that are installed where this archive's are to go.
    fn installed(&self) -> &Index {
        static NOTHING: std::sync::LazyLock<Index> = std::sync::LazyLock::new(Index::default);
        match self.scope {
            Scope::Machine => self.installed.get_or_init(|| {
                // Where there is no dpkg, nothing of its is installed.
                Index::new(fs::read(STATUS).unwrap_or_default()).only_installed(self.arch())
            }),
            _ => &NOTHING,
        }
    }

    /// The packages of these names in a suite: `name`, `name:arch`, or `name=version`, which may be another suite's.
    ///
    /// # Errors
    /// No such package.
    pub fn resolve(&self, names: &[&str], suite: &str) -> Result<Vec<Package>> {
        let suite = self.sources.serving(suite);
        let find = |wish: &&str| {
            let (name, version) = wish.split_once('=').map_or((*wish, None), |(name, version)| (name, Some(version)));
            let name = name.split(':').next().unwrap_or_default();
            let suites = if version.is_some() { self.suites() } else { vec![suite.clone()] };
            let world = World::new(self, suites);
            let found = world.all(name)?.into_iter().find(|entry| version.is_none_or(|wanted| entry.version == wanted));
            found.map(|entry| Package::new(&entry)).with_context(|| {
                let (distribution, arch) = (&self.sources.name, self.arch());
                format!("{distribution}'s {suite} has no package `{wish}` for {arch}")
            })
        };
        names.iter().map(find).collect()
    }

    /// These packages and all that they need and that is not installed, as `apt-get install` would choose.
    ///
    /// # Errors
    /// No such package, or they cannot be installed together.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        let world = World::new(self, self.suites());
        let entries = resolve::closure(names, &world, self.installed())?;
        Ok(entries.iter().map(Package::new).collect())
    }

    /// A package of a suite with the libraries that its programs need and that are not installed.
    ///
    /// What else it depends on by names that begin so is left out, and with it what the machine has installed of them in
    /// another version.
    ///
    /// # Errors
    /// No such package, or its libraries cannot be installed.
    pub fn program(&self, name: &str, suite: &str, unneeded: &[&str]) -> Result<Vec<Package>> {
        let mut packages = self.resolve(&[name], suite)?;
        let needed = packages[0].needs.clone();
        let needed = needed.iter().map(String::as_str).filter(|n| !unneeded.iter().any(|u| n.starts_with(u)));
        packages.extend(self.closure(&needed.collect::<Vec<_>>())?);
        Ok(packages)
    }

    /// The versions of a package in all known suites.
    ///
    /// # Errors
    /// A list cannot be read.
    pub fn versions(&self, name: &str) -> Result<Vec<String>> {
        let world = World::new(self, self.suites());
        Ok(world.all(name)?.into_iter().map(|entry| entry.version).collect())
    }

    /// Fetches packages and unpacks them over each other into a directory.
    ///
    /// # Errors
    /// No network, a hash that does not fit, a path that leads out of the directory, or a full disk.
    pub fn unpack(&self, packages: &[Package], into: &Path) -> Result<()> {
        self.unpack_part(packages, "", into)
    }

    /// The same for what is below a directory of the packages, and nothing else.
    ///
    /// # Errors
    /// See [`Archive::unpack`].
    pub fn unpack_part(&self, packages: &[Package], part: &str, into: &Path) -> Result<()> {
        let mut whole: Vec<Package> = Vec::new();
        for package in packages {
            let Some(pieces) = package.pieces else {
                whole.push(package.clone());
                continue;
            };
            let fetched = pieces.archive(self.client(), &package.url);
            if let Err(error) = fetched.and_then(|files| deb::unpack_tar(&files[..], u64::MAX - 1, part, into)) {
                signals::check()?;
                let Package { name, version, arch, .. } = package;
                self.events.note(&format!("{name} is fetched whole, for a part cannot be had: {error:#}"));
                // That of another architecture stands in that one's lists only.
                let is_own = arch == self.arch() || arch == "all";
                let archive = if is_own { self.clone() } else { self.of_arch(arch)? };
                whole.extend(archive.resolve(&[&format!("{name}={version}")], &self.own_suite)?);
            }
        }
        self.unpack_whole(&whole, part, into)
    }

    /// Unpacks one package while the next is fetched.
    fn unpack_whole(&self, packages: &[Package], part: &str, into: &Path) -> Result<()> {
        let scratch = self.cache.scratch()?;
        std::thread::scope(|scope| {
            let (sender, fetched) = mpsc::sync_channel(1);
            let place = scratch.path();
            scope.spawn(move || {
                for package in packages {
                    let expected = Expected { bytes: package.whole_bytes, sha256: &package.sha256 };
                    let file = self.client().save(&package.url, expected, place);
                    let is_last = file.is_err();
                    // The other end is gone when a package before this one could not be unpacked.
                    if sender.send((package, file)).is_err() || is_last {
                        break;
                    }
                }
            });
            let mut files = 0;
            for (Package { name, version, .. }, file) in fetched {
                let file = file.with_context(|| format!("cannot fetch the package {name} {version}"))?;
                let unpacked = deb::unpack(file.path(), part, into);
                files += unpacked.with_context(|| format!("cannot unpack the package {name} {version}"))?;
            }
            if files == 0 && !part.is_empty() && !packages.is_empty() {
                bail!("{} holds no {part}", packages[0].name);
            }
            Ok(())
        })
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The machine's name among Debian's architectures.
fn machines_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "i386",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64el",
        "loongarch64" => "loong64",
        other => other,
    }
}
