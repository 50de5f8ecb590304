//! Rust's own libraries for a target: the toolchain's, else rustup's, else built from their source, once for each
//! compiler and target.

use std::collections::HashSet;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use cargo_metadata::Message;
use xshell::{Shell, cmd};

use super::apt::{Apt, Package};
use super::{capture, toolchain, wasi};
use crate::cache::Cache;
use crate::engine::build::clean_command;
use crate::events::{Event, Events};
use crate::provider::Download;
use crate::signals;
use crate::targets::{StdKind, Target};
use crate::workspace::Toolchain;

/// The variable that says where std comes from: `auto` (the default), `rustup` or `source`.
pub const VARIABLE: &str = "CROSS_FLAKE_STD";

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

    fn source_name(&self) -> String {
        format!("rust-src/{}", self.toolchain.release)
    }

    /// The source that rustup's component rust-src brings.
    fn component(&self) -> Option<PathBuf> {
        let library = self.toolchain.sysroot.join("lib/rustlib/src/rust/library");
        library.join("vendor").is_dir().then_some(library)
    }

    /// Whether the source is here.
    pub fn has_source(&self) -> bool {
        self.component().is_some() || self.cache.has(&self.source_name())
    }

    /// The distribution's package with the source of exactly this compiler.
    fn source_package(&self, apt: &Apt) -> Result<Package> {
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
        package.into_iter().next().context("apt does not find rust-src again")
    }

    /// What fetching the source would take.
    ///
    /// # Errors
    /// apt fails.
    pub fn source_download(&self, apt: &Apt) -> Result<Option<Download>> {
        Ok(self.source_package(apt).ok().map(|package| Download {
            name: format!("source of Rust {}'s std", self.toolchain.release),
            from: "Debian",
            bytes: package.bytes,
        }))
    }

    /// Makes the libraries of these targets available. `tools` is a folder with a dlltool for Windows.
    ///
    /// # Errors
    /// Neither rustup nor the distribution has them, or they do not compile.
    pub fn provide(
        &self,
        targets: &[&Target],
        tools: &Path,
        lists: impl FnOnce() -> Result<Apt>,
        events: &Events,
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
        self.build(&source, &wanted, tools, events)
    }

    /// Asks rustup for prebuilt libraries, where the toolchain is rustup's and may be written.
    fn add_with_rustup(&self, targets: &[&Target], events: &Events) -> Result<()> {
        let sysroot = &self.toolchain.sysroot;
        let toolchains = sysroot.parent().filter(|p| p.ends_with("toolchains"));
        let (Some(_), Some(name)) = (toolchains, sysroot.file_name()) else {
            bail!("{} is not a toolchain of rustup's", sysroot.display());
        };
        if nix::unistd::access(sysroot, nix::unistd::AccessFlags::W_OK).is_err() {
            bail!("{} may not be changed by this user", sysroot.display());
        }
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

    /// The folder `library` of Rust's source.
    fn source(&self, lists: impl FnOnce() -> Result<Apt>, events: &Events) -> Result<PathBuf> {
        let source = match self.component() {
            Some(component) => component,
            None => {
                let name = self.source_name();
                let folder = self.cache.path(&name);
                if !folder.exists() {
                    let apt = lists()?;
                    let package = self.source_package(&apt)?;
                    let doing = format!("fetching the source of Rust {}'s std", self.toolchain.release);
                    events.step("std", &doing, || self.cache.install(&name, |new| apt.unpack(&[package], new)))?;
                }
                folder.join(format!("usr/src/rustc-{}/library", self.toolchain.release))
            }
        };
        self.patched(&source)
    }

    /// A copy of the source in which std is no shared library, so that building it needs no linker.
    fn patched(&self, source: &Path) -> Result<PathBuf> {
        let name = format!("rust-src/{}-rlib", self.toolchain.release);
        self.cache.install(&name, |new| {
            let sh = Shell::new()?;
            capture(cmd!(sh, "cp --recursive --reflink=auto {source}/. {new}"))?;
            let manifest = new.join("std/Cargo.toml");
            let text = sh.read_file(&manifest)?;
            let patched = text.replace("crate-type = [\"dylib\", \"rlib\"]", "crate-type = [\"rlib\"]");
            if patched == text {
                bail!("{} does not look as expected: is this compiler supported?", manifest.display());
            }
            Ok(sh.write_file(&manifest, patched)?)
        })
    }

    /// Builds std, or core and alloc, for all these targets in one cargo invocation for each of the two kinds.
    fn build(&self, source: &Path, targets: &[&Target], tools: &Path, events: &Events) -> Result<()> {
        for kind in [StdKind::Std, StdKind::Core] {
            let of_kind: Vec<&Target> = targets.iter().copied().filter(|t| t.std == kind).collect();
            if !of_kind.is_empty() {
                self.build_kind(source, kind, &of_kind, tools, events)?;
            }
        }
        let _ = fs::remove_dir_all(self.built_root().join("build"));
        Ok(())
    }

    fn build_kind(
        &self,
        source: &Path,
        kind: StdKind,
        targets: &[&Target],
        tools: &Path,
        events: &Events,
    ) -> Result<()> {
        // Kept until all is built: a run that was stopped goes on where it was.
        let build = self.built_root().join("build");
        let sh = Shell::new()?;
        let package = build.join(if kind == StdKind::Std { "std" } else { "core" });
        sh.write_file(package.join("Cargo.toml"), manifest(kind, source))?;
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
        let what = if kind == StdKind::Std { "std" } else { "core and alloc" };
        let doing = format!("building Rust's {what} for {} targets", targets.len());
        events.step("std", &doing, || self.run_cargo(command, &doing, targets, events))?;
        for target in targets {
            self.collect(&build.join("target"), target)?;
        }
        Ok(())
    }

    fn cargo(&self, package: &Path, target_dir: &Path, source: &Path) -> Command {
        let bin = self.toolchain.sysroot.join("bin");
        let mut command = clean_command(bin.join("cargo"));
        command
            .args(["build", "--lib", "--release", "--offline", "--message-format", "json-render-diagnostics"])
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

    fn run_cargo(&self, mut command: Command, doing: &str, targets: &[&Target], events: &Events) -> Result<()> {
        let mut child = command.spawn().context("cannot start cargo")?;
        let mut stderr = child.stderr.take().context("no standard error")?;
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
            text
        });
        let mut crates = 0;
        for message in Message::parse_stream(BufReader::new(child.stdout.take().context("no standard output")?)) {
            if let Message::CompilerArtifact(artifact) = message.context("cannot read cargo's messages")?
                && !artifact.target.is_custom_build()
            {
                crates += 1;
                let text = format!("{doing}: {crates} crates done");
                events.send(Event::Setup { key: "std", text: &text });
            }
        }
        let status = child.wait().context("cannot wait for cargo")?;
        let said = said.join().unwrap_or_default();
        if !status.success() {
            signals::check()?;
            let names: Vec<&str> = targets.iter().map(|t| t.triple.as_str()).collect();
            bail!("cannot build Rust's std for {}:\n{}", names.join(", "), said.trim());
        }
        Ok(())
    }

    /// Moves a target's libraries to where a sysroot has them.
    fn collect(&self, target_dir: &Path, target: &Target) -> Result<()> {
        let deps = target_dir.join(&target.triple).join("release/deps");
        let place = self.cache.install(&self.built_name(target), |new| {
            let lib = new.join("lib");
            fs::create_dir(&lib)?;
            for entry in fs::read_dir(&deps).with_context(|| format!("cannot read {}", deps.display()))?.flatten() {
                let path = entry.path();
                // A `.rmeta` beside an `.rlib` is the same metadata once more; rustc needs only one of the two.
                let is_ours = entry.file_name().to_string_lossy().starts_with("libcross_flake_sysroot");
                if path.extension().is_some_and(|e| e == "rlib") && !is_ours {
                    fs::rename(&path, lib.join(entry.file_name()))?;
                }
            }
            if target.triple.contains("wasi")
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

/// A package that depends on all that belongs into a sysroot.
fn manifest(kind: StdKind, source: &Path) -> String {
    let path = |name: &str| toml_string(&source.join(name));
    let dependencies = match kind {
        StdKind::Std => format!(
            "std = {{ path = {}, features = [\"panic-unwind\", \"backtrace\"] }}\nproc_macro = {{ path = {} }}\ntest = {{ path = {} }}\n",
            path("std"),
            path("proc_macro"),
            path("test")
        ),
        // compiler_builtins comes with alloc, and on bare metal provides memcpy and its kin by itself.
        StdKind::Core => format!("alloc = {{ path = {} }}\n", path("alloc")),
    };
    let patches: String = ["core", "alloc", "std"]
        .iter()
        .map(|n| format!("rustc-std-workspace-{n} = {{ path = {} }}\n", path(&format!("rustc-std-workspace-{n}"))))
        .collect();
    // The profile is that of library/Cargo.toml, without debug information.
    format!(
        "cargo-features = [\"profile-rustflags\"]\n\n\
         [package]\nname = \"cross-flake-sysroot\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n[workspace]\nresolver = \"1\"\n\n\
         [profile.release]\ncodegen-units = 1\ndebug = 0\n\n\
         [profile.release.package.compiler_builtins]\ncodegen-units = 10000\n\n\
         [profile.release.package.panic_abort]\nrustflags = [\"-Cpanic=abort\"]\n\n\
         [patch.crates-io]\n{patches}"
    )
}
