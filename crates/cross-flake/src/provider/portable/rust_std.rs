//! Rust's own libraries for a target: the toolchain's, else rustup's, else built from their source, once for each
//! compiler and target.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::Message;
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use super::archive::{Archive, Package};
use super::{toolchain, wasi};
use crate::cache::Cache;
use crate::events::{Event, Events};
use crate::host::capacity;
use crate::host::child::capture;
use crate::host::child::clean_command;
use crate::host::signals;
use crate::provider::Download;
use crate::targets::{StdKind, Target};
use crate::workspace::Toolchain;

/// The variable that says where std comes from: `auto` (the default), `rustup` or `source`.
pub const VARIABLE: &str = "CROSS_FLAKE_STD";

/// The package that is built: it depends on all of a target's libraries.
const PACKAGE: &str = "cross-flake-sysroot";

/// The libraries of one toolchain.
pub struct RustStd {
    cache: Cache,
    toolchain: Toolchain,
}

impl RustStd {
    /// The libraries of this toolchain.
    pub fn new(cache: &Cache, toolchain: &Toolchain) -> RustStd {
        RustStd { cache: cache.clone(), toolchain: toolchain.clone() }
    }

    /// Where the toolchain itself keeps a target.
    fn own(&self, target: &Target) -> PathBuf {
        self.toolchain.sysroot.join("lib/rustlib").join(&target.triple)
    }

    /// The folder of all libraries that were built for this toolchain.
    fn built_root(&self) -> PathBuf {
        self.cache.path("std").join(self.toolchain.key())
    }

    /// The name of a built target's folder in the cache. A custom target's also depends on its specification.
    fn built_name(&self, target: &Target) -> String {
        let suffix = target.spec.as_deref().map(spec_key).unwrap_or_default();
        format!("std/{}/{}{suffix}", self.toolchain.key(), target.triple)
    }

    /// What `lib/rustlib/<target>` should be: the toolchain's own folder, else a built one.
    pub fn folder(&self, target: &Target) -> Option<PathBuf> {
        let own = self.own(target);
        if target.spec.is_none() && has_library(&own.join("lib"), target) {
            return Some(own);
        }
        let built = self.cache.path(self.built_name(target));
        has_library(&built.join("lib"), target).then_some(built)
    }

    /// Whether nothing has to be fetched or built.
    pub fn has(&self, target: &Target) -> bool {
        self.folder(target).is_some()
    }

