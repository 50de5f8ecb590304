//! The table of targets: one row of data for each.
//!
//! [`Table::load`] reads the rows that ship with cross-flake and lays those of the user's workspace over them.

mod platform;
mod rules;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use crate::provider::portable::sysroot;
use crate::settings;
use cross_flake_runner::RunnerKind;
pub use platform::{Platform, System};

/// The table that ships with cross-flake.
const BUILT_IN: &str = include_str!("../../data/targets.toml");

/// How far a target is taken.
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

/// Where the C compiler of a target comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cc {
    /// Whatever the provider prefers: `pkgsCross` for nix, zig for portable.
    #[default]
    Provider,
    /// Only zig can.
    Zig,
}

/// What links the programs of a target.
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
    /// The folder in the package that stands for the target's `/`.
    pub root: String,
}

/// What the Go toolchain calls a target (`go tool dist list`).
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
    /// How far the target is taken.
    pub level: Level,
    /// Why a row of level `link` is not run.
    #[serde(default)]
    pub reason: Option<String>,
    /// Which of Rust's libraries the target has.
    #[serde(default)]
    pub std: StdKind,
    /// A custom target specification (JSON), relative to the file that names it.
    #[serde(default)]
    pub spec: Option<PathBuf>,
    /// Where the C compiler comes from.
    #[serde(default)]
    pub cc: Cc,
    /// What links.
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
    /// What runs the programs where the build machine itself cannot.
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
    /// What the Go toolchain calls it; none where Go does not go.
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

    /// What to hand to `zig cc -target`: with the glibc floor, where the row has one.
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

/// One file of rows, kept with its text so that an error can name the line.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text[..offset.min(self.text.len())].matches('\n').count() + 1
    }

    fn error(&self, offset: usize, row: &str, field: Option<&str>, what: &str) -> anyhow::Error {
        let field = field.map(|f| format!(", field `{f}`")).unwrap_or_default();
        anyhow!("{}:{}: row `{row}`{field}: {what}", self.path.display(), self.line(offset))
    }

    fn parse(&self) -> Result<DeTable<'_>> {
        DeTable::parse(self.text).map(toml::Spanned::into_inner).map_err(|e| {
            let line = e.span().map_or(1, |s| self.line(s.start));
            anyhow!("{}:{line}: {}", self.path.display(), e.message())
        })
    }

    /// The offset of a field of a row, or of the row itself.
    fn offset(&self, row: &str, field: &str) -> Option<usize> {
        let table = self.parse().ok()?;
        let rows = table.get("target")?.get_ref().as_table()?;
        let fields = rows.get(row)?.get_ref().as_table()?;
        fields.iter().find(|(key, _)| key.get_ref().as_ref() == field).map(|(key, _)| key.span().start)
    }
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

/// The rows of one file, each checked for unknown fields and wrong types, so that an error can name the line.
fn source_rows(source: &Source<'_>) -> Result<Vec<(String, toml::Table)>> {
    let document = source.parse()?;
    for (key, _) in &document {
        if key.get_ref() != "target" {
            bail!(
                "{}:{}: unknown key `{}`: a row is a table named [target.<name>]",
                source.path.display(),
                source.line(key.span().start),
                key.get_ref()
            );
        }
    }
    let Some(rows) = document.get("target") else { return Ok(Vec::new()) };
    let DeValue::Table(rows) = rows.get_ref() else {
        bail!("{}: `target` must be a table of rows", source.path.display());
    };
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let mut out = Vec::new();
    for (name, fields) in rows {
        let row = name.get_ref().as_ref();
        let DeValue::Table(fields) = fields.get_ref() else {
            return Err(source.error(name.span().start, row, None, "must be a table"));
        };
        let mut plain = toml::Table::new();
        for (key, value) in fields {
            let field = key.get_ref().as_ref();
            let text = &source.text[value.span()];
            // One field at a time through serde, so that its error belongs to this line.
            let mut value: toml::Value = toml::from_str::<toml::Table>(&format!("value = {text}"))
                .ok()
                .and_then(|mut t| t.remove("value"))
                .or_else(|| inline_table(value.get_ref()))
                .ok_or_else(|| source.error(key.span().start, row, Some(field), "cannot be read"))?;
            check_field(field, &value).map_err(|e| source.error(key.span().start, row, Some(field), &e))?;
            if field == "spec"
                && let Some(spec) = value.as_str()
            {
                value = folder.join(spec).to_string_lossy().into_owned().into();
            }
            plain.insert(field.to_owned(), value);
        }
        out.push((row.to_owned(), plain));
    }
    Ok(out)
}

