//! Packages of the distribution for a target, unpacked with all that they depend on into a root of their own.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use xshell::{Shell, cmd};

use super::apt::{Apt, SYSROOT_SUITE};
use super::capture;
use crate::cache::Cache;
use crate::events::{Events, human_bytes};
use crate::targets::Target;

/// The file in a root that says what was asked for.
const MARK: &str = ".cross-flake-sysroot";

/// A wish for packages.
pub struct Sysroot {
    target: String,
    arch: String,
    packages: Vec<String>,
}

impl Sysroot {
    /// These packages for a row.
    ///
    /// # Errors
    /// The row has no architecture of Debian, or a name is none.
    pub fn new(target: &Target, packages: &[String]) -> Result<Sysroot> {
        let Some(arch) = target.debian.clone() else {
            bail!("{target} has no packages: its row in targets.toml names no architecture in the field `debian`");
        };
        if let Some(wrong) = packages.iter().find(|name| !is_name(name)) {
            bail!("`{wrong}` is no name of a package of Debian");
        }
        let mut packages = packages.to_vec();
        packages.sort();
        packages.dedup();
        Ok(Sysroot { target: target.name.clone(), arch, packages })
    }

    /// What [`MARK`] holds.
    fn mark(&self) -> String {
        format!("{} {}\n{}\n", self.arch, SYSROOT_SUITE, self.packages.join("\n"))
    }

    /// The root in the cache, fetched if it is not there.
    ///
    /// # Errors
    /// Not Debian, no network, or a package that the distribution lacks.
    pub fn provide(&self, cache: &Cache, events: &Events) -> Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        self.mark().hash(&mut hasher);
        let name = format!("sysroots/{}-{:016x}", self.arch, hasher.finish());
        if cache.has(&name) {
            return Ok(cache.path(name));
        }
        let _lock = cache.lock(|| events.note("waiting for another run that is setting up"))?;
        // Whoever held the lock may have wanted the same.
        cache.install(&name, |new| {
            let apt = Apt::open(cache, events)?;
            let apt = apt.of_sysroot(&self.arch);
            let suites = [SYSROOT_SUITE.to_owned()];
            if !apt.is_ready(&suites) {
                let doing = format!("fetching Debian's lists of packages for {}", self.arch);
                events.step("lists", &doing, || apt.update(&suites))?;
            }
            let names: Vec<&str> = self.packages.iter().map(String::as_str).collect();
            let packages = apt.closure(&names).map_err(|error| self.explain(error))?;
            let bytes = human_bytes(packages.iter().map(|p| p.bytes).sum());
            let doing = format!("fetching {} packages for {}, {bytes}", packages.len(), self.target);
            events.step("packages", &doing, || apt.unpack(&packages, new))?;
            merge_usr(new)?;
            make_relative(new, new)?;
            Ok(fs::write(new.join(MARK), self.mark())?)
        })
    }

    /// Puts a copy of the root at `into`, which is not there yet or is an earlier copy.
    ///
    /// # Errors
    /// See [`Sysroot::provide`]; or something else is at `into`, or it cannot be written.
    pub fn copy(&self, cache: &Cache, into: &Path, events: &Events) -> Result<()> {
        let mark = fs::read_to_string(into.join(MARK)).ok();
        if mark.as_deref() == Some(&*self.mark()) {
            return Ok(());
        }
        let is_free = mark.is_some() || fs::read_dir(into).map_or(!into.exists(), |mut rows| rows.next().is_none());
        if !is_free {
            bail!("{} is in the way: it is there and is no sysroot of cross-flake", into.display());
        }
        let root = self.provide(cache, events)?;
        let failed = || format!("cannot write {}", into.display());
        let into = std::path::absolute(into).with_context(failed)?;
        let beside = into.parent().with_context(failed)?;
        fs::create_dir_all(beside).with_context(failed)?;
        // Beside its place, so that it appears there whole.
        let scratch = tempfile::tempdir_in(beside).with_context(failed)?;
        let new = scratch.path().join("new");
        let sh = Shell::new()?;
        capture(cmd!(sh, "cp -a --reflink=auto {root} {new}")).with_context(failed)?;
        if into.exists() {
            fs::rename(&into, scratch.path().join("old")).with_context(failed)?;
        }
        fs::rename(&new, &into).with_context(failed)
    }

    /// apt's words for a package that it does not know are in the middle of a long line of ours.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let said = format!("{error:#}");
        let unknown: Vec<&String> = self.packages.iter().filter(|name| is_unknown(&said, name)).collect();
        match unknown.first() {
            Some(name) => anyhow!("Debian's {SYSROOT_SUITE} has no package `{name}` for {}", self.arch),
            None => error,
        }
    }
}