    /// Every folder that was built for this toolchain: the name below `rustlib`, and the folder.
    pub fn built(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.built_root()).into_iter().flatten().flatten();
        entries
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
            .filter(|(name, path)| name != "build" && path.is_dir())
            .map(|(name, path)| (name.split('@').next().unwrap_or_default().to_owned(), path))
            .collect()
    }

    /// The folder with the source as it is built: `library`, in which std is no shared library.
    fn source_name(&self) -> String {
        format!("rust-src/{}-rlib", self.toolchain.release)
    }

    /// The source that rustup's component rust-src brings.
    fn component(&self) -> Option<PathBuf> {
        let library = self.toolchain.sysroot.join("lib/rustlib/src/rust/library");
        library.join("vendor").is_dir().then_some(library)
    }

    /// Whether building what these rows lack takes the source, and the source has to be fetched.
    pub fn needs_source(&self, targets: &[Target]) -> bool {
        let has_source = || self.component().is_some() || self.cache.has(&self.source_name());
        targets.iter().any(|t| !self.has(t)) && !has_source()
    }

    /// Whether nothing but the distribution's packages can bring a row's libraries.
    pub fn needs_packages(&self, target: &Target) -> bool {
        let by_rustup = std::env::var(VARIABLE).map_or(true, |choice| choice != "source") && self.of_rustup().is_ok();
        self.needs_source(std::slice::from_ref(target)) && !(by_rustup && target.spec.is_none())
    }

    /// The distribution's package with the source of exactly this compiler.
    ///
    /// # Errors
    /// It has none.
    pub fn source_package(&self, apt: &Archive) -> Result<Package> {
        let release = &self.toolchain.release;
        let versions = apt.versions("rust-src")?;
        let fits = |v: &&String| v.split(['+', '~', '-']).next() == Some(release.as_str());
        let version = versions.iter().find(fits).ok_or_else(|| {
            anyhow!(
                "no source of Rust {release}'s std: the distribution's rust-src is {}\n\
                 `rustup component add rust-src` or `rustup target add TRIPLE` may have it",
                if versions.is_empty() { "missing".to_owned() } else { versions.join(", ") }
            )
        })?;
        let package = apt.resolve(&[&format!("rust-src={version}")], &apt.own_suite)?;
        package.into_iter().next().context("the lists of packages lack rust-src now")
    }

    /// What fetching the source would take.
    ///
    /// # Errors
    /// A list of packages cannot be read.
    pub fn source_download(&self, apt: &Archive) -> Result<Option<Download>> {
        Ok(self.source_package(apt).ok().map(|package| Download {
            name: format!(
                "source of Rust {}'s std{}",
                self.toolchain.release,
                if package.is_part() { ", in part" } else { "" }
            ),
            from: "Debian".into(),
            bytes: package.bytes,
        }))
    }

    /// Makes the libraries of these targets available; `failed` hears of each row for which that is not possible. `compiler`
    /// waits for zig and gives the folder with a dlltool for Windows, which is zig's; it is asked once the source is here.
    ///
    /// # Errors
    /// Neither rustup nor the distribution has any of them.
    pub fn provide(
        &self,
        targets: &[&Target],
        compiler: impl FnOnce() -> Result<PathBuf>,
        lists: impl FnOnce() -> Result<Archive>,
        events: &Events,
        failed: impl Fn(String, String),
    ) -> Result<()> {
        let choice = std::env::var(VARIABLE).unwrap_or_else(|_| "auto".to_owned());
        let mut wanted: Vec<&Target> = targets.to_vec();
        match choice.as_str() {
            "source" => {}
            "auto" | "rustup" => {
                let added = self.add_with_rustup(&wanted, events);
                if choice == "rustup" {
                    added?;
                } else if let Err(error) = added {
                    events.note(&format!(
                        "std is built from source: {}",
                        error.to_string().lines().next().unwrap_or_default()
                    ));
                }
                wanted.retain(|t| !self.has(t));
            }
            other => bail!("{VARIABLE}={other}: expected auto, rustup or source"),
        }
        if wanted.is_empty() {
            return Ok(());
        }
        signals::check()?;
        let source = self.source(lists, events)?;
        let tools = compiler()?;
        signals::check()?;
        self.build(&source, &wanted, &tools, events, failed)
    }

    /// The name by which rustup knows the toolchain, if it is rustup's and this user may change it.
    fn of_rustup(&self) -> Result<&OsStr> {
        let sysroot = &self.toolchain.sysroot;
        let toolchains = sysroot.parent().filter(|p| p.ends_with("toolchains"));
        let (Some(_), Some(name)) = (toolchains, sysroot.file_name()) else {
            bail!("{} is not a toolchain of rustup's", sysroot.display());
        };
        if nix::unistd::access(sysroot, nix::unistd::AccessFlags::W_OK).is_err() {
            bail!("{} may not be changed by this user", sysroot.display());
        }
        Ok(name)
    }

    /// Asks rustup for prebuilt libraries, where the toolchain is rustup's and may be written.
    fn add_with_rustup(&self, targets: &[&Target], events: &Events) -> Result<()> {
        let name = self.of_rustup()?;
        let sh = Shell::new()?;
        let known = capture(cmd!(sh, "rustup target list --toolchain {name}"))?;
        let known: HashSet<&str> = known.lines().filter_map(|l| l.split_whitespace().next()).collect();
        let triples: Vec<&str> = targets
            .iter()
            .filter(|t| t.spec.is_none())
            .map(|t| t.triple.as_str())
            .filter(|t| known.contains(t))
            .collect();
        if triples.is_empty() {
            return Ok(());
        }
        let doing = format!("rustup target add, for {} targets", triples.len());
        events.step("std", &doing, || capture(cmd!(sh, "rustup target add --toolchain {name} {triples...}")).map(drop))
    }

    /// The folder `library` of Rust's source, in which std is no shared library, so that building it needs no linker.
    fn source(&self, lists: impl FnOnce() -> Result<Archive>, events: &Events) -> Result<PathBuf> {
        let name = self.source_name();
        if self.cache.has(&name) {
            return Ok(self.cache.path(name));
        }
        if let Some(component) = self.component() {
            // It is rustup's, so a copy is what changes.
            return self.cache.install(&name, |new| {
                let sh = Shell::new()?;
                capture(cmd!(sh, "cp --recursive --reflink=auto {component}/. {new}"))?;
                without_dylib(new)
            });
        }
        let apt = lists()?;
        let package = self.source_package(&apt)?;
        let doing = format!("fetching the source of Rust {}'s std", self.toolchain.release);
        events.step("std", &doing, || {
            self.cache.install(&name, |new| {
                // The package holds the compiler's source, too, which is six times as large.
                let library = format!("usr/src/rustc-{}/library", self.toolchain.release);
                let scratch = self.cache.scratch()?;
                apt.unpack_part(&[package], &library, scratch.path())?;
                let library = scratch.path().join(library);
                for entry in fs::read_dir(&library).with_context(|| format!("cannot read {}", library.display()))? {
                    let entry = entry?;
                    fs::rename(entry.path(), new.join(entry.file_name()))?;
                }
                without_dylib(new)
            })
        })
    }

    /// Builds std, or core and alloc, for all these targets in one cargo invocation.
    fn build(
        &self,
        source: &Path,
        targets: &[&Target],
        tools: &Path,
        events: &Events,
        failed: impl Fn(String, String),
    ) -> Result<()> {
        let sh = Shell::new()?;
        let build = self.built_root().join("build");
        let _ = fs::remove_dir_all(&build);
        // Rows may share a triple, and the library that has more serves both.
        let mut distinct: Vec<&Target> = Vec::new();
        for target in targets {
            match distinct.iter_mut().find(|known| known.triple == target.triple) {
                Some(known) if target.std == StdKind::Std => *known = target,
                Some(_) => {}
                None => distinct.push(target),
            }
        }
        let (rows, targets) = (targets, &distinct[..]);
        let package = build.join("package");
        let library = sh.read_file(source.join("Cargo.toml"))?;
        let manifest = manifest(targets, source, &library).context("cannot read the manifest of Rust's library")?;
        sh.write_file(package.join("Cargo.toml"), manifest)?;
        sh.write_file(package.join("src/lib.rs"), "#![feature(no_core)]\n#![no_core]\n")?;
        sh.copy_file(source.join("Cargo.lock"), package.join("Cargo.lock"))?;
        let mut command = self.cargo(&package, &build.join("target"), source);
        // rustc looks for `<arch>-w64-mingw32-dlltool` there.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).context("cannot form PATH")?);
        let specs = build.join("specs");
        for target in targets {
            command.args(["--target", &target.triple]);
            let mut flags = self.rustflags(source);
            if let Some(spec) = &target.spec {
                sh.create_dir(&specs)?;
                sh.copy_file(spec, specs.join(format!("{}.json", target.triple)))
                    .with_context(|| format!("row `{target}`, field `spec`"))?;
                flags.push_str(" -Zunstable-options");
            }
            command.env(format!("CARGO_TARGET_{}_RUSTFLAGS", target.upper()), flags);
        }
        command.env("RUST_TARGET_PATH", &specs);
        let doing = format!("building Rust's std for {} targets", targets.len());
        let built =
            events.step("std", &doing, || self.run_cargo(command, &doing, &build.join("target"), targets, events));
        let _ = fs::remove_dir_all(build);
        for (triple, reason) in built? {
            rows.iter().filter(|row| row.triple == triple).for_each(|row| failed(row.name.clone(), reason.clone()));
        }
        Ok(())
    }

    fn cargo(&self, package: &Path, target_dir: &Path, source: &Path) -> Command {
        let bin = self.toolchain.sysroot.join("bin");
        let mut command = clean_command(bin.join("cargo"));
        command
            .args(["build", "--lib", "--release", "--offline", "--message-format", "json-render-diagnostics"])
            // What does not compile for one target is no reason to do without the others.
            .args(["--keep-going", "--quiet"])
            .args(["--jobs", &capacity::compilers(None).to_string()])
            .arg("--config")
            .arg("source.crates-io.replace-with='vendored'")
            .arg("--config")
            .arg(format!("source.vendored.directory={}", toml_string(&source.join("vendor"))))
            .arg("--target-dir")
            .arg(target_dir)
            // Not in the user's workspace: its .cargo/config.toml is not for std.
            .current_dir(package)
            .env("RUSTC", bin.join("rustc"))
            // std is built with unstable features; only this cargo may use them.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What rustc's own build passes for std.
    fn rustflags(&self, source: &Path) -> String {
        let shown = format!("/rustc/{}/library", self.toolchain.commit);
        // Flags in a variable are split at spaces, so a path with one keeps its own name.
        let remap = if source.to_string_lossy().contains(' ') {
            String::new()
        } else {
            format!(" --remap-path-prefix={}={shown}", source.display())
        };
        format!("-Zforce-unstable-if-unmarked -Cembed-bitcode=yes{remap}")
    }

    /// Runs cargo, then keeps what it has built for each target that is complete. Gives the triples that cannot be had, with the
    /// reason.
    fn run_cargo(
        &self,
        mut command: Command,
        doing: &str,
        target_dir: &Path,
        targets: &[&Target],
        events: &Events,
    ) -> Result<Vec<(String, String)>> {
        let mut child = command.spawn().context("cannot start cargo")?;
        let mut stderr = child.stderr.take().context("no standard error")?;
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
            text
        });
        let (mut missing, mut built) = (targets.to_vec(), Vec::new());
        let mut crates = 0;
        for message in Message::parse_stream(BufReader::new(child.stdout.take().context("no standard output")?)) {
            let Message::CompilerArtifact(artifact) = message.context("cannot read cargo's messages")? else {
                continue;
            };
            if artifact.target.is_custom_build() {
                continue;
            }
            crates += 1;
            let text = format!("{doing}: {crates} crates and {} targets done", built.len());
            events.send(Event::Setup { key: "std", text: &text });
            // The package that depends on all of a target's libraries. It needs no more than their metadata, so some of them may
            // still be compiled.
            let is_of =
                |target: &&Target| artifact.filenames.iter().any(|f| f.starts_with(target_dir.join(&target.triple)));
            if artifact.target.name == PACKAGE.replace('-', "_")
                && let Some(index) = missing.iter().position(is_of)
            {
                let target = missing.swap_remove(index);
                built.push(target);
                let text = format!("std for {target} ({} of {})", built.len(), targets.len());
                events.send(Event::Reached { text: &text });
            }
        }
        let status = child.wait().context("cannot wait for cargo")?;
        let said = said.join().unwrap_or_default();
        if !status.success() {
            signals::check()?;
        }
        let mut failed = Vec::new();
        for target in built {
            if let Err(error) = self.collect(target_dir, target) {
                failed.push((target.triple.clone(), format!("{error:#}\n{}", said.trim())));
            }
        }
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|t| t.triple.as_str()).collect();
            let reason = format!("cannot build Rust's std for {}:\n{}", names.join(", "), said.trim());
            failed.extend(missing.iter().map(|t| (t.triple.clone(), reason.clone())));
        }
        Ok(failed)
    }

    /// Moves a target's libraries to where a sysroot has them.
    fn collect(&self, target_dir: &Path, target: &Target) -> Result<()> {
        let deps = target_dir.join(&target.triple).join("release/deps");
        let place = self.cache.install(&self.built_name(target), |new| {
            let lib = new.join("lib");
            fs::create_dir(&lib)?;
            let ours = format!("lib{}", PACKAGE.replace('-', "_"));
            let entries = fs::read_dir(&deps).with_context(|| format!("cannot read {}", deps.display()))?.flatten();
            let theirs: HashSet<PathBuf> = entries
                .filter(|entry| !entry.file_name().to_string_lossy().starts_with(&ours))
                .map(|entry| entry.path())
                .collect();
            for file in &theirs {
                match file.extension().and_then(OsStr::to_str) {
                    Some("rlib") => fs::rename(file, lib.join(file.file_name().unwrap_or_default()))?,
                    // Beside its `.rlib` it is the same metadata once more, and rustc needs only one of the two.
                    Some("rmeta") if !theirs.contains(&file.with_extension("rlib")) => {
                        bail!("{} was not compiled to its end", file.display())
                    }
                    _ => {}
                }
            }
            if target.is_wasi()
                && let Some(zig) = &target.zig
            {
                wasi::self_contained(&self.cache, zig, &lib)?;
            }
            if let Some(spec) = &target.spec {
                fs::copy(spec, new.join(toolchain::SPEC)).with_context(|| format!("cannot read {}", spec.display()))?;
            }
            if !has_library(&lib, target) {
                bail!("cargo built nothing for {}", target.triple);
            }
            Ok(())
        });
        place.map(drop).with_context(|| format!("cannot keep std for {}", target.triple))
    }
}

