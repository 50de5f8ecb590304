//! Bundles: packages of the distribution for this machine, unpacked into a directory each.

use anyhow::Result;

use super::archive::{Archive, NEWER_SUITE, Package};
use super::loader;
use super::part::{Failures, Part, Site};
use crate::cache::Cache;
use crate::provider::Download;
use crate::targets::Target;

/// The suite of which emulators and C libraries are taken that need nothing of the machine: statically linked programs,
/// and cross libraries. Debian 13's are new enough for every row, wherever they run.
const SUITE: &str = NEWER_SUITE;

/// The one release that can run all this and whose qemu is too old: it has no Cortex-R52, and RISC-V's machines are in
/// `qemu-system-misc` there, among nineteen others, which is six times as large as the package in the backports.
const OLD_RELEASE: &str = "bookworm";

/// Packages that qemu's programs are declared to depend on and do not need without a screen, sound, and a firmware of Debian's.
const UNNEEDED: [&str; 6] = ["qemu-system-", "opensbi", "seabios", "ipxe-qemu", "qemu-efi", "u-boot-qemu"];

/// The suite with the programs of [`Origin::ProgramOfBackports`].
fn program_suite(own: &str) -> String {
    if own == OLD_RELEASE { format!("{own}-backports") } else { own.to_owned() }
}

/// Libraries need configuration, too, which is of no use here.
fn is_library(name: &str) -> bool {
    name.starts_with("lib") || name == "zlib1g"
}

/// The origin of a bundle's packages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// [`SUITE`]: what needs nothing of the machine. Of a package with pieces for this bundle (`pieces.toml`), those alone.
    Newer,
    /// The machine's own release: programs that use its libraries.
    Own,
    /// A program of the machine's own release, with the libraries that it needs and that the machine lacks.
    Program,
    /// The same; an old release has the program in its backports alone.
    ProgramOfBackports,
    /// [`SUITE`], with all that they need, whatever the machine has: it may be of another distribution.
    Apart,
    /// The machine's own release, for another architecture.
    Foreign(&'static str),
}

/// A directory of unpacked packages.
pub struct Bundle {
    /// The name of the directory in the cache.
    pub name: String,
    /// Packages of the distribution.
    pub packages: Vec<String>,
    /// A suite, a package, and the one that stands for it there.
    pub other_names: &'static [(&'static str, &'static str, &'static str)],
    /// Packages that newer releases have parted from the first one, which depends on them then.
    pub parts: &'static [&'static str],
    /// Libraries that are fetched with all that they need, unless the machine has them.
    pub libraries: &'static [&'static str],
    /// Returns true if something else in the cache makes it needless.
    pub unless: fn(&Cache) -> bool,
    /// Their origin.
    pub origin: Origin,
}

impl Bundle {
    /// These packages, in the directory of this name.
    pub fn new(name: &str, packages: &[&str], origin: Origin) -> Bundle {
        let packages = packages.iter().map(|name| (*name).to_owned()).collect();
        Bundle {
            name: name.to_owned(),
            packages,
            other_names: &[],
            parts: &[],
            libraries: &[],
            unless: |_| false,
            origin,
        }
    }

    /// Returns its directory, below the cache.
    pub fn folder(&self) -> String {
        format!("packages/{}", self.name)
    }

    /// The suites whose lists tell of its packages, for a machine of this release.
    fn suites(&self, own: &str) -> Vec<String> {
        match self.origin {
            Origin::Newer | Origin::Apart => vec![SUITE.to_owned()],
            Origin::ProgramOfBackports if own == OLD_RELEASE => vec![own.to_owned(), program_suite(own)],
            _ => vec![own.to_owned()],
        }
    }

    /// The names of its packages in a suite.
    pub fn names_in(&self, suite: &str) -> Vec<String> {
        let named = |name: &String| {
            let other = self.other_names.iter().find(|(of, package, _)| *of == suite && package == name);
            other.map_or_else(|| name.clone(), |(_, _, other)| (*other).to_owned())
        };
        self.packages.iter().map(named).collect()
    }

