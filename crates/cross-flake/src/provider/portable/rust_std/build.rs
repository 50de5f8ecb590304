//! std as cargo builds it from its source, for several targets at once.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use serde::{Deserialize, Serialize};
use xshell::Shell;

use super::{RustStd, has_library};
use crate::events::{Event, Events};
use crate::host::capacity;
use crate::host::child::clean_command;
use crate::host::signals;
use crate::provider::portable::part::Failures;
use crate::provider::portable::{host_cc, wasi};
use crate::provider::{Reason, toolchain};
use crate::targets::{StdKind, Target};

/// The package that is built: it depends on all of a target's libraries.
const PACKAGE: &str = "cross-flake-sysroot";

impl RustStd {
    /// Builds std, or core and alloc, for all these targets in one cargo invocation, and returns the rows that it cannot build for.
    pub(in crate::provider::portable) fn build(&self, targets: &[&Target], events: &Events) -> Result<Failures> {
        let sh = Shell::new()?;
        let source = &self.cache.path(self.source_name());
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
        // rustc looks for `<arch>-w64-mingw32-dlltool` on PATH, and there is zig's under this name.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ours = std::iter::once(self.cache.path("bin")).chain(host_cc::write(&self.cache, &self.toolchain)?);
        let path = ours.chain(std::env::split_paths(&path));
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
        let built = built?;
        let reason = |row: &&Target| Some((row.name.clone(), built.get(&row.triple)?.clone()));
        Ok(rows.iter().filter_map(reason).collect())
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

    /// Returns what rustc's own build passes for std.
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

    /// Runs cargo, then keeps what it has built for each target that is complete. Returns the triples that cannot be had, with
    /// the reason.
    fn run_cargo(
        &self,
        mut command: Command,
        doing: &str,
        target_dir: &Path,
        targets: &[&Target],
        events: &Events,
    ) -> Result<Failures> {
        let mut child = command.spawn().context("cannot start cargo")?;
        let mut stderr = child.stderr.take().context("no standard error")?;
        let said = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stderr, &mut text);
            String::from_utf8_lossy(&text).into_owned()
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
        let mut failed = Failures::new();
        for target in built {
            if let Err(error) = self.collect(target_dir, target) {
                failed.insert(target.triple.clone(), Reason::new(format!("{error:#}\n{}", said.trim())));
            }
        }
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|t| t.triple.as_str()).collect();
            let (names, said) = (names.join(", "), said.trim());
            let reason = Reason::new(format!("cannot build Rust's std for {names}: cargo: {status}\n{said}"));
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

fn toml_string(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
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

/// A package in a directory.
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
