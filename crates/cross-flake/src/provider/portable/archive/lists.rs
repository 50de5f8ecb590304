//! The lists of packages of one suite for one architecture, as the cache keeps them: the signed release, and each list as it was
//! fetched.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::deb::decompress;
use super::fetch::{Client, is_absent, sha256};
use super::index::Index;
use super::keys::Keys;
use super::release::Release;
use super::sources::Place;
use crate::cache::{Cache, write_whole};

/// The signed file of a release, at a mirror.
const SIGNED: &str = "InRelease";
/// What was signed of it, here: nobody vouches for what stands around it.
const RELEASE: &str = "Release";
/// The file whose age is that of the last question for a newer release.
const ASKED: &str = "asked";
/// The time after which a newer release is asked for, when something has to be fetched: a mirror keeps no old packages.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// The bytes that a release may have. Debian's has 0.2 MB.
const LARGEST: u64 = 16 << 20;

/// Lists of packages.
pub struct List {
    /// The name of the suite.
    pub suite: String,
    arch: String,
    place: Place,
    dir: PathBuf,
}

impl List {
    /// The lists of a suite at a place.
    pub fn new(cache: &Cache, suite: &str, arch: &str, place: Place) -> List {
        let mut hasher = DefaultHasher::new();
        place.url.hash(&mut hasher);
        let dir = cache.path(format!("lists/{arch}/{suite}@{:016x}", hasher.finish()));
        List { suite: suite.to_owned(), arch: arch.to_owned(), place, dir }
    }

    /// The suites of which there are lists for an architecture, from whichever place.
    pub fn kept(cache: &Cache, arch: &str) -> Vec<String> {
        let entries = fs::read_dir(cache.path(format!("lists/{arch}"))).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut suites: Vec<String> = names.filter_map(|name| Some(name.rsplit_once('@')?.0.to_owned())).collect();
        suites.sort();
        suites.dedup();
        suites
    }

    /// The address of the mirror.
    pub fn url(&self) -> &str {
        &self.place.url
    }

    /// Tells if the lists are here and were asked for lately.
    pub fn is_fresh(&self) -> bool {
        let asked = fs::metadata(self.dir.join(ASKED)).and_then(|meta| meta.modified());
        let age = asked.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_some_and(|age| age < FRESH) && self.is_here()
    }

    /// Tells if the lists are here, whole.
    pub fn is_here(&self) -> bool {
        let Some(release) = self.release() else { return false };
        let mut files = self.files(&release).peekable();
        files.peek().is_some()
            && files.all(|(file, _, bytes, _)| fs::metadata(file).is_ok_and(|meta| meta.len() == bytes))
    }

    fn release(&self) -> Option<Release> {
        Release::parse(&fs::read_to_string(self.dir.join(RELEASE)).ok()?).ok()
    }

    /// Each list of the release: its file here, its name there, its length and its hash.
    fn files<'a>(&'a self, release: &'a Release) -> impl Iterator<Item = (PathBuf, String, u64, String)> + 'a {
        self.place.components.iter().filter_map(|component| {
            let (name, expected) = release.list(component, &self.arch)?;
            let end = name.rsplit('.').next().unwrap_or_default();
            let file = self.dir.join(format!("{component}.{end}"));
            Some((file, name, expected.bytes, expected.sha256.to_owned()))
        })
    }

    /// Fetches the release, and those lists that are others than the ones that are here. Returns the bytes.
    ///
    /// # Errors
    /// The release is not to be believed, or something cannot be had; what was here stays.
    pub fn update(&self, client: &Client, keys: &Keys, now: SystemTime) -> Result<u64> {
        let (url, suite) = (&self.place.url, &self.suite);
        let address = format!("{url}/dists/{suite}/{SIGNED}");
        let message = client.get(&address, LARGEST)?;
        let message = String::from_utf8(message).with_context(|| format!("{address}: it is no text"))?;
        let refused = || format!("{address} is refused");
        let (release, text) = Release::open(&message, suite, keys, now).with_context(refused)?;
        if let Some(seen) = self.release() {
            release.follows(&seen).with_context(refused)?;
        }
        let mut bytes = message.len() as u64;
        let failed = || format!("cannot write {}", self.dir.display());
        fs::create_dir_all(&self.dir).with_context(failed)?;
        let mut is_empty = true;
        for (file, name, length, hash) in self.files(&release) {
            is_empty = false;
            if fs::read(&file).is_ok_and(|old| sha256(&old) == hash) {
                continue;
            }
            let expected = super::fetch::Expected { bytes: length, sha256: &hash };
            let mut last = None;
            for place in release.places(&name, &hash) {
                match client.save(&format!("{url}/dists/{suite}/{place}"), expected, &self.dir) {
                    Ok(fetched) => {
                        fetched.persist(&file).with_context(failed)?;
                        last = None;
                        break;
                    }
                    Err(error) if is_absent(&error) => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
            if let Some(error) = last {
                return Err(error);
            }
            bytes += length;
        }
        if is_empty {
            let components = self.place.components.join(", ");
            bail!("{address}: the suite has no packages for {} in {components}", self.arch);
        }
        write_whole(&self.dir.join(RELEASE), text.as_bytes(), false)?;
        write_whole(&self.dir.join(ASKED), b"", false)?;
        Ok(bytes)
    }

    /// Reads the lists.
    ///
    /// # Errors
    /// They are not here, or damaged.
    pub fn load(&self) -> Result<Index> {
        let (suite, arch) = (&self.suite, &self.arch);
        let release =
            self.release().with_context(|| format!("there are no lists of packages of {suite} for {arch}"))?;
        let mut text = Vec::new();
        for (file, ..) in self.files(&release) {
            let failed = || format!("cannot read {}: remove it, and it is fetched again", file.display());
            let packed = fs::read(&file).with_context(failed)?;
            let name = file.to_string_lossy().into_owned();
            decompress(&name, std::io::Cursor::new(packed))?.read_to_end(&mut text).with_context(failed)?;
            text.extend_from_slice(b"\n");
        }
        Ok(Index::new(text))
    }
}
