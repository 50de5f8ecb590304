//! The programs that run those of each row: the machine itself, qemu, wine, wasmtime, node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::archive::Archive;
use super::bundle::{Bundle, Origin};
use super::part::Part;
use super::programs::{library_folders, text, version_of};
use super::spawn::Spawn;
use super::sysroot::Sysroot;
use super::wheels::{NODE, WASMTIME};
use super::wine::Prefix;
use crate::cache::Cache;
use crate::environment::{Values, runners};
use crate::events::Events;
use crate::host::child::which;
use crate::provider::is_native;
use crate::targets::{Runtime, Target};
use cross_flake_inspect::MACHINES;
use cross_flake_runner::{self as runner, RunnerKind, RunnerSpec};

/// Runs a WebAssembly module that has no WASI.
const NODE_RUNNER: &str = include_str!("../../../data/wasm-node.mjs");

/// qemu's package with the machines of a processor, and the bundle.
fn qemu_system_bundle(qemu: &str) -> Bundle {
    let bundle = |package, origin| Bundle::new(package, &[package], origin);
    match qemu {
        "arm" | "aarch64" => bundle("qemu-system-arm", Origin::ProgramOfBackports),
        "riscv32" | "riscv64" => bundle("qemu-system-riscv", Origin::ProgramOfBackports),
        // Debian puts the boards of the rarer processors into one package.
        _ => bundle("qemu-system-misc", Origin::Program),
    }
}

/// The processors of the rows that a run takes by itself, whose emulators are what is fetched of qemu-user (`pieces.toml`).
const COMMON_QEMU: [&str; 7] = ["aarch64", "arm", "i386", "loongarch64", "ppc64le", "riscv64", "s390x"];

/// Rarer processors, whose emulators are one more bundle.
const RARE_QEMU: [&str; 11] =
    ["aarch64_be", "armeb", "hexagon", "mips", "mips64", "mips64el", "mipsel", "ppc", "ppc64", "riscv32", "x86_64"];

/// Releases of Ubuntu in which the programs of qemu-user need libraries of the machine. From 25.04 on they need none, as Debian 13's.
const QEMU_USER_STATIC: [(&str, &str, &str); 4] = [
    ("focal", "qemu-user", "qemu-user-static"),
    ("jammy", "qemu-user", "qemu-user-static"),
    ("noble", "qemu-user", "qemu-user-static"),
    ("oracular", "qemu-user", "qemu-user-static"),
];

/// The bundle with what node needs of a machine beside its C library.
const NODE_LIBRARIES: &str = "node-libraries";

