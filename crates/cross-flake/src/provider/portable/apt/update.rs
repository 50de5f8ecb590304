//! apt's lists of packages: which there are, and how they are fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use anyhow::{Context, Result, anyhow};
use xshell::{Shell, cmd};

use super::{Apt, KEYRING, Scope, debian_arch};
use crate::host::child::capture;
use crate::host::signals;
use crate::provider::Download;

/// The system's directory of lists of packages that it has fetched itself.
const SYSTEMS_LISTS: &str = "/var/lib/apt/lists";

impl Apt {
    /// Returns the suites of which [`Apt::update`] has fetched the lists. A file without names is one of an earlier version, which
    /// kept other suites there.
    fn suites(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(self.folder().join("updated")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns true if the lists of these suites are here.
    pub fn is_ready(&self, suites: &[String]) -> bool {
        let known = self.suites();
        suites.iter().all(|suite| known.contains(suite))
    }

    /// Returns what the lists of packages took that were fetched.
    pub fn fetched(&self) -> Vec<Download> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the lists of packages of these suites, once. Others that are here already stay.
    ///
    /// # Errors
    /// No network, no configured mirror, or a signature that does not fit.
    pub fn update(&self, suites: &[String]) -> Result<()> {
        if self.is_ready(suites) {
            return Ok(());
        }
        let suites: BTreeSet<String> = suites.iter().cloned().chain(self.suites()).collect();
        let arch = match &self.scope {
            Scope::Machine => debian_arch()?,
            Scope::Foreign(arch) | Scope::Sysroot { arch, .. } => arch.clone(),
        };
        let folder = self.folder();
        let mirror = mirror(&self.own_suite)?;
        self.configure(&suites, &arch, &mirror).with_context(|| format!("cannot write {}", folder.display()))?;
        let lists = folder.join("state/lists");
        let is_own = matches!(self.scope, Scope::Machine) && suites.contains(&self.own_suite);
        let taken = is_own && take_systems_lists(&lists, &self.own_suite);
        let sh = self.shell()?;
        // A mirror that is being synchronised may lack one list of several: the packages of the others can be had, and the
        // next run asks again.
        let result = capture(cmd!(sh, "apt-get update --error-on=any -q"));
        let said = result.as_deref().unwrap_or_default();
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).extend(fetched_lists(said, &lists, &arch));
        if let Err(incomplete) = result {
            signals::check()?;
            // Not apt-cache's word: it also knows the packages that are installed.
            let has = |suite: &String| list_files(&lists).any(|name| name.contains(&format!("_dists_{suite}_main_")));
            let mut asked = suites.iter().filter(|suite| !(taken && **suite == self.own_suite)).peekable();
            if asked.peek().is_some() && !asked.any(has) {
                return Err(incomplete.context(
                    "cannot fetch the distribution's lists of packages, among which are the emulators; targets that \
                     this machine runs by itself, and those of level `link`, work without",
                ));
            }
            return Ok(());
        }
        let names: String = suites.iter().map(|suite| format!("{suite}\n")).collect();
        Ok(fs::write(folder.join("updated"), names)?)
    }

    /// Writes what apt reads: the sources of these suites, and where everything is.
    fn configure(&self, suites: &BTreeSet<String>, arch: &str, mirror: &str) -> Result<()> {
        let folder = self.folder();
        for sub in ["state/lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(sub))?;
        }
        let mut status = PathBuf::from("/var/lib/dpkg/status");
        // Names without an architecture mean that of the root.
        let mut native = String::new();
        let mut suite = self.own_suite.as_str();
        if let Scope::Sysroot { arch, suite: of_root } = &self.scope {
            (status, suite) = (folder.join("status"), of_root);
            native = format!("APT::Architecture \"{arch}\";\n");
            fs::write(&status, "")?;
        }
        // apt refuses to prefer a release that it has no list of.
        let preferred =
            if suites.contains(suite) { format!("APT::Default-Release \"{suite}\";\n") } else { String::new() };
        let sources: String = suites
            .iter()
            .map(|suite| format!("deb [arch={arch} signed-by={KEYRING}] {mirror} {suite} main\n"))
            .collect();
        fs::write(folder.join("sources.list"), sources)?;
        // Every setting of the machine stays in force (a proxy, say), except where things are, and except commands that would
        // run on the system's own state after an update, as docker-clean does in Debian's container images.
        let parts = folder.join("parts");
        fs::create_dir_all(&parts)?;
        for part in fs::read_dir("/etc/apt/apt.conf.d").into_iter().flatten().flatten() {
            if let Ok(text) = fs::read_to_string(part.path())
                && !text.contains("Invoke")
            {
                fs::write(parts.join(part.file_name()), text)?;
            }
        }
        let quoted = folder.display();
        let conf = format!(
            "Dir::State \"{quoted}/state\";\nDir::State::status \"{}\";\n\
             Dir::Cache \"{quoted}\";\nDir::Cache::archives \"{quoted}/archives\";\n\
             Dir::Cache::pkgcache \"pkgcache.bin\";\nDir::Cache::srcpkgcache \"\";\n\
             Dir::Etc::sourcelist \"{quoted}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
             Dir::Etc::parts \"{quoted}/parts\";\nAcquire::GzipIndexes \"true\";\n\
             {preferred}{native}\
             APT::Sandbox::User \"\";\nAPT::Architectures {{ \"{arch}\"; }};\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n",
            status.display(),
        );
        Ok(fs::write(folder.join("apt.conf"), conf)?)
    }
}

/// Returns the names of lists of packages in a directory.
fn list_files(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|name| name.contains("_Packages"))
}

