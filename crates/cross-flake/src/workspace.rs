//! The cargo workspace that is built: its members, its toolchain and what it says to cross-flake.

mod changed;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};
use serde::Deserialize;

use crate::targets::{RowSelection, StdKind, Table, Target};

/// `[workspace.metadata.cross-flake]` or `[package.metadata.cross-flake]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The rows that the workspace, or this package of it, is for.
    targets: Option<Vec<String>>,
    /// The network of the tests of the workspace, or of this package of it.
    network: Option<Network>,
    /// What `dist` does, for the workspace or for this package of it.
    dist: Option<Dist>,
}

/// `[package.metadata.cross-flake.dist]`, or the same of the workspace for packages that have none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dist {
    /// More files for the archive, or directories, relative to the package's own.
    #[serde(default)]
    pub include: Vec<String>,
    /// How a program that was unpacked is started; with `--version` if nothing is said.
    pub smoke: Option<Smoke>,
    /// The place from which users fetch archives, with `{version}` for the version; an installer is written for it.
    pub url: Option<String>,
}

/// How a program that was unpacked is started.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Smoke {
    /// With these arguments.
    With(Vec<String>),
    /// `false`: not at all.
    Started(bool),
}

/// The network that tests have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Network {
    /// The machine's.
    Shared,
    /// One of their own, with nothing in it but the loopback interface.
    Private,
}

/// The Rust toolchain that a workspace uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Its directory.
    pub sysroot: PathBuf,
    /// `1.95.0`.
    pub release: String,
    /// The commit that rustc was built from; a distribution's rustc may not know it.
    pub commit: String,
    /// The triple of the host.
    pub host: String,
}

impl Toolchain {
    /// The toolchain that `rustc` is in this directory, so that a `rust-toolchain.toml` there has its say.
    ///
    /// # Errors
    /// No rustc, or rustup does not have the toolchain that the directory asks for.
    pub fn of(folder: &Path) -> Result<Toolchain> {
        let rustc = || {
            let mut rustc = Command::new("rustc");
            rustc.current_dir(folder);
            if !std::env::current_dir().is_ok_and(|current| current.starts_with(folder)) {
                // rustup's cargo passes the choice of the current directory on; a workspace elsewhere makes its own.
                rustc.env_remove("RUSTUP_TOOLCHAIN");
            }
            rustc
        };
        Toolchain::read(rustc).with_context(|| format!("no Rust toolchain for {}", folder.display()))
    }

    /// The toolchain that this `rustc` belongs to.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn at(rustc: &Path) -> Result<Toolchain> {
        Toolchain::read(|| {
            let mut command = Command::new(rustc);
            command.env_remove("LD_LIBRARY_PATH");
            command
        })
    }

    /// From what a rustc says of itself. It answers one question at a time, so both are asked at once.
    fn read(rustc: impl Fn() -> Command) -> Result<Toolchain> {
        let ask = |args: &[&str]| -> Result<Child> {
            let mut command = rustc();
            command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let name = command.get_program().to_string_lossy().into_owned();
            command.spawn().with_context(|| format!("cannot start {name}: is Rust installed?"))
        };
        let said = |child: Child| -> Result<String> {
            let output = child.wait_with_output().context("cannot read what rustc says")?;
            if !output.status.success() {
                bail!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned());
            }
            Ok(String::from_utf8(output.stdout)?)
        };
        let (version, sysroot) = (ask(&["-vV"])?, ask(&["--print", "sysroot"]));
        let (version, sysroot) = (said(version), sysroot.and_then(said));
        let (version, sysroot) = (version?, sysroot?);
        let field =
            |name: &str| version.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
        Ok(Toolchain {
            sysroot: sysroot.trim().into(),
            release: field("release").ok_or_else(|| anyhow!("rustc -vV names no release"))?,
            commit: field("commit-hash").unwrap_or_else(|| "unknown".into()),
            host: field("host").ok_or_else(|| anyhow!("rustc -vV names no host"))?,
        })
    }

    /// A short name that differs between any two compilers whose libraries cannot be mixed.
    pub fn key(&self) -> String {
        format!("{}-{}", self.release, &self.commit[..self.commit.len().min(9)])
    }
}

