//! The programs that run those of each row: the machine itself, qemu, wine, wasmtime, node.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::bundle::{Bundle, Origin};
use super::part::Part;
use super::spawn::Spawn;
use super::sysroot::Sysroot;
use super::wheels::WASMTIME;
use super::wine::Prefix;
use crate::cache::Cache;
use crate::host::child::capture;
use crate::host::child::which;
use crate::provider::is_native;
use crate::targets::{Runtime, Target};
use cross_flake_runner::{self as runner, RunnerKind, RunnerSpec};

/// Runs a WebAssembly module that has no WASI.
const NODE_RUNNER: &str = include_str!("../../../data/wasm-node.mjs");

/// qemu's package with the machines of a processor, and the bundle.
fn qemu_system_bundle(qemu: &str) -> Bundle {
    let bundle = |package, origin| Bundle::new(package, &[package], origin);
    match qemu {
        "arm" | "aarch64" => bundle("qemu-system-arm", Origin::Program),
        "riscv32" | "riscv64" => bundle("qemu-system-riscv", Origin::ProgramOfBackports),
        // Debian puts the boards of the rarer processors into one package.
        _ => bundle("qemu-system-misc", Origin::Program),
    }
}

/// The processors of the table, whose emulators are what is fetched of qemu-user (`pieces.toml`).
const PIECES_OF_QEMU: [&str; 7] = ["aarch64", "arm", "i386", "loongarch64", "ppc64le", "riscv64", "s390x"];

/// The emulators in a cache.
pub struct Emulators {
    cache: Cache,
}

impl Emulators {
    /// The emulators in this cache.
    pub fn new(cache: &Cache) -> Emulators {
        Emulators { cache: cache.clone() }
    }

    /// Returns what a row's runner needs.
    pub fn parts(&self, target: &Target) -> Vec<Box<dyn Part>> {
        let qemu = target.qemu.as_deref().unwrap_or_default();
        match target.runner {
            Some(RunnerKind::QemuUser) if !is_native(target) => {
                let mut parts: Vec<Box<dyn Part>> = vec![Box::new(self.qemu_user_bundle(qemu)), Box::new(Spawn)];
                if let Some(Runtime { package, .. }) = &target.runtime {
                    parts.push(Box::new(Bundle::new(package, &[package], Origin::Newer)));
                }
                parts
            }
            Some(RunnerKind::QemuSystem) if which(&format!("qemu-system-{qemu}")).is_none() => {
                vec![Box::new(qemu_system_bundle(qemu))]
            }
            Some(RunnerKind::Node) if which("node").is_none() => {
                vec![Box::new(Bundle::new("nodejs", &["nodejs"], Origin::Program))]
            }
            Some(RunnerKind::Wine) => vec![Box::new(Prefix::of(target))],
            Some(RunnerKind::Wasmtime) => vec![Box::new(WASMTIME)],
            _ => Vec::new(),
        }
    }

    /// A file of an unpacked package.
    fn file(&self, bundle: &str, path: &str) -> PathBuf {
        self.cache.path("packages").join(bundle).join(path)
    }

    /// The bundle with the emulator of a processor: what the rows of the table need, or all that there are.
    fn qemu_user_bundle(&self, arch: &str) -> Bundle {
        let is_here = self.file("qemu-user", &format!("usr/bin/qemu-{arch}")).exists();
        // Pieces are known of the package for x86_64 alone.
        if PIECES_OF_QEMU.contains(&arch) || is_here || cfg!(not(target_arch = "x86_64")) {
            Bundle::new("qemu-user", &["qemu-user"], Origin::Newer)
        } else {
            Bundle::new("qemu-user-all", &["qemu-user"], Origin::NewerWhole)
        }
    }

    fn qemu_user(&self, arch: &str) -> PathBuf {
        self.file(&self.qemu_user_bundle(arch).name, &format!("usr/bin/qemu-{arch}"))
    }

