//! Packages of the Debian distribution, without root: a private state for apt, and packages unpacked into the cache.
//!
//! apt checks the signatures of what it fetches against the distribution's keyring, as it does for the system.

mod update;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use xshell::{Shell, cmd};

use super::pieces::{self, Pieces};
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::capture;
use crate::host::signals;
use crate::provider::Download;

/// The file with the keys of the distribution (package debian-archive-keyring).
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Emulators that need no library of the machine and cross libraries come from here: the oldest suite that has them all.
pub const NEWER_SUITE: &str = "trixie";
/// `rust-src` stands in several versions here.
pub const BACKPORTS: &str = "trixie-backports";
/// The suites of a target's packages, whatever the machine's own release is. The second is for what a mirror lacks of the first: the
/// lists of a point release reach some before all its files do, those of rarer architectures last.
pub const SYSROOT_SUITES: [&str; 2] = [NEWER_SUITE, "bookworm"];
/// apt with a state of its own.
#[derive(Clone)]
pub struct Apt {
    cache: Cache,
    /// The codename of the machine's own release: programs from here fit the machine's libraries.
    pub own_suite: String,
    scope: Scope,
    /// The lists of packages that were fetched over the network, by this value and its clones.
    fetched: Arc<Mutex<Vec<Download>>>,
    /// Answers of [`Apt::resolve`], with their suites: every question takes apt half a second.
    known: Arc<Mutex<Vec<(String, Package)>>>,
    events: Events,
}

/// The machine for which a state of apt chooses packages.
#[derive(Clone)]
enum Scope {
    /// The machine: what is installed counts.
    Machine,
    /// The machine's own release for another architecture.
    Foreign(String),
    /// A root of its own, of this architecture and suite, in which nothing is installed.
    Sysroot { arch: String, suite: &'static str },
}

/// One package as apt would fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` among them.
    pub arch: String,
    /// Bytes to fetch.
    pub bytes: u64,
    /// Bytes of the whole.
    whole_bytes: u64,
    /// The address of the whole.
    url: String,
    /// The hash of the whole, from the signed lists.
    sha256: String,
    /// The pieces that are fetched instead of the whole.
    pieces: Option<&'static Pieces>,
}

impl Package {
    /// Returns true if less than the whole is fetched.
    pub fn is_part(&self) -> bool {
        self.pieces.is_some()
    }

    /// With only the pieces that are known of it, if any are.
    fn in_pieces(mut self) -> Package {
        let known = pieces::find(&self.name, &self.version, &self.arch);
        if let Some(pieces) = known.filter(|pieces| pieces.sha256 == self.sha256) {
            self.bytes = pieces.bytes();
            self.pieces = Some(pieces);
        }
        self
    }

    /// Without knowledge of any pieces.
    pub fn whole(self) -> Package {
        Package { bytes: self.whole_bytes, pieces: None, ..self }
    }

    /// The same version for another architecture, if its pieces are known: it lies beside this one, so no list of that
    /// architecture is needed.
    pub fn for_arch(&self, arch: &str) -> Option<Package> {
        let pieces = pieces::find(&self.name, &self.version, arch)?;
        let url = self.url.strip_suffix(&format!("_{}.deb", self.arch))?;
        Some(Package {
            arch: arch.to_owned(),
            bytes: pieces.bytes(),
            url: format!("{url}_{arch}.deb"),
            sha256: pieces.sha256.clone(),
            pieces: Some(pieces),
            ..self.clone()
        })
    }
}