/// Whether apt says that it lacks this package.
fn is_unknown(said: &str, name: &str) -> bool {
    let ends = [format!("Unable to locate package {name}"), format!("Package '{name}' has no installation candidate")];
    said.lines().any(|line| ends.iter().any(|end| line.trim_end().ends_with(end)))
}

/// Debian's rule for names (Debian Policy, 5.6.7). apt would take a `-` at the end for a wish to remove the package.
fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    first && rest && name.len() > 1 && !name.ends_with('-')
}

/// Gives the root the links from /lib to /usr/lib and so on, which are in no package but that of the base system.
fn merge_usr(root: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64"] {
        let (link, folder) = (root.join(name), Path::new("usr").join(name));
        if root.join(&folder).is_dir() && fs::symlink_metadata(&link).is_err() {
            symlink(&folder, &link).with_context(|| format!("cannot write {}", link.display()))?;
        }
    }
    Ok(())
}

/// Makes links to absolute places relative: they mean places below the root, and not those of this machine.
fn make_relative(root: &Path, folder: &Path) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let kind = fs::symlink_metadata(&path).with_context(failed)?.file_type();
        if kind.is_dir() {
            make_relative(root, &path)?;
        } else if kind.is_symlink() {
            let to = fs::read_link(&path).with_context(failed)?;
            if let Ok(below) = to.strip_prefix("/") {
                let depth = folder.strip_prefix(root).map_or(0, |p| p.components().count());
                let up: PathBuf = std::iter::repeat_n(Component::ParentDir, depth).collect();
                fs::remove_file(&path)
                    .and_then(|()| symlink(up.join(below), &path))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_package_is_not_an_option_nor_a_pattern() {
        for name in ["zlib1g", "g++", "libstdc++6", "python3.13-minimal", "0ad"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-y", "zlib1g-", "zlib*", "Zlib", "zlib1g=1", "zlib1g:arm64", "a/b", "a"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn what_apt_lacks_is_found_in_what_it_says() {
        assert!(is_unknown("`apt-get …` failed\nE: Unable to locate package nosuch\n", "nosuch"));
        assert!(is_unknown("E: Package 'awk' has no installation candidate", "awk"));
        assert!(!is_unknown("E: Unable to locate package nosuch2", "nosuch"));
    }

    #[test]
    fn a_root_has_the_links_of_a_merged_usr_and_none_to_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/lib/x")).unwrap();
        fs::write(root.join("usr/lib/x/real"), "text").unwrap();
        symlink("/usr/lib/x/real", root.join("usr/lib/x/link")).unwrap();
        symlink("real", root.join("usr/lib/x/near")).unwrap();
        merge_usr(root).unwrap();
        make_relative(root, root).unwrap();
        assert_eq!(fs::read_link(root.join("lib")).unwrap(), Path::new("usr/lib"));
        assert!(fs::symlink_metadata(root.join("bin")).is_err());
        assert_eq!(fs::read_link(root.join("usr/lib/x/link")).unwrap(), Path::new("../../../usr/lib/x/real"));
        assert_eq!(fs::read_to_string(root.join("lib/x/link")).unwrap(), "text");
        assert_eq!(fs::read_link(root.join("usr/lib/x/near")).unwrap(), Path::new("real"));
    }
}
