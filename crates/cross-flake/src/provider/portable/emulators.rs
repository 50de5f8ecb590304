//! What runs the programs of each row: the machine itself, qemu, wine, wasmtime, node.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::archive::{Archive, NEWER_SUITE, Package};
use super::sysroot::Sysroot;
use super::wheels::WASMTIME;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::capture;
use crate::host::child::which;
use crate::provider::Download;
use crate::targets::{Level, Target};
use cross_flake_runner::{self as runner, RunnerKind, RunnerSpec};

/// Runs a WebAssembly module that has no WASI.
const NODE_RUNNER: &str = include_str!("../../../data/wasm-node.mjs");

/// The suite of which emulators and C libraries are taken that need nothing of the machine: statically linked programs,
/// and cross libraries. Debian 13's are new enough for every row, wherever they run.
const SUITE: &str = NEWER_SUITE;

/// The one release that can run all this and has no package of its own for qemu's RISC-V machines: there they are in
/// `qemu-system-misc`, among nineteen others, which is six times as large as the package in the backports.
const OLD_RELEASE: &str = "bookworm";

/// What qemu's programs are declared to depend on and do not need without a screen, sound, and a firmware of Debian's.
const UNNEEDED: [&str; 6] = ["qemu-system-", "opensbi", "seabios", "ipxe-qemu", "qemu-efi", "u-boot-qemu"];

/// The suite with the programs of [`Origin::ProgramOfBackports`].
fn program_suite(own: &str) -> String {
    if own == OLD_RELEASE { format!("{own}-backports") } else { own.to_owned() }
}

/// qemu's package with the machines of a processor, and the bundle.
fn qemu_system_bundle(qemu: &str) -> Bundle {
    match qemu {
        "arm" | "aarch64" => Bundle::program("qemu-system-arm"),
        "riscv32" | "riscv64" => {
            let package = "qemu-system-riscv";
            Bundle::new(package, &[package], Origin::ProgramOfBackports)
        }
        // Debian puts the boards of the rarer processors into one package.
        _ => Bundle::program("qemu-system-misc"),
    }
}

/// The processors of the table, whose emulators are what is fetched of qemu-user (`pieces.toml`).
const PIECES_OF_QEMU: [&str; 7] = ["aarch64", "arm", "i386", "loongarch64", "ppc64le", "riscv64", "s390x"];

/// Where the packages of a bundle come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// [`SUITE`]: what needs nothing of the machine.
    Newer,
    /// The same, and not only the pieces of the packages that the rows of the table need.
    NewerWhole,
    /// The machine's own release: programs that use its libraries.
    Own,
    /// A program of the machine's own release, with the libraries that it needs and that the machine lacks.
    Program,
    /// The same; an old release has the program in its backports alone.
    ProgramOfBackports,
    /// The machine's own release, for another architecture.
    Foreign(&'static str),
}

/// A folder of unpacked packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bundle {
    /// The name of the folder in the cache.
    name: String,
    /// Packages of the distribution.
    packages: Vec<String>,
    /// Packages that newer releases have parted from the first one, which depends on them then.
    parts: Vec<String>,
    /// Libraries that are fetched with all that they need, unless the machine has them.
    libraries: Vec<String>,
    origin: Origin,
}

impl Bundle {
    fn new(name: &str, packages: &[&str], origin: Origin) -> Bundle {
        let (parts, libraries) = (Vec::new(), Vec::new());
        Bundle { name: name.to_owned(), packages: owned(packages), parts, libraries, origin }
    }

    /// With these packages where the release has parted them from the first one.
    pub fn with_parts(self, packages: &[&str]) -> Bundle {
        Bundle { parts: owned(packages), ..self }
    }

    /// With these libraries where the machine lacks them.
    pub fn with_libraries(self, packages: &[&str]) -> Bundle {
        Bundle { libraries: owned(packages), ..self }
    }

    fn newer(package: &str) -> Bundle {
        Bundle::new(package, &[package], Origin::Newer)
    }

    fn program(package: &str) -> Bundle {
        Bundle::new(package, &[package], Origin::Program)
    }

    /// These packages, and nothing that they depend on.
    pub fn own_suite(name: &str, packages: &[&str]) -> Bundle {
        Bundle::new(name, packages, Origin::Own)
    }