    /// How the row's programs are started.
    ///
    /// # Errors
    /// An emulator is not where it should be.
    pub fn runner(&self, target: &Target) -> Result<RunnerSpec> {
        let kind = target.runner.context("the row has no runner")?;
        let mut spec = RunnerSpec {
            target: target.name.clone(),
            kind,
            label: String::new(),
            command: Vec::new(),
            env: BTreeMap::new(),
            binfmt: self.binfmt(target),
            rows: BTreeMap::new(),
        };
        let root = Sysroot::of_builds(target).zip(target.interpreter.as_deref());
        if let Some(root) = root.and_then(|(root, interpreter)| root.for_programs(&self.cache, interpreter)) {
            spec.env.insert(runner::ROOT_VARIABLE.to_owned(), text(&root));
        }
        match kind {
            RunnerKind::Native => spec.label = "native".to_owned(),
            RunnerKind::QemuUser if is_native(target) => {
                spec.kind = RunnerKind::Native;
                spec.label = "native".to_owned();
            }
            RunnerKind::QemuUser => {
                let arch = target.qemu.as_deref().context("the row has no `qemu`")?;
                let program = self.qemu_user(arch);
                spec.label = format!("qemu-{arch} {}", version_of(&self.cache, &program, &spec.env)?);
                spec.command = vec![text(&program)];
                if let Some(runtime) = &target.runtime {
                    spec.env.insert("QEMU_LD_PREFIX".into(), text(&self.file(&runtime.package, &runtime.root)));
                }
                if let Some(cpu) = &target.qemu_cpu {
                    spec.env.insert("QEMU_CPU".into(), cpu.clone());
                }
                if let Some(library) = super::spawn::library(&self.cache, target) {
                    spec.env.insert("QEMU_SET_ENV".into(), format!("LD_PRELOAD={}", text(&library)));
                }
            }
            RunnerKind::QemuSystem => self.qemu_system(target, &mut spec)?,
            RunnerKind::Wine => super::wine::runner(&self.cache, target, &mut spec)?,
            RunnerKind::Wasmtime => {
                let program = WASMTIME.program(&self.cache);
                spec.label = format!("wasmtime {}", WASMTIME.version);
                spec.command = self.wasmtime_command(&program)?;
            }
            RunnerKind::Node => {
                let program = self.node();
                spec.label = format!("node {}", version_of(&self.cache, &program, &spec.env)?);
                let script = self.cache.write("runners/wasm-node.mjs", NODE_RUNNER.as_bytes(), false)?;
                spec.command = vec![text(&program), text(&script)];
                self.library_path("nodejs", &mut spec);
            }
        }
        Ok(spec)
    }

    fn wasmtime_command(&self, program: &Path) -> Result<Vec<String>> {
        // It keeps what it has compiled in the home folder unless it is told otherwise.
        let modules = self.cache.path("wasmtime");
        let config = format!("[cache]\ndirectory = {}\n", toml::Value::from(text(&modules)));
        let config = self.cache.write("runners/wasmtime.toml", config.as_bytes(), false)?;
        let mut command = vec![text(program), "run".to_owned(), format!("-Ccache-config={}", text(&config))];
        // The runner adds the folders that programs see.
        command.extend(["-Sinherit-env=y", "--"].map(str::to_owned));
        Ok(command)
    }

    fn node(&self) -> PathBuf {
        which("node").unwrap_or_else(|| self.file("nodejs", "usr/bin/node"))
    }

    fn qemu_system(&self, target: &Target, spec: &mut RunnerSpec) -> Result<()> {
        let qemu = target.qemu.as_deref().context("the row has no `qemu`")?;
        let name = format!("qemu-system-{qemu}");
        let bundle = qemu_system_bundle(qemu).name;
        let program = which(&name).unwrap_or_else(|| self.file(&bundle, &format!("usr/bin/{name}")));
        self.library_path(&bundle, spec);
        spec.label = format!("{name} {}", version_of(&self.cache, &program, &spec.env)?);
        spec.command = vec![text(&program)];
        let machine = target.machine.as_deref().context("the row has no `machine`")?;
        spec.command.extend(["-machine".to_owned(), machine.to_owned()]);
        if let Some(cpu) = &target.qemu_cpu {
            spec.command.extend(["-cpu".to_owned(), cpu.clone()]);
        }
        let rest = "-nographic -monitor none -serial none -bios none -no-reboot -semihosting-config enable=on,target=native -kernel";
        spec.command.extend(rest.split(' ').map(str::to_owned));
        Ok(())
    }

