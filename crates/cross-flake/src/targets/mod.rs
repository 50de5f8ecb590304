//! The table of targets: one row of data for each.
//!
//! [`Table::load`] reads the rows that ship with cross-flake and lays those of the user's workspace over them.

mod platform;
mod rules;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::provider::portable::sysroot;
use crate::settings;
use cross_flake_runner::RunnerKind;
pub use platform::{Platform, System};
use source::{Source, source_rows};

/// The table that ships with cross-flake.
const BUILT_IN: &str = include_str!("../../data/targets.toml");

/// The steps that a target is taken through.
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

/// The origin of a target's C compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cc {
    /// Whatever the provider prefers: `pkgsCross` for nix, zig for portable.
    #[default]
    Provider,
    /// Only zig can.
    Zig,
}

/// The program that links those of a target.
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

/// The Go toolchain's names of a target (`go tool dist list`).
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
    /// The steps that the target is taken through.
    pub level: Level,
    /// The reason for which a row of level `link` is not run.
    #[serde(default)]
    pub reason: Option<String>,
    /// Which of Rust's libraries the target has.
    #[serde(default)]
    pub std: StdKind,
    /// A custom target specification (JSON), relative to the file that names it.
    #[serde(default)]
    pub spec: Option<PathBuf>,
    /// The origin of the C compiler.
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
    /// The runner of the programs where the build machine itself cannot run them.
    #[serde(default)]
    pub runner: Option<RunnerKind>,
    /// The architecture in the name of the qemu program.
    #[serde(default)]
    pub qemu: Option<String>,
    /// The processor that qemu plays; `QEMU_CPU` in the environment wins.
    #[serde(default)]
    pub qemu_cpu: Option<String>,
    /// The board that qemu-system plays.
    #[serde(default)]
    pub machine: Option<String>,
    /// The C library to run with.
    #[serde(default)]
    pub runtime: Option<Runtime>,
    /// The Go toolchain's names; `None` where Go does not go.
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
}

/// A triple as environment variables of cargo spell it: `AARCH64_UNKNOWN_LINUX_GNU`.
pub fn upper(triple: &str) -> String {
    triple.replace(['-', '.'], "_").to_uppercase()
}

impl Target {
    /// The triple as environment variables of cargo spell it: `AARCH64_UNKNOWN_LINUX_GNU`.
    pub fn upper(&self) -> String {
        upper(&self.triple)
    }

    /// The triple as the `cc` crate and its kin spell it: `aarch64_unknown_linux_gnu`.
    pub fn lower(&self) -> String {
        self.triple.replace('-', "_")
    }

    /// The processor architecture of the triple.
    pub fn arch(&self) -> &str {
        self.triple.split('-').next().unwrap_or_default()
    }

    /// Returns the word for `zig cc -target`: with the glibc floor, where the row has one.
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

    /// Returns whether C programs of the target have a C library.
    pub fn has_libc(&self) -> bool {
        self.zig.as_deref().is_some_and(|zig| !zig.contains("freestanding"))
    }

    /// System and processor.
    pub fn platform(&self) -> Platform<'_> {
        platform::of(&self.triple, self.arch())
    }

    /// Returns whether the triple's system is Linux.
    pub fn is_linux(&self) -> bool {
        self.platform().system == System::Linux
    }

    /// Returns whether the triple's system is Windows.
    pub fn is_windows(&self) -> bool {
        self.platform().system == System::Windows
    }

    /// Returns whether programs are for WASI.
    pub fn is_wasi(&self) -> bool {
        self.platform().system == System::Wasi
    }

    /// Returns whether the triple's system is macOS.
    pub fn is_macos(&self) -> bool {
        self.platform().system == System::Macos
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// All rows, in the order in which the files give them.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Target>,
}

impl Table {
    /// The rows that ship with cross-flake.
    ///
    /// # Errors
    /// Never: the tests read them.
    pub fn built_in() -> Result<Table> {
        Table::from_sources(&[Source { path: Path::new("targets.toml"), text: BUILT_IN }])
    }