/// Begins with the lists of its own release that the system has: what is still current is not fetched again. Returns true if there
/// are any.
fn take_systems_lists(lists: &Path, suite: &str) -> bool {
    let systems = Path::new(SYSTEMS_LISTS);
    let take = |name: &str| {
        let place = lists.join(name);
        // Whatever is wrong with them, apt fetches them then.
        place.exists() || fs::copy(systems.join(name), place).is_ok()
    };
    let Some(release) = release_file(systems, suite) else { return false };
    let taken = list_files(systems).filter(|name| name.contains(&format!("_dists_{suite}_main_binary-")));
    release.file_name().is_some_and(|name| take(&name.to_string_lossy())) && taken.filter(|name| take(name)).count() > 0
}

/// Returns the lists that apt says it has fetched, with their sizes, which the files of the releases tell.
fn fetched_lists(said: &str, lists: &Path, arch: &str) -> Vec<Download> {
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    // `Get:3 http://mirror/debian trixie/main amd64 Packages [9,678 kB]`
    for line in said.lines().filter(|line| line.starts_with("Get:")) {
        let words: Vec<&str> = line.split_whitespace().skip(2).collect();
        let (suite, bytes) = match words.as_slice() {
            [suite, "InRelease", ..] => {
                let release = release_file(lists, suite);
                (*suite, release.and_then(|file| fs::metadata(file).ok()).map_or(0, |m| m.len()))
            }
            [place, arch, "Packages", ..] => {
                let (suite, component) = place.split_once('/').unwrap_or((*place, "main"));
                let text =
                    release_file(lists, suite).and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
                (suite, size_of_list(&text, &format!("{component}/binary-{arch}/Packages.xz")))
            }
            _ => continue,
        };
        *sizes.entry(suite.to_owned()).or_default() += bytes;
    }
    let name = |suite| format!("lists of packages of {suite} for {arch}");
    sizes.into_iter().map(|(suite, bytes)| Download { name: name(suite), from: "Debian".into(), bytes }).collect()
}

fn release_file(lists: &Path, suite: &str) -> Option<PathBuf> {
    let end = format!("_dists_{suite}_InRelease");
    let entries = fs::read_dir(lists).into_iter().flatten().flatten();
    entries.map(|e| e.path()).find(|path| path.to_string_lossy().ends_with(&end))
}

/// Reads what a file of a release says of one of its lists: lines of hash, size and name.
fn size_of_list(release: &str, name: &str) -> u64 {
    let line = release.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let sizes = line.filter(|words| words.len() == 3 && words[2] == name);
    sizes.filter_map(|words| words[1].parse().ok()).next().unwrap_or(0)
}

/// Returns the mirror that the machine is configured with, of the release itself rather than of its security updates.
fn mirror(suite: &str) -> Result<String> {
    let sh = Shell::new()?;
    let format = "$(SITE) $(RELEASE)";
    let text = capture(cmd!(sh, "apt-get indextargets --format {format}")).context("apt cannot name its mirrors")?;
    text.lines()
        .filter_map(|l| l.split_once(' '))
        .find(|(_, release)| *release == suite)
        .map(|(site, _)| site.to_owned())
        .ok_or_else(|| anyhow!("apt has no mirror for {suite}: see /etc/apt/sources.list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_count_as_much_as_their_release_says_and_only_if_they_were_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let release = "SHA256:\n aa 50060337 main/binary-amd64/Packages\n bb 8790396 main/binary-amd64/Packages.xz\n";
        for suite in ["bookworm", "trixie"] {
            fs::write(folder.path().join(format!("mirror_debian_dists_{suite}_InRelease")), release).unwrap();
        }
        let said = "Hit:1 http://mirror/debian bookworm InRelease\n\
                    Get:2 http://mirror/debian trixie InRelease [140 kB]\n\
                    Get:3 http://mirror/debian trixie/main amd64 Packages [9678 kB]\nFetched 9.8 MB in 1s\n";
        let fetched = fetched_lists(said, folder.path(), "amd64");
        assert_eq!(fetched.len(), 1);
        assert_eq!(fetched[0].name, "lists of packages of trixie for amd64");
        assert_eq!(fetched[0].bytes, 8_790_396 + u64::try_from(release.len()).unwrap());
    }
}