    /// Lets a program of an unpacked bundle find its shared libraries, where the bundle is here.
    fn library_path(&self, bundle: &str, spec: &mut RunnerSpec) {
        let root = self.cache.path("packages").join(bundle);
        if root.exists() {
            let folders = library_folders(&root);
            spec.env.insert("LD_LIBRARY_PATH".into(), folders.iter().map(|f| text(f)).collect::<Vec<_>>().join(":"));
        }
    }

    /// Formats that the private binfmt_misc knows for this row: those of every emulator that is here, so that a test may
    /// start programs of other rows, too.
    fn binfmt(&self, target: &Target) -> BTreeMap<String, PathBuf> {
        let mut entries = BTreeMap::new();
        for arch in [
            "aarch64",
            "arm",
            "i386",
            "loongarch64",
            "m68k",
            "mips",
            "mips64",
            "mips64el",
            "mipsel",
            "ppc",
            "ppc64",
            "ppc64le",
            "riscv32",
            "riscv64",
            "s390x",
            "sparc64",
            "x86_64",
        ] {
            let program = self.qemu_user(arch);
            // Where the kernel runs them itself, nothing else should.
            let is_wanted = arch != "i386" || (target.arch() == "i686" && !is_native(target));
            if arch != native_qemu_arch() && program.exists() && is_wanted {
                entries.insert(format!("qemu-{arch}"), program);
            }
        }
        // The wine that knows 32-bit programs knows the others, too.
        let started_as = |row: &str| {
            let program = self.cache.path("bin").join(format!("{}{row}", runner::PREFIX));
            program.exists().then_some(program)
        };
        let windows = started_as("windows-x86").or_else(|| started_as("windows-x64"));
        entries.extend(windows.map(|program| ("windows".to_owned(), program)));
        entries.extend(started_as("wasm32-wasi").map(|program| ("wasm".to_owned(), program)));
        entries
    }
}

/// Folders with shared libraries below the root of unpacked packages.
pub fn library_folders(root: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for base in ["lib", "usr/lib"] {
        let base = root.join(base);
        let arch = base.join(format!("{}-linux-gnu", std::env::consts::ARCH));
        for folder in [arch.clone(), arch.join("pulseaudio"), base] {
            if folder.is_dir() {
                folders.push(folder);
            }
        }
    }
    folders
}

/// qemu's name for the build machine's own processor.
fn native_qemu_arch() -> &'static str {
    std::env::consts::ARCH
}

/// A path for a document that holds text.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The version that a program prints: the first word that begins with a digit, perhaps after a `v`. It is asked once: as long as
/// its file is the same, the cache has the answer.
///
/// # Errors
/// It does not start, or says no version.
pub fn version_of(cache: &Cache, program: &Path, env: &BTreeMap<String, String>) -> Result<String> {
    let file = std::fs::metadata(program).with_context(|| format!("cannot find {}", program.display()))?;
    let mut hasher = DefaultHasher::new();
    (program, file.len(), file.modified().ok()).hash(&mut hasher);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let answer = format!("versions/{name}-{:016x}", hasher.finish());
    if let Ok(known) = std::fs::read_to_string(cache.path(&answer)) {
        return Ok(known);
    }
    let sh = Shell::new()?;
    for (name, value) in env {
        sh.set_var(name, value);
    }
    let said = capture(cmd!(sh, "{program} --version"))?;
    let word = said
        .split(|c: char| c.is_whitespace() || c == '-' || c == '(')
        .find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    let Some(word) = word else { bail!("{} does not say its version: {}", program.display(), said.trim()) };
    let version = word.trim_start_matches('v');
    cache.write(&answer, version.as_bytes(), false)?;
    Ok(version.to_owned())
}
