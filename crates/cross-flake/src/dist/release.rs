//! One release: its packages, and the archives that are made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use super::archive::{self, Form, Written};
use super::contents::{Contents, Entry, kind_of};
use super::evidence::{Evidence, Known};
use super::manifest::{Artifact, Asset, Manifest, Proof};
use super::sbom::Bill;
use super::symbols::{self, Parted};
use super::{Origin, installer, smoke, universal};
use crate::cache::write_whole;
use crate::environment::Environment;
use crate::outcome::{BuiltProgram, Outcome, Status};
use crate::provider::Prepared;
use crate::targets::{Level, StdKind};
use crate::workspace::{Smoke, Workspace};

/// The manifest's word for an archive of programs.
const PROGRAMS: &str = "executable-zip";
/// The manifest's word for a program.
const EXECUTABLE: &str = "executable";

/// What a release is made of.
pub struct Release<'a> {
    /// The sources.
    pub origin: Origin,
    /// The folder of the archives.
    pub out: PathBuf,
    /// The profile of cargo's.
    pub profile: String,
    /// The workspace.
    pub workspace: &'a Workspace,
    packages: Vec<Packed<'a>>,
}

/// A package with programs.
struct Packed<'a> {
    package: &'a Package,
    contents: Contents,
    /// The arguments with which an unpacked program is started; none if it is not.
    smoke: Option<Vec<String>>,
    /// The place that users fetch archives from.
    url: Option<String>,
}

/// A row whose programs are to be packed.
pub struct Fit<'a> {
    /// The row and its environment.
    pub row: &'a Prepared,
    /// Its programs.
    pub made: &'a Outcome,
    /// Its tests.
    pub tested: &'a Outcome,
    /// Its programs are started before their archive gets its name.
    pub starts: bool,
}

