//! pip, which knows where wheels are: the machine's own, else the distribution's, and where the machine has no Python either, one that
//! is run by its own loader over its own libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use xshell::{Cmd, Shell, cmd};

use super::archive::Archive;
use super::bundle::{Bundle, Origin};
use super::loader;
use super::programs::{library_folders, named, text};
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::{capture, which};
use crate::provider::Reason;

const PIP: &str = include_str!("../../../data/pip.py");
/// Debian's pip trusts the certificates in this file.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A way to start pip.
pub struct Pip {
    words: Vec<String>,
    /// The folder below which a Python of its own has its library.
    home: Option<String>,
}

/// Returns how to start the machine's own pip, if it has one. It is asked once.
fn machines() -> Option<&'static [String]> {
    static PIP: LazyLock<Option<Vec<String>>> = LazyLock::new(|| {
        let sh = Shell::new().ok()?;
        let lines = [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]];
        let works = |line: &&&[&str]| {
            let (program, args) = (line[0], &line[1..]);
            capture(cmd!(sh, "{program} {args...} --version")).is_ok()
        };
        lines.iter().find(works).map(|line| line.iter().map(|word| (*word).to_owned()).collect())
    });
    PIP.as_deref()
}

/// Returns what has to be there for a pip; `None` where the machine has its own.
pub fn bundle() -> Option<Bundle> {
    if machines().is_some() {
        return None;
    }
    if which("python3").is_some() {
        return Some(Bundle::new("pip", &["python3-pip-whl"], Origin::Own));
    }
    let bundle = Bundle::new("python", &["python3-pip-whl", "ca-certificates"], Origin::Apart);
    Some(Bundle { libraries: &["python3"], ..bundle })
}

/// Returns what keeps this machine from having one.
pub fn obstacle(cache: &Cache, events: &Events) -> Option<Reason> {
    let bundle = bundle().filter(|bundle| !cache.has(&bundle.folder()))?;
    let missing = if bundle.origin == Origin::Apart { "Python" } else { "pip" };
    Archive::open(cache, events).err().map(|error| Reason::new(format!("there is no {missing}, and {error:#}")))
}

impl Pip {
    /// The machine's, or the one that was fetched.
    ///
    /// # Errors
    /// What was fetched is not as expected.
    pub fn find(cache: &Cache) -> Result<Pip> {
        let Some(bundle) = bundle() else {
            return Ok(Pip { words: machines().unwrap_or_default().to_vec(), home: None });
        };
        let root = cache.path(bundle.folder());
        let wheel = named(&root.join("usr/share/python-wheels"), "pip-")
            .with_context(|| format!("{} holds no pip", root.display()))?;
        // A wheel is a zip file, and Python runs the package in it.
        let package = text(&wheel.join("pip"));
        if bundle.origin != Origin::Apart {
            return Ok(Pip { words: vec!["python3".to_owned(), package], home: None });
        }
        let loader = loader::find(&root).with_context(|| format!("{} holds no loader", root.display()))?;
        let libraries = std::env::join_paths(library_folders(&root)).context("a colon in a path")?;
        let python = root.join("usr/bin/python3");
        let mut words = vec![text(&loader), "--library-path".to_owned(), text(libraries.as_ref()), text(&python)];
        if Path::new(CERTIFICATES).exists() {
            words.push(package);
        } else {
            let script = cache.write("python/pip.py", PIP.as_bytes(), false)?;
            let named = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
            let certificates = named.map_or_else(|| certificates(cache, &root), Ok)?;
            words.extend([script, wheel, certificates].map(|path| text(&path)));
        }
        Ok(Pip { words, home: Some(text(&root.join("usr"))) })
    }

    /// A command line of pip's that ends with these words.
    pub fn command<'a>(&self, sh: &'a Shell, args: &[&str]) -> Cmd<'a> {
        let (program, rest) = self.words.split_first().expect("it is not empty");
        let line = cmd!(sh, "{program} {rest...} {args...}");
        match &self.home {
            Some(home) => line.env("PYTHONHOME", home).env("PYTHONDONTWRITEBYTECODE", "1"),
            None => line,
        }
    }
}

/// The certificates of the unpacked package in one file, as the package's own script puts them together on a machine.
fn certificates(cache: &Cache, root: &Path) -> Result<PathBuf> {
    let folder = root.join("usr/share/ca-certificates/mozilla");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        all.push(b'\n');
    }
    cache.write("python/certificates.pem", &all, false)
}