/// Whether the machine has the C++ library that most programs in C++ use.
fn has_cxx_library() -> bool {
    let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    ["/usr/lib64", "/usr/lib", &multiarch].iter().any(|folder| Path::new(folder).join("libstdc++.so.6").exists())
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

    /// Returns what a row's runner needs.
    pub fn parts(&self, target: &Target) -> Vec<Box<dyn Part>> {
        let qemu = target.qemu.as_deref().unwrap_or_default();
        match target.runner {
            Some(RunnerKind::QemuUser) if !is_native(target) => {
                let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Spawn)];
                if self.machines_qemu_user(qemu).is_none() {
                    parts.insert(0, Box::new(self.qemu_user_bundle(qemu)));
                }
                if let Some(Runtime { package, .. }) = &target.runtime {
                    parts.push(Box::new(Bundle::new(package, &[package], Origin::Newer)));
                }
                parts
            }
            Some(RunnerKind::QemuSystem) if which(&format!("qemu-system-{qemu}")).is_none() => {
                vec![Box::new(qemu_system_bundle(qemu))]
            }
            Some(RunnerKind::Node) if which("node").is_none() => {
                let mut parts: Vec<Box<dyn Part>> = vec![Box::new(NODE)];
                if !has_cxx_library() {
                    parts.push(Box::new(Bundle::new(NODE_LIBRARIES, &["libstdc++6", "libgcc-s1"], Origin::Own)));
                }
                parts
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

    /// The bundle with the emulator of a processor: what the common rows need, the others of the table, or all that there are.
    fn qemu_user_bundle(&self, arch: &str) -> Bundle {
        let is_here = self.unpacked_qemu_user("qemu-user", arch).is_some();
        // Pieces are known of the package for x86_64 alone.
        let bundle = if COMMON_QEMU.contains(&arch) || is_here || cfg!(not(target_arch = "x86_64")) {
            Bundle::new("qemu-user", &["qemu-user"], Origin::Newer)
        } else if RARE_QEMU.contains(&arch) {
            Bundle::new("qemu-user-rare", &["qemu-user"], Origin::Newer)
        } else {
            Bundle::new("qemu-user-all", &["qemu-user"], Origin::Newer)
        };
        Bundle { other_names: &QEMU_USER_STATIC, ..bundle }
    }

    fn unpacked_qemu_user(&self, bundle: &str, arch: &str) -> Option<PathBuf> {
        let places = ["", "-static"].map(|end| self.file(bundle, &format!("usr/bin/qemu-{arch}{end}")));
        places.into_iter().find(|program| program.exists())
    }

    /// The emulator on `PATH`, for a machine without an archive to fetch one from.
    fn machines_qemu_user(&self, arch: &str) -> Option<PathBuf> {
        if self.unpacked_qemu_user(&self.qemu_user_bundle(arch).name, arch).is_some() {
            return None;
        }
        let found = which(&format!("qemu-{arch}-static")).or_else(|| which(&format!("qemu-{arch}")))?;
        Archive::open(&self.cache, &Events::none()).is_err().then_some(found)
    }

    fn qemu_user(&self, arch: &str) -> PathBuf {
        let bundle = self.qemu_user_bundle(arch).name;
        let found = self.unpacked_qemu_user(&bundle, arch).or_else(|| self.machines_qemu_user(arch));
        found.unwrap_or_else(|| self.file(&bundle, &format!("usr/bin/qemu-{arch}")))
    }

    /// Returns how the row's programs are started.
    ///
    /// # Errors
    /// An emulator is not where it should be.
    pub fn runner(&self, target: &Target) -> Result<RunnerSpec> {
        let kind = match target.runner.context("the row has no runner")? {
            RunnerKind::QemuUser if is_native(target) => RunnerKind::Native,
            kind => kind,
        };
        let mut values = Values::default();
        let root = Sysroot::of_builds(target).zip(target.interpreter.as_deref());
        let root = root.and_then(|(root, interpreter)| root.for_programs(&self.cache, interpreter));
        values.set_if("root", root.map(|root| text(&root)));
        values.set_if("qemu", target.qemu.as_deref());
        values.set_if("qemu-cpu", target.qemu_cpu.as_deref());
        values.set_if("machine", target.machine.as_deref());
        values.set_if("bios", target.bios.as_deref());
        match kind {
            RunnerKind::Native => {}
            RunnerKind::QemuUser => {
                let program = self.qemu_user(target.qemu.as_deref().context("the row has no `qemu`")?);
                let runtime = target.runtime.as_ref().map(|r| text(&self.file(&r.package, &r.root)));
                values.set_if("runtime", runtime);
                let spawn = super::spawn::library(&self.cache, target);
                values.set_if("spawn", spawn.map(|library| text(&library)));
                self.program(kind, &program, &mut values)?;
            }
            RunnerKind::QemuSystem => {
                let qemu = target.qemu.as_deref().context("the row has no `qemu`")?;
                let name = format!("qemu-system-{qemu}");
                let bundle = qemu_system_bundle(qemu).name;
                let program = which(&name).unwrap_or_else(|| self.file(&bundle, &format!("usr/bin/{name}")));
                values.set_if("libraries", self.library_path(&bundle));
                self.program(kind, &program, &mut values)?;
            }
            RunnerKind::Wine => super::wine::runner(&self.cache, target, &mut values)?,
            RunnerKind::Wasmtime => {
                let modules = toml::Value::from(text(&self.cache.path("wasmtime")));
                let config = format!("[cache]\ndirectory = {modules}\n");
                let config = self.cache.write("runners/wasmtime.toml", config.as_bytes(), false)?;
                values.set("module-cache", format!("cache-config={}", text(&config)));
                values.set("program", text(&WASMTIME.program(&self.cache)));
                values.set("version", WASMTIME.version);
            }
            RunnerKind::Node => {
                let script = self.cache.write("runners/wasm-node.mjs", NODE_RUNNER.as_bytes(), false)?;
                values.set("script", text(&script));
                values.set_if("libraries", self.library_path(NODE_LIBRARIES));
                self.program(kind, &self.node(), &mut values)?;
            }
        }
        Ok(RunnerSpec { binfmt: self.binfmt(target), ..runners::spec(&target.name, kind, &values) })
    }

    /// Says where an emulator is, and which version it is of.
    fn program(&self, kind: RunnerKind, program: &Path, values: &mut Values) -> Result<()> {
        values.set("version", version_of(&self.cache, program, &runners::variables(kind, values))?);
        values.set("program", text(program));
        Ok(())
    }

    fn node(&self) -> PathBuf {
        which("node").unwrap_or_else(|| NODE.program(&self.cache))
    }

    /// Returns the directories in which a program of an unpacked bundle finds its shared libraries, where the bundle is here.
    fn library_path(&self, bundle: &str) -> Option<String> {
        let root = self.cache.path("packages").join(bundle);
        let folders = || library_folders(&root).iter().map(|folder| text(folder)).collect::<Vec<_>>().join(":");
        root.exists().then(folders)
    }

    /// Formats that the private binfmt_misc knows for this row: those of every emulator that is here, so that a test may
    /// start programs of other rows, too.
    fn binfmt(&self, target: &Target) -> BTreeMap<String, PathBuf> {
        let mut entries = BTreeMap::new();
        for arch in MACHINES.iter().map(|machine| machine.qemu).filter(|qemu| !qemu.is_empty()) {
            let program = self.qemu_user(arch);
            // Where the kernel runs them itself, nothing else should.
            let is_wanted = arch != "i386" || (target.qemu.as_deref() == Some("i386") && !is_native(target));
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

/// qemu's name for the build machine's own processor.
fn native_qemu_arch() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_needs_no_library_of_any_release_of_ubuntu() {
        let folder = tempfile::tempdir().unwrap();
        let emulators = Emulators::new(&Cache::at(folder.path()));
        let names = |suite| emulators.qemu_user_bundle("aarch64").names_in(suite);
        for (suite, name) in [("trixie", "qemu-user"), ("noble", "qemu-user-static"), ("resolute", "qemu-user")] {
            assert_eq!(names(suite), [name], "{suite}");
        }
        let program = folder.path().join("packages/qemu-user/usr/bin/qemu-aarch64-static");
        crate::cache::write_whole(&program, b"", true).unwrap();
        assert_eq!(emulators.qemu_user("aarch64"), program);
    }
}