impl<'a> Release<'a> {
    /// Finds what goes with the programs of these packages, and where they come from.
    ///
    /// # Errors
    /// There is no program, two have one name, or a licence is missing; and see [`Origin::of`].
    pub fn of(
        workspace: &'a Workspace,
        packages: &[&'a Package],
        profile: String,
        out: PathBuf,
        allow_dirty: bool,
    ) -> Result<Release<'a>> {
        if packages.is_empty() {
            bail!("no package here has a program to pack: name one with -p");
        }
        let mut programs: BTreeMap<&str, &str> = BTreeMap::new();
        for package in packages {
            for program in package.targets.iter().filter(|target| target.is_bin()) {
                if let Some(other) = programs.insert(&program.name, &package.name) {
                    bail!("two packages have a program {}: {other} and {}; choose with -p", program.name, package.name);
                }
            }
        }
        let origin = Origin::of(workspace.root(), packages, allow_dirty)?;
        let packed = |package: &&'a Package| {
            let settings = workspace.dist(package)?;
            let smoke = match settings.smoke {
                Some(Smoke::With(args)) => Some(args),
                Some(Smoke::Started(false)) => None,
                Some(Smoke::Started(true)) | None => Some(vec!["--version".to_owned()]),
            };
            anyhow::Ok(Packed { package, contents: Contents::of(workspace, package)?, smoke, url: settings.url })
        };
        let packages = packages.iter().map(packed).collect::<Result<_>>()?;
        Ok(Release { origin, out, profile, workspace, packages })
    }

    /// Returns the packages.
    pub fn packages(&self) -> Vec<&'a Package> {
        self.packages.iter().map(|packed| packed.package).collect()
    }

    /// Packs the programs of a row and, if they are to be, starts them from the archive, which gets its own name after that. Returns the
    /// reason if one of them fails, and the archives' names.
    ///
    /// # Errors
    /// An archive cannot be written.
    pub fn pack(
        &self,
        fit: &Fit<'_>,
        evidence: &Evidence,
        manifest: &mut Manifest,
    ) -> Result<std::result::Result<Vec<String>, String>> {
        let mut names = Vec::new();
        for packed in &self.packages {
            let is_own = |program: &&BuiltProgram| program.package == packed.contents.package;
            let built: Vec<&BuiltProgram> = fit.made.built.iter().filter(is_own).collect();
            if built.is_empty() {
                continue;
            }
            match self.pack_one(packed, &built, fit, evidence, manifest)? {
                Ok(name) => names.push(name),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(names))
    }

    fn pack_one(
        &self,
        packed: &Packed<'_>,
        built: &[&BuiltProgram],
        fit: &Fit<'_>,
        evidence: &Evidence,
        manifest: &mut Manifest,
    ) -> Result<std::result::Result<String, String>> {
        let (target, contents) = (&fit.row.target, &packed.contents);
        let known = evidence.of(&target.name, &contents.package);
        let holds_list = |program: &&BuiltProgram| known.map_or(Ok(()), |known| known.check(&program.file));
        if let Err(error) = built.iter().try_for_each(holds_list) {
            return Ok(Err(format!("{error:#}")));
        }
        fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        let directory = tempfile::tempdir_in(&self.out).context("cannot make a directory")?;
        let has_pdb = evidence.has_debug_information(&target.name);
        let Parted { programs, symbols } = symbols::part(built, has_pdb, &self.workspace.toolchain, directory.path())?;
        let (form, folder) = (Form::of(target), folder_of(contents, &target.triple));
        let entries = [programs.clone(), contents.entries.clone()].concat();
        let archive = self.archive(directory.path(), form, &folder, &entries)?;
        let mut started_by = None;
        let is_started = fit.starts && target.level == Level::Run && target.std == StdKind::Std;
        if let Some(args) = packed.smoke.as_ref().filter(|_| is_started) {
            let file = directory.path().join(&archive.name);
            let smoke = smoke::start(&file, form, &folder, &programs, args, fit.row)?;
            if let Some(failure) = smoke.failure {
                return Ok(Err(failure));
            }
            started_by = Some(smoke.by);
        }
        let proof = Proof { bytes: archive.bytes, ..proof(fit, started_by, known.is_some_and(Known::is_inside)) };
        let artifact = Artifact {
            target_triples: vec![target.triple.clone()],
            assets: assets(&programs, &entries),
            proof: Some(proof),
            ..Artifact::new(archive.name.clone(), PROGRAMS, archive.sha256.clone())
        };
        self.keep(directory.path(), &archive.name)?;
        manifest.add(&contents.package, &contents.version, artifact);
        if !symbols.is_empty() {
            let more = self.archive(directory.path(), form, &format!("{folder}-symbols"), &symbols)?;
            self.keep(directory.path(), &more.name)?;
            let artifact = Artifact {
                target_triples: vec![target.triple.clone()],
                assets: assets(&[], &symbols),
                ..Artifact::new(more.name, "symbols", more.sha256)
            };
            manifest.add(&contents.package, &contents.version, artifact);
        }
        if let Some(known) = known {
            let (rust, time) = (&self.workspace.toolchain.release, self.origin.time);
            let bill = Bill { archive: &folder, dependencies: &known.dependencies, rust, time };
            for (suffix, bill) in [("cdx", bill.cyclone_dx()), ("spdx", bill.spdx())] {
                let text = serde_json::to_string_pretty(&bill)? + "\n";
                self.add(manifest, contents, &format!("{folder}.{suffix}.json"), "sbom", &text, Some(&target.triple))?;
            }
        }
        Ok(Ok(archive.name))
    }

    /// Adds what is made of several archives: programs for both processors of macOS, and installers. Returns the files' names.
    ///
    /// # Errors
    /// One cannot be made or written.
    pub fn pack_for_all(&self, manifest: &mut Manifest) -> Result<Vec<String>> {
        Ok([self.pack_universal(manifest)?, self.write_installers(manifest)?].concat())
    }

    /// Merges the programs for macOS's two processors, where both are packed. Returns the archives' names.
    ///
    /// # Errors
    /// They cannot be merged, or an archive cannot be written.
    fn pack_universal(&self, manifest: &mut Manifest) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for Packed { contents, .. } in &self.packages {
            let folders = universal::PARTS.map(|triple| folder_of(contents, triple));
            let known =
                folders.each_ref().map(|folder| manifest.artifacts.get(&format!("{folder}.{}", Form::Tar.suffix())));
            let [Some(one), Some(other)] = known else { continue };
            let directory = tempfile::tempdir_in(&self.out).context("cannot make a directory")?;
            let mut programs = Vec::new();
            for (artifact, folder) in [one, other].into_iter().zip(&folders) {
                archive::unpack(&self.out.join(&artifact.name), Form::Tar, directory.path())?;
                let own = artifact.assets.iter().filter(|asset| asset.kind == EXECUTABLE);
                let entry = |asset: &Asset| symbols::entry(&directory.path().join(folder).join(&asset.path));
                programs.push(own.map(entry).collect::<Vec<_>>());
            }
            let proof = other.proof.clone();
            let merged = universal::merge([&programs[0], &programs[1]], directory.path())?;
            let folder = folder_of(contents, universal::TRIPLE);
            let entries = [merged.clone(), contents.entries.clone()].concat();
            let archive = self.archive(directory.path(), Form::Tar, &folder, &entries)?;
            self.keep(directory.path(), &archive.name)?;
            let artifact = Artifact {
                target_triples: vec![universal::TRIPLE.to_owned()],
                assets: assets(&merged, &entries),
                proof: proof.map(|proof| Proof { bytes: archive.bytes, target: "macos".to_owned(), ..proof }),
                ..Artifact::new(archive.name.clone(), PROGRAMS, archive.sha256)
            };
            manifest.add(&contents.package, &contents.version, artifact);
            names.push(archive.name);
        }
        Ok(names)
    }

    /// Writes an installer for each package that says where its archives will be. Returns their names.
    ///
    /// # Errors
    /// One cannot be written.
    fn write_installers(&self, manifest: &mut Manifest) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for Packed { package, contents, url, .. } in &self.packages {
            let programs: Vec<&str> =
                package.targets.iter().filter(|target| target.is_bin()).map(|target| target.name.as_str()).collect();
            let script = url.as_ref().and_then(|url| installer::script(manifest, &contents.package, url, &programs));
            if let Some(script) = script {
                let name = format!("{}-install.sh", contents.package);
                self.add(manifest, contents, &name, "installer", &script, None)?;
                names.push(name);
            }
        }
        Ok(names)
    }

    fn archive(&self, directory: &Path, form: Form, folder: &str, entries: &[Entry]) -> Result<Written> {
        archive::write(&directory.join(format!("{folder}.{}", form.suffix())), form, folder, entries, self.origin.time)
    }

    /// Gives a file its place.
    fn keep(&self, directory: &Path, name: &str) -> Result<()> {
        let to = self.out.join(name);
        fs::rename(directory.join(name), &to).with_context(|| format!("cannot write {}", to.display()))
    }

    /// Writes a file that goes with the archives.
    fn add(
        &self,
        manifest: &mut Manifest,
        contents: &Contents,
        name: &str,
        kind: &str,
        text: &str,
        triple: Option<&str>,
    ) -> Result<()> {
        write_whole(&self.out.join(name), text.as_bytes(), false)?;
        let artifact = Artifact {
            target_triples: triple.into_iter().map(str::to_owned).collect(),
            ..Artifact::new(name.to_owned(), kind, archive::sha256(text.as_bytes()))
        };
        manifest.add(&contents.package, &contents.version, artifact);
        Ok(())
    }
}