impl Apt {
    /// apt on this machine.
    ///
    /// # Errors
    /// Not a Debian machine; the error says what is missing.
    pub fn open(cache: &Cache, events: &Events) -> Result<Apt> {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let field = |name: &str| {
            release
                .lines()
                .find_map(|l| l.strip_prefix(name)?.strip_prefix('='))
                .map(|v| v.trim_matches('"').to_owned())
        };
        if field("ID").as_deref() != Some("debian") {
            let name = field("PRETTY_NAME").unwrap_or_else(|| "this system".to_owned());
            bail!("emulators come from Debian's packages, and {name} is not Debian");
        }
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing: install the package debian-archive-keyring");
        }
        let own_suite =
            field("VERSION_CODENAME").ok_or_else(|| anyhow!("/etc/os-release names no VERSION_CODENAME"))?;
        Ok(Apt {
            cache: cache.clone(),
            own_suite,
            scope: Scope::Machine,
            fetched: Arc::default(),
            known: Arc::default(),
            events: events.clone(),
        })
    }

    /// The same release for another architecture, with its lists of packages fetched.
    ///
    /// # Errors
    /// See [`Apt::update`].
    pub fn of_arch(&self, arch: &str) -> Result<Apt> {
        let apt = Apt { scope: Scope::Foreign(arch.to_owned()), known: Arc::default(), ..self.clone() };
        apt.update(std::slice::from_ref(&self.own_suite))?;
        Ok(apt)
    }

    /// A root of its own for an architecture, of one of [`SYSROOT_SUITES`]. Nothing is installed there, so that [`Apt::closure`]
    /// gives the same packages on every machine.
    pub fn of_sysroot(&self, arch: &str, suite: &'static str) -> Apt {
        Apt { scope: Scope::Sysroot { arch: arch.to_owned(), suite }, known: Arc::default(), ..self.clone() }
    }

    fn folder(&self) -> PathBuf {
        self.cache.path(match &self.scope {
            Scope::Machine => "apt".to_owned(),
            Scope::Foreign(arch) => format!("apt-{arch}"),
            Scope::Sysroot { arch, suite } if *suite == SYSROOT_SUITES[0] => format!("apt-sysroot-{arch}"),
            Scope::Sysroot { arch, suite } => format!("apt-sysroot-{arch}-{suite}"),
        })
    }

    /// A shell whose apt uses the private state.
    fn shell(&self) -> Result<Shell> {
        let sh = Shell::new()?;
        sh.set_var("APT_CONFIG", self.folder().join("apt.conf"));
        sh.set_var("LC_ALL", "C");
        Ok(sh)
    }

    /// The packages of these names in a suite: `name` or `name=version` or `name:arch`.
    ///
    /// # Errors
    /// No such package.
    pub fn resolve(&self, names: &[&str], suite: &str) -> Result<Vec<Package>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let find = |name: &&str| known.iter().find(|(of, p)| of == suite && p.name == *name).map(|(_, p)| p.clone());
        if let Some(packages) = names.iter().map(find).collect() {
            return Ok(packages);
        }
        let sh = self.shell()?;
        let wanted: Vec<String> =
            names.iter().map(|n| if n.contains('=') { (*n).to_owned() } else { format!("{n}/{suite}") }).collect();
        let text = capture(cmd!(sh, "apt-get download --print-uris -q {wanted...}"))
            .with_context(|| format!("the distribution's {suite} lacks one of {}", names.join(", ")))?;
        let packages = parse_uris(&text)?;
        let found = packages.iter().filter(|p| names.contains(&p.name.as_str()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(found.map(|package| (suite.to_owned(), package.clone())));
        Ok(packages)
    }

    /// These packages and all that they need and that is not installed, as `apt-get install` would choose.
    ///
    /// # Errors
    /// No such package, or they cannot be installed together.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        let sh = self.shell()?;
        let text = capture(cmd!(
            sh,
            "apt-get install --print-uris --no-install-recommends --no-upgrade -y -q -o Debug::NoLocking=1 -o APT::Cmd::Pattern-Only=true {names...}"
        ))
        .with_context(|| format!("the distribution cannot provide {}", names.join(", ")))?;
        parse_uris(&text)
    }

    /// A package of a suite with the libraries that its programs need and that are not installed.
    ///
    /// What else it depends on by names that begin so is left out, and with it what the machine has installed of them in
    /// another version and apt would have to exchange.
    ///
    /// # Errors
    /// No such package, or its libraries cannot be installed.
    pub fn program(&self, name: &str, suite: &str, unneeded: &[&str]) -> Result<Vec<Package>> {
        let mut packages = self.resolve(&[name], suite)?;
        let Some(package) = packages.first() else { bail!("apt does not find {name} again") };
        let needed = self.dependencies(package)?;
        let needed = needed.iter().map(String::as_str).filter(|n| !unneeded.iter().any(|u| n.starts_with(u)));
        packages.extend(self.closure(&needed.collect::<Vec<_>>())?);
        Ok(packages)
    }

    /// The names of the packages that one depends on, of alternatives the first.
    ///
    /// # Errors
    /// apt fails.
    pub fn dependencies(&self, package: &Package) -> Result<Vec<String>> {
        let sh = self.shell()?;
        let version = format!("{}={}", package.name, package.version);
        let text = capture(cmd!(sh, "apt-cache show {version}"))?;
        Ok(dependencies(&text).into_iter().map(str::to_owned).collect())
    }

    /// The versions of a package in all known suites.
    ///
    /// # Errors
    /// apt fails.
    pub fn versions(&self, name: &str) -> Result<Vec<String>> {
        let sh = self.shell()?;
        let text = capture(cmd!(sh, "apt-cache madison {name}"))?;
        Ok(text.lines().filter_map(|l| Some(l.split('|').nth(1)?.trim().to_owned())).collect())
    }

    /// Fetches packages and unpacks them over each other into `folder`.
    ///
    /// # Errors
    /// No network, a hash that does not fit, or a full disk.
    pub fn unpack(&self, packages: &[Package], folder: &Path) -> Result<()> {
        self.unpack_part(packages, "", folder)
    }

    /// The same for what is below a folder of the packages, and nothing else.
    ///
    /// # Errors
    /// See [`Apt::unpack`].
    pub fn unpack_part(&self, packages: &[Package], part: &str, folder: &Path) -> Result<()> {
        let mut whole: Vec<&Package> = Vec::new();
        for package in packages {
            let Some(pieces) = package.pieces else {
                whole.push(package);
                continue;
            };
            let fetched = pieces.archive(&package.url).and_then(|mut command| extract(&mut command, part, folder));
            if let Err(error) = fetched {
                signals::check()?;
                let Package { name, version, arch, .. } = package;
                self.events.note(&format!("{name} is fetched whole, for a part cannot be had: {error:#}"));
                // The suite of the whole one is known to apt alone.
                let apt = if *arch == debian_arch()? || arch == "all" { self.clone() } else { self.of_arch(arch)? };
                let resolved = apt.resolve(&[&format!("{name}={version}")], &apt.own_suite)?;
                let resolved: Vec<Package> = resolved.into_iter().map(Package::whole).collect();
                apt.unpack_part(&resolved, part, folder)?;
            }
        }
        if whole.is_empty() {
            return Ok(());
        }
        let sh = self.shell()?;
        let scratch = self.cache.scratch()?;
        sh.change_dir(scratch.path());
        let wanted: Vec<String> = whole.iter().map(|p| format!("{}:{}={}", p.name, p.arch, p.version)).collect();
        let wanted: Vec<String> = wanted.iter().map(|w| w.replace(":all=", "=")).collect();
        capture(cmd!(sh, "apt-get download -q {wanted...}")).context("cannot fetch packages of the distribution")?;
        let mut unpacked = 0;
        for entry in fs::read_dir(scratch.path())?.flatten() {
            let deb = entry.path();
            if deb.extension().is_some_and(|e| e == "deb") {
                let mut reader = Command::new("dpkg-deb");
                extract(reader.arg("--fsys-tarfile").arg(&deb).stdin(Stdio::null()), part, folder)
                    .with_context(|| format!("cannot unpack {}", deb.display()))?;
                // Room for what is still to be unpacked.
                fs::remove_file(&deb)?;
                unpacked += 1;
            }
        }
        if unpacked != whole.len() {
            bail!("apt fetched {unpacked} of {} packages", whole.len());
        }
        Ok(())
    }
}