/// Whether a folder holds core, and std where the target has it.
fn has_library(lib: &Path, target: &Target) -> bool {
    let wanted = match target.std {
        StdKind::Std => "libstd-",
        StdKind::Core => "libcore-",
    };
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    entries.map(|e| e.file_name()).any(|n| {
        let name = n.to_string_lossy();
        name.starts_with(wanted) && name.ends_with(".rlib")
    })
}

/// Distinguishes two versions of a specification: `@` and a hash of its text.
pub fn spec_key(spec: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    fs::read(spec).unwrap_or_default().hash(&mut hasher);
    format!("@{:016x}", hasher.finish())
}

fn toml_string(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
}

/// Makes std no shared library: that would need a linker.
fn without_dylib(library: &Path) -> Result<()> {
    let sh = Shell::new()?;
    let manifest = library.join("std/Cargo.toml");
    let text = sh.read_file(&manifest)?;
    let patched = text.replace("crate-type = [\"dylib\", \"rlib\"]", "crate-type = [\"rlib\"]");
    if patched == text {
        bail!("{} does not look as expected: is this compiler supported?", manifest.display());
    }
    Ok(sh.write_file(&manifest, patched)?)
}

/// The parts of the manifest of Rust's `library` that say how it is compiled.
#[derive(Serialize, Deserialize)]
struct Library {
    profile: Profiles,
    patch: BTreeMap<String, BTreeMap<String, Local>>,
}