    /// The shipped rows, with those of `workspace/targets.toml` laid over them where that file exists.
    ///
    /// # Errors
    /// A malformed file: the error names file, line, row and field.
    pub fn load(workspace: &Path) -> Result<Table> {
        let built_in = Source { path: Path::new("targets.toml"), text: BUILT_IN };
        let path = workspace.join("targets.toml");
        if !path.exists() {
            return Table::from_sources(&[built_in]);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if text == BUILT_IN {
            return Table::from_sources(&[built_in]);
        }
        Table::from_sources(&[built_in, Source { path: &path, text: &text }])
    }

    fn from_sources(sources: &[Source<'_>]) -> Result<Table> {
        // Rows as plain tables first: a later file overrides single fields of an earlier row.
        let mut merged: Vec<(String, toml::Table)> = Vec::new();
        for source in sources {
            for (name, fields) in source_rows(source)? {
                match merged.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, row)) => row.extend(fields),
                    None => merged.push((name, fields)),
                }
            }
        }
        let mut rows = Vec::new();
        for (name, fields) in merged {
            let locate = |field: &str, what: &str| {
                let place = sources.iter().rev().find_map(|s| s.offset(&name, field).map(|o| (s, o)));
                match place {
                    Some((source, offset)) => source.error(offset, &name, Some(field), what),
                    None => {
                        let source = sources.iter().rev().find(|s| s.text.contains(&name)).unwrap_or(&sources[0]);
                        let offset = source.text.find(&format!("target.{name}")).unwrap_or(0);
                        source.error(offset, &name, Some(field), what)
                    }
                }
            };
            for required in ["triple", "level"] {
                if !fields.contains_key(required) {
                    return Err(locate(required, "is missing"));
                }
            }
            if let Some((field, what)) = rules::broken(&fields) {
                return Err(locate(field, what));
            }
            let mut row: Target =
                fields.try_into().map_err(|e: toml::de::Error| anyhow!("row `{name}`: {}", e.message()))?;
            row.name = name.clone();
            validate(&row).map_err(|(field, what)| locate(field, &what))?;
            rows.push(row);
        }
        for (i, row) in rows.iter().enumerate() {
            if let Some(twin) = rows[..i].iter().find(|r| r.triple == row.triple) {
                bail!("rows `{}` and `{}` have the same triple {}", twin.name, row.name, row.triple);
            }
        }
        Ok(Table { rows })
    }

    /// Every row.
    pub fn rows(&self) -> &[Target] {
        &self.rows
    }

    /// The triples of the rows that have a runner, by their names.
    pub fn runners(&self) -> BTreeMap<String, String> {
        let with_runner = self.rows.iter().filter(|row| row.runner.is_some());
        with_runner.map(|row| (row.name.clone(), row.triple.clone())).collect()
    }

    /// The row of this friendly name or triple.
    ///
    /// # Errors
    /// An unknown name; the error suggests the nearest ones.
    pub fn find(&self, name: &str) -> Result<&Target> {
        if let Some(row) = self.rows.iter().find(|r| r.name == name || r.triple == name) {
            return Ok(row);
        }
        let mut near: Vec<(f64, &str)> = self
            .rows
            .iter()
            .flat_map(|r| [r.name.as_str(), r.triple.as_str()])
            .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<&str> = near.iter().take(3).filter(|(score, _)| *score > 0.7).map(|(_, n)| *n).collect();
        let hint = match near.as_slice() {
            [] => String::new(),
            near => format!("; did you mean {}?", near.join(", ")),
        };
        bail!("unknown target `{name}`{hint}\n`{} list` shows every target", settings::program())
    }
}

/// Writes the field `packages` of a row into a workspace's own table, and leaves the rest of the file, comments included.
///
/// # Errors
/// The file is no table of targets, cannot be written, or is the one that ships with cross-flake.
pub fn set_packages(file: &Path, row: &str, packages: &[String]) -> Result<()> {
    let text = if file.exists() {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    } else {
        String::new()
    };
    if text == BUILT_IN {
        bail!("{} is the table that ships with cross-flake: `--apart` leaves it alone", file.display());
    }
    let mut document: toml_edit::DocumentMut =
        text.parse().with_context(|| format!("cannot read {}", file.display()))?;
    let rows = document.entry("target").or_insert_with(|| {
        let mut rows = toml_edit::Table::new();
        // Only the rows have a line of their own.
        rows.set_implicit(true);
        rows.into()
    });
    let rows = rows.as_table_like_mut().with_context(|| format!("{}: `target` is no table", file.display()))?;
    let fields = rows.entry(row).or_insert_with(|| toml_edit::Table::new().into());
    let fields =
        fields.as_table_like_mut().with_context(|| format!("{}: `target.{row}` is no table", file.display()))?;
    fields.insert("packages", toml_edit::value(toml_edit::Array::from_iter(packages)));
    crate::cache::write_whole(file, document.to_string().as_bytes(), false)
}

/// Checks what serde and the rules cannot see: how values are spelled.
fn validate(row: &Target) -> std::result::Result<(), (&'static str, String)> {
    let bad = |field, what: &str| Err((field, what.to_owned()));
    let name_ok = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if row.triple.is_empty() || !row.triple.chars().all(name_ok) {
        return bad("triple", "must be letters, digits, `-`, `_` and `.`");
    }
    if row.name.is_empty() || !row.name.chars().all(name_ok) {
        return bad("triple", "the row's name must be letters, digits, `-`, `_` and `.`");
    }
    if let Some(floor) = &row.glibc
        && GlibcFloor::from_str(floor).is_err()
    {
        return bad("glibc", "must be a version like \"2.28\"");
    }
    if let Some(debian) = &row.debian
        && (!debian.starts_with(|c: char| c.is_ascii_lowercase())
            || !debian.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    {
        return bad("debian", "must be a name like \"arm64\", as `dpkg --print-architecture` gives it");
    }
    match row.packages.iter().find(|name| !sysroot::is_name(name)) {
        Some(name) => Err(("packages", format!("`{name}` is no name of a package of Debian"))),
        None => Ok(()),
    }
}

/// A version of glibc as a row spells it; used to check the spelling only.
struct GlibcFloor;

impl FromStr for GlibcFloor {
    type Err = ();

    fn from_str(s: &str) -> std::result::Result<Self, ()> {
        let (major, minor) = s.split_once('.').ok_or(())?;
        let number = |part: &str| part.parse::<u16>().map_err(drop);
        number(major)?;
        number(minor)?;
        Ok(GlibcFloor)
    }
}
