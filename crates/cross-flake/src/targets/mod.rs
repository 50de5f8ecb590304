//! The table of targets: one row of data for each.

mod drafts;
mod near;
pub mod platform;
mod rules;
mod select;
mod table;

use std::fmt;
use std::path::PathBuf;

use cross_flake_runner::RunnerKind;
use serde::{Deserialize, Serialize};

pub use platform::{Platform, System};
pub use rules::is_package;
pub use select::RowSelection;
pub use table::{Table, set_packages};

/// The last thing that is done for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Built, and its tests executed.
    Run,
    /// Built, linked and inspected; the row's `reason` says why nothing runs.
    Link,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Run => "run",
            Level::Link => "link",
        })
    }
}

/// Which of Rust's own libraries exist for a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StdKind {
    /// `std`, with `test` and `proc_macro`.
    #[default]
    Std,
    /// `core` and `alloc`: bare metal.
    Core,
}

/// The origin of a C compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cc {
    /// Whatever the provider prefers: `pkgsCross` for nix, zig for portable.
    #[default]
    Provider,
    /// Only zig can.
    Zig,
}

/// The program that links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Linker {
    /// The C compiler.
    #[default]
    Cc,
    /// The linker of the C compiler, which rustc calls by itself.
    Ld,
    /// The `rust-lld` of the Rust toolchain, which rustc picks by itself.
    RustLld,
}

/// The distribution's package that holds the C library to run a target's programs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Package name.
    pub package: String,
    /// The directory in the package that stands for the target's `/`.
    pub root: String,
}

/// The Go toolchain's names for a target (`go tool dist list`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// `GOOS`.
    pub os: String,
    /// `GOARCH`.
    pub arch: String,
    /// `GOARM`: the version of the architecture, where `arch` is `arm`.
    #[serde(default)]
    pub arm: Option<String>,
    /// `CGO_ENABLED`: whether Go programs may call C.
    pub cgo: bool,
}

impl Go {
    /// The program by which `go test` and `go run` start what they have built (`go help run`).
    pub fn exec(&self) -> String {
        format!("go_{}_{}_exec", self.os, self.arch)
    }
}

/// One row of the table. Field names in TOML are kebab-case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// The friendly name, `aarch64-linux`: the key of the row.
    #[serde(skip_deserializing)]
    pub name: String,
    /// The Rust triple, or the name of the custom target that `spec` describes.
    pub triple: String,
    /// Rust's tier of support for the triple (The rustc Book, "Target Tier Policy"); `None` for a custom target.
    #[serde(default)]
    pub tier: Option<u8>,
    /// Among those of a run that names no rows.
    #[serde(default)]
    pub common: bool,
    /// The last thing that is done for it.
    pub level: Level,
    /// The cause of a row being only linked.
    #[serde(default)]
    pub reason: Option<String>,
    /// Which of Rust's libraries the target has.
    #[serde(default)]
    pub std: StdKind,
    /// A custom target specification (JSON), relative to the file that names it.
    #[serde(default)]
    pub spec: Option<PathBuf>,
    /// Microsoft's SDK and C library, as `xwin splat` lays them out, instead of those of cross-flake.
    #[serde(default)]
    pub sdk: Option<PathBuf>,
    /// The origin of its C compiler.
    #[serde(default)]
    pub cc: Cc,
    /// The program that links.
    #[serde(default)]
    pub linker: Linker,
    /// zig's name for the target, without a version of glibc.
    #[serde(default)]
    pub zig: Option<String>,
    /// `-mcpu` for zig, where zig's baseline is not Rust's: what it compiles its libraries for.
    #[serde(default)]
    pub zig_cpu: Option<String>,
    /// More flags for the C compiler, in the words of clang and gcc; among them the processor, where there is a `zig_cpu`.
    #[serde(default)]
    pub cflags: Vec<String>,
    /// Flags for rustc and rustdoc, in `CARGO_TARGET_<TRIPLE>_RUSTFLAGS` and `…_RUSTDOCFLAGS`.
    #[serde(default)]
    pub rustflags: Vec<String>,
    /// The oldest glibc that the programs run with.
    #[serde(default)]
    pub glibc: Option<String>,
    /// The dynamic loader that the programs name.
    #[serde(default)]
    pub interpreter: Option<PathBuf>,
    /// The emulator of its programs, where the host cannot run them itself.
    #[serde(default)]
    pub runner: Option<RunnerKind>,
    /// The architecture in the name of the qemu program.
    #[serde(default)]
    pub qemu: Option<String>,
    /// The processor that qemu plays; `QEMU_CPU` in the environment wins.
    #[serde(default)]
    pub qemu_cpu: Option<String>,
    /// The oldest processor that the target promises to run on, by qemu's name; what `--floor` has it play.
    #[serde(default)]
    pub floor_cpu: Option<String>,
    /// The board that qemu-system plays.
    #[serde(default)]
    pub machine: Option<String>,
    /// The firmware that the board starts with; `none` where qemu would bring its own.
    #[serde(default)]
    pub bios: Option<String>,
    /// The C library to run with.
    #[serde(default)]
    pub runtime: Option<Runtime>,
    /// The Go toolchain's names for it; `None` where Go has none.
    #[serde(default)]
    pub go: Option<Go>,
    /// Debian's name for the architecture, of which packages are taken for the target.
    #[serde(default)]
    pub debian: Option<String>,
    /// Debian's packages for its builds, beside the C library: their headers, libraries, and descriptions for pkg-config.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The target's name in nixpkgs' `pkgsCross`.
    #[serde(default)]
    pub nixpkgs: Option<String>,
    /// Its programs go through the emulator in this run even where the host could run them itself.
    #[serde(skip)]
    pub always_emulated: bool,
}