#[derive(Serialize, Deserialize)]
struct Profiles {
    release: Profile,
}

#[derive(Serialize, Deserialize)]
struct Profile {
    package: BTreeMap<String, toml::Table>,
    #[serde(flatten)]
    settings: toml::Table,
}

/// A package in a folder.
#[derive(Serialize, Deserialize)]
struct Local {
    path: PathBuf,
}

/// A package that depends, for each of these targets, on all that belongs into its sysroot, and compiles it as the manifest of
/// Rust's `library` says.
fn manifest(targets: &[&Target], source: &Path, library: &str) -> Result<String> {
    let mut library: Library = toml::from_str(library)?;
    let release = &mut library.profile.release;
    // As in its profile `dist`, of which prebuilt ones are made, but without debug information.
    release.settings.extend([("codegen-units".to_owned(), 1.into()), ("debug".to_owned(), 0.into())]);
    // No program spends its time in these. Without any optimization `test` would make test programs a third larger.
    for (name, level) in [("proc_macro", toml::Value::from(0)), ("getopts", "s".into()), ("test", "s".into())] {
        release.package.entry(name.to_owned()).or_default().insert("opt-level".to_owned(), level);
    }
    for local in library.patch.values_mut().flat_map(BTreeMap::values_mut) {
        local.path = source.join(&local.path);
    }
    let path = |name: &str| toml_string(&source.join(name));
    let dependencies: String = targets
        .iter()
        .map(|target| {
            let crates = match target.std {
                StdKind::Std => format!(
                    "std = {{ path = {}, features = [\"panic-unwind\", \"backtrace\"] }}\nproc_macro = {{ path = {} }}\ntest = {{ path = {} }}\n",
                    path("std"),
                    path("proc_macro"),
                    path("test")
                ),
                // compiler_builtins comes with alloc, and on bare metal provides memcpy and its kin by itself.
                StdKind::Core => format!("alloc = {{ path = {} }}\n", path("alloc")),
            };
            format!("[target.{}.dependencies]\n{crates}\n", toml::Value::from(target.triple.as_str()))
        })
        .collect();
    Ok(format!(
        "cargo-features = [\"profile-rustflags\"]\n\n\
         [package]\nname = \"{PACKAGE}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         {dependencies}[workspace]\nresolver = \"1\"\n\n{}",
        toml::to_string(&library)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Table;

    #[test]
    fn each_target_depends_on_its_own_libraries() {
        let table = Table::built_in().unwrap();
        let rows: Vec<&Target> = ["aarch64-linux", "cortex-m4f"].map(|name| table.find(name).unwrap()).to_vec();
        let library = "[profile.release.package]\ngimli.opt-level = \"s\"\n\
                       [patch.crates-io]\nrustc-std-workspace-core = { path = 'workspace-core' }\n";
        let manifest = manifest(&rows, Path::new("/src"), library).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let crates = |triple: &str| -> Vec<String> {
            manifest["target"][triple]["dependencies"].as_table().unwrap().keys().cloned().collect()
        };
        assert_eq!(crates("aarch64-unknown-linux-gnu"), ["std", "proc_macro", "test"]);
        assert_eq!(crates("thumbv7em-none-eabihf"), ["alloc"]);
        let release = &manifest["profile"]["release"];
        assert_eq!(release["codegen-units"].as_integer(), Some(1));
        assert_eq!(release["package"]["gimli"]["opt-level"].as_str(), Some("s"));
        let patch = &manifest["patch"]["crates-io"]["rustc-std-workspace-core"];
        assert_eq!(patch["path"].as_str(), Some("/src/workspace-core"));
    }
}