/// A `[target.x.runtime]` written as a table of its own has no text to take over.
fn inline_table(value: &DeValue<'_>) -> Option<toml::Value> {
    let DeValue::Table(table) = value else { return None };
    let mut out = toml::Table::new();
    for (key, value) in table {
        let value = value.get_ref();
        let value = value.as_bool().map(toml::Value::Boolean).or_else(|| Some(value.as_str()?.into()))?;
        out.insert(key.get_ref().to_string(), value);
    }
    Some(out.into())
}

/// Whether serde takes this one field, given a row that is otherwise complete.
fn check_field(field: &str, value: &toml::Value) -> std::result::Result<(), String> {
    let mut probe = toml::Table::from_iter([
        ("triple".to_owned(), toml::Value::from("x-y-z")),
        ("level".to_owned(), toml::Value::from("run")),
    ]);
    probe.insert(field.to_owned(), value.clone());
    probe.try_into::<Target>().map(drop).map_err(|e| e.message().trim().to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Result<Table> {
        Table::from_sources(&[
            Source { path: Path::new("targets.toml"), text: BUILT_IN },
            Source { path: Path::new("/ws/targets.toml"), text },
        ])
    }

    fn error(text: &str) -> String {
        user(text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_table_is_valid() {
        let table = Table::built_in().unwrap();
        assert!(table.rows().len() >= 23);
        assert_eq!(table.rows()[0].name, "x86_64-linux");
    }

    #[test]
    fn a_row_is_found_by_name_and_by_triple() {
        let table = Table::built_in().unwrap();
        assert_eq!(table.find("aarch64-linux").unwrap().triple, "aarch64-unknown-linux-gnu");
        assert_eq!(table.find("x86_64-pc-windows-gnu").unwrap().name, "windows-x64");
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest() {
        let error = Table::built_in().unwrap().find("arch64-linux").unwrap_err().to_string();
        assert!(error.contains("did you mean aarch64-linux"), "{error}");
    }

    #[test]
    fn a_user_overrides_one_field_and_keeps_the_others() {
        let table = user("[target.aarch64-linux]\nglibc = \"2.31\"\n").unwrap();
        let row = table.find("aarch64-linux").unwrap();
        assert_eq!(row.glibc.as_deref(), Some("2.31"));
        assert_eq!(row.qemu.as_deref(), Some("aarch64"));
    }

    #[test]
    fn a_user_adds_a_row_with_a_spec_beside_its_file() {
        let text = "[target.my-board]\ntriple = \"my-board\"\nlevel = \"link\"\nreason = \"no emulator\"\nspec = \"my-board.json\"\nstd = \"core\"\n";
        let table = user(text).unwrap();
        assert_eq!(table.find("my-board").unwrap().spec.as_deref(), Some(Path::new("/ws/my-board.json")));
    }

    #[test]
    fn errors_name_file_line_row_and_field() {
        assert_eq!(
            error("[target.aarch64-linux]\nglibc = \"2.31\"\nqemo = \"x\"\n").split(": unknown").next().unwrap(),
            "/ws/targets.toml:3: row `aarch64-linux`, field `qemo`"
        );
        assert!(error("[target.a]\ntriple = 3\n").starts_with("/ws/targets.toml:2: row `a`, field `triple`: "));
        assert_eq!(
            error("\n[target.a]\ntriple = \"a-b-c\"\n"),
            "/ws/targets.toml:2: row `a`, field `level`: is missing"
        );
        assert!(error("[target.a]\ntriple = \"a-b-c\"\nlevel = \"run\"\n").contains("field `runner`: is missing"));
        assert!(
            error("[target.aarch64-linux]\nglibc = \"new\"\n")
                .starts_with("/ws/targets.toml:2: row `aarch64-linux`, field `glibc`")
        );
        assert!(error("[targets.a]\n").starts_with("/ws/targets.toml:1: unknown key `targets`"));
        assert!(error("[target.a\n").starts_with("/ws/targets.toml:1: "));
    }

    #[test]
    fn debians_architecture_is_a_name_and_for_glibc_only() {
        let row = |name: &str| Table::built_in().unwrap().find(name).unwrap().debian.clone();
        assert_eq!(row("armv7hf-linux").as_deref(), Some("armhf"));
        assert_eq!(row("aarch64-linux-musl"), None);
        for text in ["", "ARM64", "../arm64", "arm64 armhf", "64"] {
            let error = error(&format!("[target.aarch64-linux]\ndebian = \"{text}\"\n"));
            assert!(error.contains(":2: row `aarch64-linux`, field `debian`: must be a name"), "{text}: {error}");
        }
        assert!(error("[target.aarch64-linux-musl]\ndebian = \"arm64\"\n").contains("needs `glibc`"));
    }

    #[test]
    fn a_processor_is_named_to_zig_and_to_clang() {
        let error = error("[target.aarch64-linux]\nzig-cpu = \"cortex_a72\"\n");
        assert!(error.contains(":2: row `aarch64-linux`, field `zig-cpu`: is for zig's libraries alone"), "{error}");
        user("[target.aarch64-linux]\nzig-cpu = \"cortex_a72\"\ncflags = [\"-mcpu=cortex-a72\"]\n").unwrap();
    }

    #[test]
    fn packages_are_written_into_a_table_that_keeps_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.toml");
        let packages = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        set_packages(&file, "aarch64-linux", &packages(&["liblzma-dev"])).unwrap();
        let new = "[target.aarch64-linux]\npackages = [\"liblzma-dev\"]\n";
        assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
        let before = "# Ours.\n[target.aarch64-linux] # new\nglibc = \"2.31\" # old\n";
        std::fs::write(&file, before).unwrap();
        set_packages(&file, "aarch64-linux", &packages(&["a1", "b1"])).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("{before}packages = [\"a1\", \"b1\"]\n"));
        assert_eq!(user(&text).unwrap().find("aarch64-linux").unwrap().packages, ["a1", "b1"]);
        std::fs::write(&file, BUILT_IN).unwrap();
        assert!(set_packages(&file, "aarch64-linux", &packages(&["a1"])).is_err());
    }

    #[test]
    fn packages_are_debians_names_for_rows_that_have_some() {
        assert!(
            error("[target.windows-x64]\npackages = [\"zlib1g-dev\"]\n").contains("field `packages`: needs `debian`")
        );
        assert!(error("[target.aarch64-linux]\npackages = [\"-y\"]\n").contains("`-y` is no name of a package"));
    }

    #[test]
    fn a_c_compiler_is_for_systems_that_have_a_recipe() {
        assert!(error("[target.x86_64-freebsd]\nzig = \"x86_64-netbsd\"\n").contains("field `zig`: is for Linux"));
    }

    #[test]
    fn two_rows_never_share_a_triple() {
        let text = "[target.mine]\ntriple = \"aarch64-unknown-linux-gnu\"\nlevel = \"link\"\nreason = \"x\"\n";
        assert!(error(text).contains("same triple"));
    }
}