/// The packages that a run is about, as the user told cargo.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// `--package`: names, names with a version, or package ids. None are given where cargo's default is meant.
    pub packages: Vec<String>,
    /// `--workspace`: all members.
    pub workspace: bool,
    /// `--exclude`: members to leave out, by name.
    pub exclude: Vec<String>,
    /// Of those that are chosen otherwise, these alone.
    pub only: Option<BTreeSet<PackageId>>,
}

impl Selection {
    /// Takes the options that choose packages out of arguments for cargo.
    pub fn take(&mut self, args: Vec<String>) -> Vec<String> {
        let mut rest = Vec::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            match name {
                "--workspace" | "--all" => self.workspace = true,
                "-p" | "--package" => self.packages.extend(value.or_else(|| args.next())),
                "--exclude" => self.exclude.extend(value.or_else(|| args.next())),
                _ => match arg.strip_prefix("-p") {
                    Some(value) if !arg.starts_with("--") => self.packages.push(value.to_owned()),
                    _ => rest.push(arg),
                },
            }
        }
        rest
    }
}

/// The directory of cargo's own configuration (The Cargo Book, "Cargo Home").
pub fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// A package as cargo's `--package` takes it, without doubt about which is meant: two packages may have one name.
pub fn spec_of(package: &Package) -> String {
    // Ids are specifications since cargo 1.77 (Package ID Specifications in The Cargo Book).
    match package.id.repr.contains(' ') {
        false => package.id.repr.clone(),
        true => format!("{}@{}", package.name, package.version),
    }
}

/// A cargo workspace.
pub struct Workspace {
    /// The answer of `cargo metadata`.
    pub metadata: Metadata,
    /// The directory in which cargo is started: the user's own, or that of the manifest that was named. Cargo reads its
    /// configuration from there, and takes the package there for the one that is meant.
    pub folder: PathBuf,
    /// The toolchain it uses.
    pub toolchain: Toolchain,
    /// The table, with the workspace's own rows.
    pub table: Table,
    settings: Settings,
}