/// Unpacks the archive that a command writes, or what is below the folder `part` of it.
fn extract(command: &mut Command, part: &str, folder: &Path) -> Result<()> {
    let mut reader = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let archive = reader.stdout.take().context("no standard output")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--directory"]).arg(folder).stdin(archive).stderr(Stdio::piped());
    if !part.is_empty() {
        tar.arg(format!("./{part}"));
    }
    let unpacked = tar.output()?;
    let read = reader.wait_with_output()?;
    // Whichever failed first says why, and the other only that its pipe is broken.
    let ends = [(unpacked.status, unpacked.stderr), (read.status, read.stderr)];
    let failed = ends.iter().filter(|(status, _)| !status.success());
    let said: Vec<String> = failed.map(|(_, said)| String::from_utf8_lossy(said).trim().to_owned()).collect();
    if !said.is_empty() {
        signals::check()?;
        bail!("{}", said.join("\n"));
    }
    Ok(())
}

/// The machine's name among Debian's architectures.
///
/// # Errors
/// dpkg is missing.
pub fn debian_arch() -> Result<String> {
    let sh = Shell::new()?;
    Ok(capture(cmd!(sh, "dpkg --print-architecture"))?.trim().to_owned())
}

/// The names in a package's field `Depends`, of alternatives the first.
fn dependencies(shown: &str) -> Vec<&str> {
    let field = shown.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    field
        .split(',')
        .filter_map(|one| one.trim().split([' ', ':', '|']).next())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Lines as `--print-uris` prints them: `'URI' name_version_arch.deb bytes SHA256:…`.
fn parse_uris(text: &str) -> Result<Vec<Package>> {
    let mut packages = BTreeMap::new();
    for line in text.lines().filter(|l| l.starts_with('\'')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [url, file, bytes, rest @ ..] = words.as_slice() else { continue };
        let sha256 = rest.iter().find_map(|hash| hash.strip_prefix("SHA256:")).unwrap_or_default();
        let parts: Vec<&str> = file.trim_end_matches(".deb").split('_').collect();
        let [name, version, arch] = parts.as_slice() else { bail!("apt names a package oddly: {file}") };
        // An epoch's colon is written as %3a in a file name.
        let whole_bytes = bytes.parse().with_context(|| format!("apt gives no size for {file}"))?;
        let package = Package {
            name: (*name).to_owned(),
            version: version.replace("%3a", ":"),
            arch: (*arch).to_owned(),
            bytes: whole_bytes,
            whole_bytes,
            url: url.trim_matches('\'').to_owned(),
            sha256: sha256.to_owned(),
            pieces: None,
        };
        packages.insert((*file).to_owned(), package.in_pieces());
    }
    Ok(packages.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_list_of_downloads_is_read() {
        let text = "Reading package lists...\n\
                    'http://mirror/q.deb' qemu-user_1%3a10.0.2+ds-2_amd64.deb 12345 SHA256:00\n\
                    'http://mirror/l.deb' libc6-arm64-cross_2.41-12cross1_all.deb 67 SHA256:11\n";
        let packages = parse_uris(text).unwrap();
        assert_eq!(packages[1].name, "qemu-user");
        assert_eq!(packages[1].version, "1:10.0.2+ds-2");
        assert_eq!((packages[0].arch.as_str(), packages[0].bytes), ("all", 67));
    }

    #[test]
    fn what_a_package_depends_on_is_read() {
        let shown =
            "Package: q\nDepends: libaio1 (>= 0.3.93), libc6 | libc6.1, python3:any, qemu-system-common (= 1:7)\n";
        assert_eq!(dependencies(shown), ["libaio1", "libc6", "python3", "qemu-system-common"]);
        assert!(dependencies("Package: q\n").is_empty());
    }
}