/// A triple as environment variables of cargo spell it: `AARCH64_UNKNOWN_LINUX_GNU`.
pub fn upper(triple: &str) -> String {
    lower(triple).to_uppercase()
}

/// Returns a triple in the form that names of variables of the crate `cc` and others have.
pub fn lower(triple: &str) -> String {
    triple.replace(['-', '.'], "_")
}

impl Target {
    /// The triple as environment variables of cargo spell it: `AARCH64_UNKNOWN_LINUX_GNU`.
    pub fn upper(&self) -> String {
        upper(&self.triple)
    }

    /// The triple as the `cc` crate and its kin spell it: `aarch64_unknown_linux_gnu`.
    pub fn lower(&self) -> String {
        lower(&self.triple)
    }

    /// The processor architecture of the triple.
    pub fn arch(&self) -> &str {
        self.triple.split('-').next().unwrap_or_default()
    }

    /// Returns the argument of `zig cc -target`: with the glibc floor, where the row has one.
    pub fn zig_target(&self) -> Option<String> {
        let zig = self.zig.as_deref()?;
        Some(match &self.glibc {
            Some(floor) => format!("{zig}.{floor}"),
            None => zig.to_owned(),
        })
    }

    /// The oldest macOS that programs run on, by the version in zig's name for the target.
    pub fn macos_floor(&self) -> Option<&str> {
        self.zig.as_deref()?.split_once("-macos.")?.1.split('-').next()
    }

    /// Tells if C programs of the target have a C library.
    pub fn has_libc(&self) -> bool {
        self.zig.as_deref().is_some_and(|zig| !zig.contains("freestanding"))
    }

    /// Returns system and processor.
    pub fn platform(&self) -> Platform<'_> {
        platform::of(&self.triple, self.arch())
    }

    /// Tells if the triple's system is Linux.
    pub fn is_linux(&self) -> bool {
        self.platform().system == System::Linux
    }

    /// Tells if the triple's system is Windows.
    pub fn is_windows(&self) -> bool {
        self.platform().system == System::Windows
    }

    /// Tells if programs have the ABI of Microsoft's compiler.
    pub fn is_msvc(&self) -> bool {
        self.triple.ends_with("-msvc")
    }

    /// Tells if programs are for WASI.
    pub fn is_wasi(&self) -> bool {
        self.platform().system == System::Wasi
    }

    /// Tells if the triple's system is macOS.
    pub fn is_macos(&self) -> bool {
        self.platform().system == System::Macos
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}