impl Workspace {
    /// Reads the workspace of this manifest, or of the current directory.
    ///
    /// # Errors
    /// No manifest, no toolchain, or a malformed setting.
    pub fn load(manifest: Option<&Path>) -> Result<Workspace> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        let here = match manifest {
            Some(manifest) if manifest.file_name().is_some_and(|name| name == "Cargo.toml") && manifest.is_file() => {
                manifest.canonicalize().map(|manifest| manifest.parent().unwrap_or(Path::new("/")).to_owned())
            }
            Some(manifest) => {
                bail!("no manifest {}: --manifest-path takes the path of a Cargo.toml", manifest.display())
            }
            None => std::env::current_dir(),
        };
        let here = here.context("cannot find the current folder")?;
        command.current_dir(&here);
        command.env_remove("RUSTUP_TOOLCHAIN");
        // Most often this is the workspace's directory already, and cargo and rustc are asked at the same time.
        let (metadata, toolchain) = std::thread::scope(|scope| {
            let toolchain = scope.spawn(|| Toolchain::of(&here));
            (command.exec(), toolchain.join())
        });
        let metadata = metadata.map_err(|e| match e {
            cargo_metadata::Error::CargoMetadata { stderr } => anyhow!("{}", stderr.trim()),
            other => anyhow!(other),
        })?;
        let root = metadata.workspace_root.as_std_path();
        let settings = settings(&metadata.workspace_metadata)
            .with_context(|| format!("[workspace.metadata.cross-flake] in {}", root.join("Cargo.toml").display()))?;
        let toolchain = match toolchain {
            Ok(toolchain) if root == here => toolchain?,
            _ => Toolchain::of(root)?,
        };
        Ok(Workspace { toolchain, table: Table::load(root)?, settings, folder: here, metadata })
    }

    /// The workspace's directory.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Tells if the user tells cargo how many jobs it should run, in the environment or in a configuration file (The Cargo
    /// Book, "Configuration").
    pub fn chooses_jobs(&self) -> bool {
        std::env::var_os("CARGO_BUILD_JOBS").is_some() || self.configured("jobs").is_some()
    }

    /// The program that the user has cargo start in front of rustc. A path that is not absolute is meant from the directory in which
    /// `.cargo` is.
    pub fn rustc_wrapper(&self) -> Option<OsString> {
        let given = |name: &str| std::env::var_os(name);
        if let Some(wrapper) = given("RUSTC_WRAPPER").or_else(|| given("CARGO_BUILD_RUSTC_WRAPPER")) {
            // One without a value turns that of a file off.
            return Some(wrapper).filter(|wrapper| !wrapper.is_empty());
        }
        let (wrapper, folder) = self.configured("rustc-wrapper")?;
        let wrapper = wrapper.as_str().filter(|wrapper| !wrapper.is_empty())?;
        let is_path = wrapper.contains('/');
        Some(if is_path { folder.parent().unwrap_or(&folder).join(wrapper).into() } else { wrapper.into() })
    }

    /// The value of a key of `[build]` in the nearest of cargo's configuration files, and the directory of the file.
    fn configured(&self, key: &str) -> Option<(toml::Value, PathBuf)> {
        let mut folders = self.folder.ancestors().map(|folder| folder.join(".cargo")).chain(cargo_home());
        folders.find_map(|folder| {
            let of_file = |name: &str| {
                let text = std::fs::read_to_string(folder.join(name)).ok()?;
                text.parse::<toml::Table>().ok()?.get("build")?.get(key).cloned()
            };
            Some((of_file("config.toml").or_else(|| of_file("config"))?, folder))
        })
    }

    /// The `rustflags` of `[build]`, which cargo takes where no target has any.
    pub fn build_rustflags(&self) -> Vec<String> {
        match self.configured("rustflags").map(|(flags, _)| flags) {
            Some(toml::Value::Array(flags)) => {
                flags.iter().filter_map(|flag| Some(flag.as_str()?.to_owned())).collect()
            }
            Some(toml::Value::String(flags)) => flags.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// The settings of `dist` for a member.
    ///
    /// # Errors
    /// A malformed setting.
    pub fn dist(&self, package: &Package) -> Result<Dist> {
        let context = || format!("[package.metadata.cross-flake] in {}", package.manifest_path);
        let own = settings(&package.metadata).with_context(context)?.dist;
        Ok(own.or_else(|| self.settings.dist.clone()).unwrap_or_default())
    }

    /// The member with this id.
    pub fn package(&self, id: &PackageId) -> Option<&Package> {
        self.metadata.packages.iter().find(|p| p.id == *id)
    }

    /// The rows of a run that names none: those that the workspace lists, else the common ones.
    ///
    /// # Errors
    /// A setting names an unknown row.
    fn usual_targets(&self) -> Result<Vec<Target>> {
        let Some(listed) = &self.settings.targets else { return Ok(self.table.common()) };
        let rows = self.table.select(listed).with_context(|| {
            format!("[workspace.metadata.cross-flake] in {}", self.root().join("Cargo.toml").display())
        })?;
        Ok(rows.into_iter().cloned().collect())
    }

    /// The rows that `test-all-targets` means here: those that are chosen, less those that no package is for. The second list
    /// holds the latter.
    ///
    /// # Errors
    /// A setting or the choice names an unknown row, or the selection an unknown package.
    pub fn all_targets(&self, choice: &RowSelection, selection: &Selection) -> Result<(Vec<Target>, Vec<Target>)> {
        let rows = choice.choose(&self.table, || self.usual_targets())?;
        self.with_packages(rows, selection)
    }

    /// Parts the rows that packages are for from the others.
    ///
    /// # Errors
    /// See [`Workspace::packages_for`].
    pub fn with_packages(&self, rows: Vec<Target>, selection: &Selection) -> Result<(Vec<Target>, Vec<Target>)> {
        let mut applies = Vec::new();
        let mut not = Vec::new();
        for row in rows {
            if self.packages_for(&row, selection)?.is_empty() { not.push(row) } else { applies.push(row) }
        }
        Ok((applies, not))
    }

    /// The members to build for a row: those that are selected and whose metadata lists the row, or which list nothing
    /// and the row has std.
    ///
    /// With nothing selected they are cargo's own choice (the package of the directory, or the workspace's
    /// `default-members`), and in the workspace's own directory those besides that list the row.
    ///
    /// # Errors
    /// An unknown package, or a package that lists an unknown row.
    pub fn packages_for(&self, row: &Target, selection: &Selection) -> Result<Vec<&Package>> {
        let members = self.metadata.workspace_packages();
        if !selection.exclude.is_empty() && !selection.workspace {
            bail!("--exclude can only be used together with --workspace");
        }
        let named = selection.packages.iter().chain(&selection.exclude);
        for spec in named {
            if !members.iter().any(|member| is_named(member, spec)) {
                let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
                bail!("no package `{spec}` in this workspace; it has {}", names.join(", "));
            }
        }
        let is_default = |member: &Package| {
            let chosen = &self.metadata.workspace_default_members;
            // Cargo says so since 1.71.
            !chosen.is_available() || chosen.contains(&member.id)
        };
        let manifest = self.folder.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
        let at_root = manifest == Some(self.root());
        let mut packages = Vec::new();
        for member in members {
            let is_among = |specs: &[String]| specs.iter().any(|spec| is_named(member, spec));
            let context = || format!("[package.metadata.cross-flake] in {}", member.manifest_path);
            let rows = settings(&member.metadata).with_context(context)?.targets;
            let selected = match (selection.workspace, selection.packages.is_empty()) {
                (true, _) => !is_among(&selection.exclude),
                (false, false) => is_among(&selection.packages),
                (false, true) => is_default(member) || (rows.is_some() && at_root),
            };
            let wanted = match rows {
                Some(names) => self.table.select(&names).with_context(context)?.iter().any(|one| one.name == row.name),
                None => row.std == StdKind::Std || !selection.packages.is_empty(),
            };
            let is_left = selection.only.as_ref().is_none_or(|only| only.contains(&member.id));
            if selected && wanted && is_left {
                packages.push(member);
            }
        }
        Ok(packages)
    }

    /// The ids of those members whose tests want a network of their own.
    ///
    /// # Errors
    /// A malformed setting.
    pub fn private_networks(&self) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for member in self.metadata.workspace_packages() {
            let context = || format!("[package.metadata.cross-flake] in {}", member.manifest_path);
            let own = settings(&member.metadata).with_context(context)?.network;
            if own.or(self.settings.network) == Some(Network::Private) {
                ids.insert(member.id.repr.clone());
            }
        }
        Ok(ids)
    }
}

/// Tells if cargo's `--package` would mean this package by these words.
fn is_named(package: &Package, spec: &str) -> bool {
    let (name, version) = (package.name.as_str(), package.version.to_string());
    spec == name
        || spec == package.id.repr
        || [format!("{name}@{version}"), format!("{name}:{version}")].contains(&spec.to_owned())
}

fn settings(metadata: &serde_json::Value) -> Result<Settings> {
    match metadata.get("cross-flake") {
        Some(value) => Ok(Settings::deserialize(value)?),
        None => Ok(Settings::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_choose_packages_are_taken_out_of_cargos_arguments() {
        let mut selection = Selection::default();
        let line = "--lib -p a -pb --package=c --package d --exclude e --exclude=f --workspace --profile p --package-x";
        let rest = selection.take(line.split(' ').map(str::to_owned).collect());
        assert_eq!(rest, ["--lib", "--profile", "p", "--package-x"]);
        assert_eq!(selection.packages, ["a", "b", "c", "d"]);
        assert_eq!(selection.exclude, ["e", "f"]);
        assert!(selection.workspace);
    }
}