    /// The archive that has the packages, and the packages.
    fn resolve(&self, archive: &Archive) -> Result<(Archive, Vec<Package>)> {
        let names = self.names_in(&archive.serving(SUITE));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let packages = match self.origin {
            Origin::Newer => {
                let packages = archive.resolve(&names, SUITE)?.into_iter();
                packages.map(|package| package.for_bundle(&self.name)).collect()
            }
            Origin::Apart => {
                let apart = archive.apart(SUITE);
                let mut packages = apart.resolve(&names, SUITE)?;
                let is_needed = |name: &str| is_library(name) || self.libraries.iter().any(|l| name.starts_with(l));
                packages.extend(apart.closure(self.libraries)?.into_iter().filter(|new| is_needed(&new.name)));
                return Ok((apart, packages));
            }
            Origin::Own => {
                let mut packages = archive.resolve(&names, &archive.own_suite)?;
                if let Some(first) = packages.iter().find(|package| package.name == self.packages[0]).cloned() {
                    let is_needed = |part: &&str| first.needs.iter().any(|name| name == part);
                    let parts: Vec<&str> = self.parts.iter().copied().filter(is_needed).collect();
                    if !parts.is_empty() {
                        packages.extend(archive.resolve(&parts, &archive.own_suite)?);
                    }
                }
                if !self.libraries.is_empty() {
                    let known: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
                    let closure = archive.closure(self.libraries)?.into_iter();
                    packages.extend(closure.filter(|new| is_library(&new.name) && !known.contains(&new.name)));
                }
                packages
            }
            Origin::Program => archive.program(&self.packages[0], &archive.own_suite, &UNNEEDED)?,
            Origin::ProgramOfBackports => {
                archive.program(&self.packages[0], &program_suite(&archive.own_suite), &UNNEEDED)?
            }
            Origin::Foreign(arch) => {
                let here = archive.resolve(&names, &archive.own_suite)?;
                if let Some(packages) = here.iter().map(|package| package.for_arch(arch)).collect() {
                    return Ok((archive.clone(), packages));
                }
                let foreign = archive.of_arch(arch)?;
                let packages = foreign.resolve(&names, &foreign.own_suite)?;
                return Ok((foreign, packages));
            }
        };
        Ok((archive.clone(), packages))
    }
}

impl Part for Bundle {
    fn key(&self) -> String {
        self.folder()
    }

    fn is_here(&self, site: &Site<'_>, _: &Target) -> bool {
        site.cache.has(&self.folder()) || (self.unless)(site.cache)
    }

    fn needs(&self, site: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
        vec![site.lists(|own| self.suites(own))]
    }

    fn downloads(&self, site: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        let archive = site.archive()?;
        let lists = archive.fetched().len();
        let (_, packages) = self.resolve(&archive)?;
        let bytes = packages.iter().map(|p| p.bytes).sum();
        let version = packages.first().map(|p| p.version.clone());
        let part = if packages.iter().any(Package::is_part) { ", in part" } else { "" };
        let name = format!("{} {}{part}", self.name, version.unwrap_or_default());
        let mut downloads = vec![Download { name, from: "Debian".into(), bytes }];
        // Those of another architecture are fetched only now.
        downloads.extend(archive.fetched().split_off(lists));
        Ok(downloads)
    }

    /// One after another, in the order of the rows: the network is no faster for several.
    fn lane(&self) -> Option<&'static str> {
        Some("packages")
    }

    fn install(&self, site: &Site<'_>, _: &[&Target]) -> Result<Failures> {
        let archive = site.archive()?;
        site.install(&self.name, &format!("fetching {}", self.name), &self.folder(), |new| {
            let (archive, packages) = self.resolve(&archive)?;
            archive.unpack(&packages, new)?;
            loader::use_own(new, &site.cache.path(self.folder()))
        })
    }
}