/// The one folder of an archive, which is its name without the suffix.
fn folder_of(contents: &Contents, triple: &str) -> String {
    format!("{}-{}-{triple}", contents.package, contents.version)
}

fn assets(programs: &[Entry], entries: &[Entry]) -> Vec<Asset> {
    let programs: BTreeSet<&str> = programs.iter().map(|entry| entry.path.as_str()).collect();
    let asset = |entry: &Entry| Asset {
        name: entry.path.rsplit('/').next().unwrap_or_default().to_owned(),
        path: entry.path.clone(),
        kind: if programs.contains(entry.path.as_str()) { EXECUTABLE } else { kind_of(&entry.path) }.to_owned(),
    };
    entries.iter().map(asset).collect()
}

/// What is known of a row, but for the archive's size.
fn proof(fit: &Fit<'_>, started_by: Option<String>, lists_packages: bool) -> Proof {
    let environment: Option<&Environment> = fit.row.environment.as_ref().ok();
    let is_tested = fit.tested.status == Status::Passed;
    Proof {
        target: fit.row.target.name.clone(),
        bytes: 0,
        tested: is_tested,
        tests: fit.tested.tests,
        runner: fit.tested.runner.clone(),
        started_by,
        glibc: environment.and_then(|environment| environment.glibc.clone()),
        std: environment.and_then(|environment| environment.std),
        auditable: lists_packages,
        reason: fit.tested.reason.clone().filter(|_| !is_tested),
    }
}