    /// These packages for another architecture, and nothing that they depend on.
    pub fn foreign(name: &str, arch: &'static str, packages: &[&str]) -> Bundle {
        Bundle::new(name, packages, Origin::Foreign(arch))
    }

    /// The folder below the cache.
    fn folder(&self) -> String {
        format!("packages/{}", self.name)
    }

    /// The suites whose lists tell of its packages, for a machine of this release.
    pub fn suites(&self, own: &str) -> Vec<String> {
        match self.origin {
            Origin::Newer | Origin::NewerWhole => vec![SUITE.to_owned()],
            Origin::ProgramOfBackports if own == OLD_RELEASE => vec![own.to_owned(), program_suite(own)],
            _ => vec![own.to_owned()],
        }
    }

    /// The apt that knows the packages, and the packages.
    fn resolve(&self, apt: &Archive) -> Result<(Archive, Vec<Package>)> {
        let names: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let packages = match self.origin {
            Origin::Newer => apt.resolve(&names, SUITE)?,
            Origin::NewerWhole => apt.resolve(&names, SUITE)?.into_iter().map(Package::whole).collect(),
            Origin::Own => {
                let mut packages = apt.resolve(&names, &apt.own_suite)?;
                if let Some(first) = packages.iter().find(|package| package.name == self.packages[0]).cloned() {
                    let needed = apt.dependencies(&first)?;
                    let parts: Vec<&str> =
                        self.parts.iter().filter(|part| needed.contains(part)).map(String::as_str).collect();
                    if !parts.is_empty() {
                        packages.extend(apt.resolve(&parts, &apt.own_suite)?);
                    }
                }
                if !self.libraries.is_empty() {
                    let names: Vec<&str> = self.libraries.iter().map(String::as_str).collect();
                    let known: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
                    // They need configuration, too, which is of no use here.
                    let is_library = |name: &str| name.starts_with("lib") || name == "zlib1g";
                    let closure = apt.closure(&names)?.into_iter();
                    packages.extend(closure.filter(|new| is_library(&new.name) && !known.contains(&new.name)));
                }
                packages
            }
            Origin::Program => apt.program(&self.packages[0], &apt.own_suite, &UNNEEDED)?,
            Origin::ProgramOfBackports => apt.program(&self.packages[0], &program_suite(&apt.own_suite), &UNNEEDED)?,
            Origin::Foreign(arch) => {
                let here = apt.resolve(&names, &apt.own_suite)?;
                if let Some(packages) = here.iter().map(|package| package.for_arch(arch)).collect() {
                    return Ok((apt.clone(), packages));
                }
                let foreign = apt.of_arch(arch)?;
                let packages = foreign.resolve(&names, &foreign.own_suite)?;
                return Ok((foreign, packages));
            }
        };
        Ok((apt.clone(), packages))
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What fetching these bundles takes; a package that several need counts once.
///
/// # Errors
/// The distribution lacks one.
pub fn downloads(apt: &Archive, bundles: &[Bundle]) -> Result<Vec<Download>> {
    let newer = bundles.iter().filter(|b| b.origin == Origin::Newer).flat_map(|b| &b.packages);
    // One question to apt for all; what it does not know is told with its bundle.
    let _ = apt.resolve(&newer.map(String::as_str).collect::<Vec<_>>(), SUITE);
    let mut out = Vec::new();
    for bundle in bundles {
        let (_, packages) = bundle.resolve(apt)?;
        let bytes = packages.iter().map(|p| p.bytes).sum();
        let version = packages.iter().find(|p| p.name == bundle.packages[0]).map(|p| p.version.clone());
        let part = if packages.iter().any(Package::is_part) { ", in part" } else { "" };
        out.push(Download {
            name: format!("{} {}{part}", bundle.name, version.unwrap_or_default()),
            from: "Debian".into(),
            bytes,
        });
    }
    Ok(out)
}

/// The emulators in a cache.
pub struct Emulators {
    cache: Cache,
}

impl Emulators {
    /// The emulators in this cache.
    pub fn new(cache: &Cache) -> Emulators {
        Emulators { cache: cache.clone() }
    }

    /// Whether the row is run by wasmtime.
    pub fn wants_wasmtime(&self, target: &Target) -> bool {
        target.level == Level::Run && target.runner == Some(RunnerKind::Wasmtime)
    }

    /// The bundles that a row needs.
    fn bundles(&self, target: &Target) -> Vec<Bundle> {
        let kind = if target.level == Level::Run { target.runner } else { None };
        match kind {
            Some(RunnerKind::QemuUser) if !is_native(target) => {
                let runtime = target.runtime.iter().map(|r| Bundle::newer(&r.package));
                let qemu = target.qemu.as_deref().unwrap_or_default();
                std::iter::once(self.qemu_user_bundle(qemu)).chain(runtime).collect()
            }
            Some(RunnerKind::QemuSystem) => {
                let qemu = target.qemu.as_deref().unwrap_or_default();
                let is_here = which(&format!("qemu-system-{qemu}")).is_some();
                if is_here { Vec::new() } else { vec![qemu_system_bundle(qemu)] }
            }
            Some(RunnerKind::Node) if which("node").is_none() => vec![Bundle::program("nodejs")],
            Some(RunnerKind::Wine) => super::wine::bundles(&self.cache, target),
            _ => Vec::new(),
        }
    }

    /// The bundles that these rows need and that are not here, each once.
    pub fn missing(&self, targets: &[Target]) -> Vec<Bundle> {
        let mut missing = Vec::new();
        for bundle in targets.iter().flat_map(|t| self.bundles(t)) {
            if !self.cache.has(&bundle.folder()) && !missing.contains(&bundle) {
                missing.push(bundle);
            }
        }
        missing
    }

    /// Fetches what these rows need; gives the rows that cannot be had, with the reason.
    pub fn provide(
        &self,
        targets: &[Target],
        zig: impl Fn() -> Result<()>,
        lists: impl Fn() -> Result<Archive>,
        events: &Events,
    ) -> Vec<(String, String)> {
        let mut failed: BTreeMap<String, String> = BTreeMap::new();
        // What one bundle holds may make another needless.
        while let Some(bundle) = self.missing(targets).into_iter().find(|bundle| !failed.contains_key(&bundle.name)) {
            let doing = format!("fetching {}", bundle.name);
            let result = lists().and_then(|apt| {
                events.step(&bundle.name, &doing, || {
                    let (apt, packages) = bundle.resolve(&apt)?;
                    self.cache.install(&bundle.folder(), |new| apt.unpack(&packages, new))
                })
            });
            if let Err(error) = result {
                failed.insert(bundle.name.clone(), format!("{error:#}"));
            }
        }
        if targets.iter().any(|t| self.wants_wasmtime(t))
            && let Err(error) = WASMTIME.install(&self.cache, &lists, events)
        {
            failed.insert("wasmtime".to_owned(), format!("{error:#}"));
        }
        for target in targets.iter().filter(|t| t.level == Level::Run && t.runner == Some(RunnerKind::Wine)) {
            if self.bundles(target).iter().all(|b| !failed.contains_key(&b.name))
                // The library that wine lacks is compiled.
                && let Err(error) = zig().and_then(|()| super::wine::provide(&self.cache, target, events))
            {
                failed.insert(target.name.clone(), format!("{error:#}"));
            }
        }
        for target in targets {
            if let Err(error) = super::spawn::provide(&self.cache, target, &zig, events) {
                failed.insert(target.name.clone(), format!("{error:#}"));
            }
        }
        let reason = |target: &Target| -> Option<String> {
            if self.wants_wasmtime(target)
                && let Some(reason) = failed.get("wasmtime")
            {
                return Some(reason.clone());
            }
            let own = failed.get(&target.name);
            own.or_else(|| self.bundles(target).iter().find_map(|b| failed.get(&b.name))).cloned()
        };
        targets.iter().filter_map(|t| Some((t.name.clone(), reason(t)?))).collect()
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
            Bundle::newer("qemu-user")
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

/// Whether the build machine itself runs the row's programs: its kernel takes them and their loader is there.
pub fn is_native(target: &Target) -> bool {
    let arch = match (target.arch(), std::env::consts::ARCH) {
        (target, host) if target == host => true,
        // Where the kernel has IA-32 emulation it runs static programs of i686, too.
        ("i686", "x86_64") => target.interpreter.is_none() && kernel_runs_i686(),
        _ => false,
    };
    arch && target.is_linux() && target.interpreter.as_deref().is_none_or(Path::exists)
}

/// Whether the kernel takes 32-bit x86 programs. vDSO for them is what it shows of CONFIG_IA32_EMULATION.
fn kernel_runs_i686() -> bool {
    Path::new("/proc/sys/abi/vsyscall32").exists()
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
