//! The packages that others need: chosen as `apt-get install --no-install-recommends` chooses them.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};

use super::index::{Dependency, Entry, Index};

/// Packages of which to choose.
pub trait Packages {
    /// The packages of a name in the order of preference.
    ///
    /// # Errors
    /// A list cannot be read.
    fn find(&self, name: &str) -> Result<Vec<Entry>>;

    /// The packages that stand for a name, in the order of preference.
    ///
    /// # Errors
    /// A list cannot be read.
    fn providers(&self, name: &str) -> Result<Vec<Entry>>;

    /// The name of where they come from, for people.
    fn name(&self) -> String;

    /// The architecture that a name without one means.
    fn arch(&self) -> &str;
}

/// Returns these packages, and all that they need and that is not installed.
///
/// # Errors
/// There is no such package, or none of those that one needs.
pub fn closure(names: &[&str], packages: &impl Packages, installed: &Index) -> Result<Vec<Entry>> {
    let mut choice = Choice { packages, installed, chosen: BTreeMap::new() };
    for name in names {
        if installed.find(name).is_empty() && !choice.chosen.contains_key(*name) {
            let entry = choice.asked(name)?;
            choice.take(&entry)?;
        }
    }
    Ok(choice.chosen.into_values().collect())
}

struct Choice<'a, P> {
    packages: &'a P,
    installed: &'a Index,
    chosen: BTreeMap<String, Entry>,
}

impl<P: Packages> Choice<'_, P> {
    /// The package that somebody names: it, or the only one that stands for it.
    fn asked(&self, name: &str) -> Result<Entry> {
        if let Some(entry) = self.packages.find(name)?.into_iter().next() {
            return Ok(entry);
        }
        let providers = self.packages.providers(name)?;
        match <[Entry; 1]>::try_from(providers) {
            Ok([only]) => Ok(only),
            Err(none) if none.is_empty() => {
                bail!("{} has no package `{name}` for {}", self.packages.name(), self.packages.arch())
            }
            Err(several) => {
                let names: Vec<&str> = several.iter().map(|entry| entry.name.as_str()).collect();
                let (archive, arch) = (self.packages.name(), self.packages.arch());
                bail!("{archive} has no package `{name}` for {arch}: it is a name for {}", names.join(", "))
            }
        }
    }

    /// Chooses a package and what it needs.
    fn take(&mut self, entry: &Entry) -> Result<()> {
        if let Some(other) = self.chosen.get(&entry.name) {
            if other.version != entry.version {
                bail!("{} is needed in the versions {} and {}", entry.name, other.version, entry.version);
            }
            return Ok(());
        }
        self.chosen.insert(entry.name.clone(), entry.clone());
        for alternatives in entry.pre_depends.iter().chain(&entry.depends) {
            self.meet(alternatives).map_err(|error| error.context(format!("{} {}", entry.name, entry.version)))?;
        }
        Ok(())
    }

    /// Sees to it that one of several packages is there.
    fn meet(&mut self, alternatives: &[Dependency]) -> Result<()> {
        if alternatives.iter().any(|wanted| self.is_met(wanted)) {
            return Ok(());
        }
        let mut reason = None;
        for wanted in alternatives {
            for entry in self.candidates(wanted)? {
                let before = self.chosen.clone();
                match self.take(&entry) {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        reason.get_or_insert(error);
                        self.chosen = before;
                    }
                }
            }
        }
        Err(reason.unwrap_or_else(|| {
            let shown: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
            let (archive, arch) = (self.packages.name(), self.packages.arch());
            anyhow!("it needs {}, which {archive} lacks for {arch}", shown.join(" | "))
        }))
    }

    fn is_met(&self, wanted: &Dependency) -> bool {
        if !self.is_of_arch(wanted) {
            return false;
        }
        let installed = self.installed.find(&wanted.name).into_iter().any(|entry| {
            // One that is chosen takes the place of the one that is installed.
            !self.chosen.contains_key(&entry.name) && wanted.is_met_by(&entry.version)
        });
        let chosen = self.chosen.get(&wanted.name).is_some_and(|entry| wanted.is_met_by(&entry.version));
        installed
            || chosen
            || self.chosen.values().any(|entry| wanted.is_provided_by(entry))
            || self.installed.providers(&wanted.name).iter().any(|entry| wanted.is_provided_by(entry))
    }

    /// The packages that would meet a wish: the one of this name, then those that stand for it.
    fn candidates(&self, wanted: &Dependency) -> Result<Vec<Entry>> {
        if !self.is_of_arch(wanted) {
            return Ok(Vec::new());
        }
        // As apt does, only the preferred version of a package is considered.
        let own =
            self.packages.find(&wanted.name)?.into_iter().take(1).filter(|entry| wanted.is_met_by(&entry.version));
        let mut candidates: Vec<Entry> = own.collect();
        let providers = self.packages.providers(&wanted.name)?;
        candidates.extend(providers.into_iter().filter(|entry| wanted.is_provided_by(entry)));
        Ok(candidates)
    }

    fn is_of_arch(&self, wanted: &Dependency) -> bool {
        let own = self.packages.arch();
        wanted.arch.as_deref().is_none_or(|arch| ["any", "native", own].contains(&arch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(Index);

    impl Packages for List {
        fn find(&self, name: &str) -> Result<Vec<Entry>> {
            Ok(self.0.find(name))
        }

        fn providers(&self, name: &str) -> Result<Vec<Entry>> {
            Ok(self.0.providers(name))
        }

        fn name(&self) -> String {
            "Debian's trixie".to_owned()
        }

        fn arch(&self) -> &str {
            "arm64"
        }
    }

    /// Reads `name version: field; field`.
    fn index(lines: &[&str], more: &str) -> Index {
        let paragraph = |line: &&str| {
            let (name, fields) = line.split_once(": ").unwrap_or((line, ""));
            let (name, version) = name.split_once(' ').unwrap_or((name, "1"));
            let fields = fields.replace("; ", "\n");
            format!("Package: {name}\nVersion: {version}\nArchitecture: arm64\n{more}{fields}\n").replace("\n\n", "\n")
                + "\n"
        };
        Index::new(lines.iter().map(paragraph).collect::<String>().into_bytes())
    }

    fn chosen(names: &[&str], list: &[&str], installed: &[&str]) -> Result<String> {
        let installed = index(installed, "Status: install ok installed\n").only_installed("arm64");
        let entries = closure(names, &List(index(list, "")), &installed)?;
        Ok(entries.iter().map(|entry| format!("{}={}", entry.name, entry.version)).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_packages_need_comes_with_them() {
        let list = [
            "a: Pre-Depends: p; Depends: b (>= 2), c | d, v, e:any",
            "b 1",
            "b 2: Depends: a",
            "c: Depends: missing",
            "d",
            "e",
            "p",
            "q: Provides: v; Priority: optional",
            "r: Provides: v; Priority: required",
        ];
        assert_eq!(chosen(&["a"], &list, &[]).unwrap(), "a=1 b=2 d=1 e=1 p=1 r=1");
        // What is there already decides.
        assert_eq!(chosen(&["q", "a"], &list, &[]).unwrap(), "a=1 b=2 d=1 e=1 p=1 q=1");
        assert_eq!(chosen(&["a"], &list, &["d", "b 3", "p", "q: Provides: v"]).unwrap(), "a=1 e=1");
        assert_eq!(chosen(&["a"], &list, &["b 1"]).unwrap(), "a=1 b=2 d=1 e=1 p=1 r=1");
        assert_eq!(chosen(&["d"], &list, &["d"]).unwrap(), "");
    }

    #[test]
    fn what_cannot_be_had_is_named_with_whoever_needs_it() {
        let list =
            ["a: Depends: b", "b: Depends: c (>= 2) | e", "c", "v1: Provides: v", "v2: Provides: v", "w1: Provides: w"];
        let refused = |name: &str| format!("{:#}", chosen(&[name], &list, &[]).unwrap_err());
        assert_eq!(refused("a"), "a 1: b 1: it needs c (>= 2) | e, which Debian's trixie lacks for arm64");
        assert_eq!(refused("no"), "Debian's trixie has no package `no` for arm64");
        assert_eq!(refused("v"), "Debian's trixie has no package `v` for arm64: it is a name for v1, v2");
        assert_eq!(chosen(&["w"], &list, &[]).unwrap(), "w1=1");
    }
}
