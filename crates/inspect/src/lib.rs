//! Reads what a built file is: its format, machine, loader, libraries and the glibc that it needs.
//!
//! A compiler that ignores `CC` links for the build machine and reports success; only the file itself tells. So
//! every program is inspected before it counts as built: [`inspect`], then [`Inspection::check`] against
//! [`expected_of_triple`].

mod machine;
mod read;
mod windows;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail, ensure};
use object::read::ReadCache;
use serde::{Serialize, Serializer};

pub use machine::{Endian, MACHINES, Machine, MachineRow};

/// The container of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Linux, the BSDs, bare metal.
    Elf,
    /// Windows and UEFI; also the COFF object files that they are linked from.
    Pe,
    /// macOS and its kin.
    MachO,
    /// WebAssembly.
    Wasm,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::Elf => "ELF",
            Format::Pe => "PE",
            Format::MachO => "Mach-O",
            Format::Wasm => "wasm",
        })
    }
}

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A program at a fixed address; also every `.exe` and every wasm command.
    Executable,
    /// A program that may be loaded anywhere.
    Pie,
    /// A library for the loader: `.so`, `.dll`, `.dylib`, a Mach-O bundle.
    SharedLibrary,
    /// An object file, which is not linked yet.
    Relocatable,
    /// A wasm module that its host calls: it has no `_start`.
    Module,
    /// A wasm component (WASI 0.2 and later).
    Component,
    /// Anything else, such as a core dump or a driver.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Executable => "executable",
            Kind::Pie => "position-independent executable",
            Kind::SharedLibrary => "shared library",
            Kind::Relocatable => "object file, not linked",
            Kind::Module => "module without a start function",
            Kind::Component => "component",
            Kind::Other => "other",
        })
    }
}

/// The way in which a 32-bit ARM program passes floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FloatAbi {
    /// In integer registers (`eabi`).
    Soft,
    /// In floating-point registers (`eabihf`).
    Hard,
}

/// Returns true for a file that [`inspect`] knows: ELF, PE, Mach-O or wasm.
pub fn is_program(path: &Path) -> bool {
    let mut head = [0; 4];
    if File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head)).is_err() {
        return false;
    }
    // Mach-O: MH_MAGIC and MH_MAGIC_64 of mach-o/loader.h, as little-endian machines write them.
    matches!(&head, b"\x7fELF" | b"\0asm" | b"\xce\xfa\xed\xfe" | b"\xcf\xfa\xed\xfe") || head.starts_with(b"MZ")
}

/// Returns the content of a section of a program; `None` if it has no such section.
///
/// # Errors
/// The file cannot be read, or is no program.
pub fn section(path: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let shown = path.display();
    let content = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    read::section_of(&content, name).with_context(|| format!("{shown} is damaged, or is no program"))
}

/// Checks that a program is for the machine that a triple means, and runs with the oldest glibc that its row promises.
///
/// # Errors
/// It cannot be read, or is not; the text names the file and both machines, or both versions.
pub fn check_for(file: &Path, triple: &str, row: &str, glibc: Option<&str>) -> std::result::Result<(), String> {
    let inspection = inspect(file).map_err(|e| format!("{e:#}"))?;
    if let Some(expected) = expected_of_triple(triple) {
        inspection.check(&expected)?;
    }
    if let (Some(floor), Some(needs)) = (glibc, inspection.glibc)
        && let Ok(floor) = floor.parse::<GlibcVersion>()
        && needs > floor
    {
        return Err(format!(
            "{} needs glibc {needs}, but the row `{row}` promises {floor}\n\
             a library that was built elsewhere came in, or the row's `glibc` is too low",
            file.display(),
        ));
    }
    Ok(())
}

/// A version of the GNU C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlibcVersion {
    /// The 2 of 2.28.
    pub major: u16,
    /// The 28 of 2.28.
    pub minor: u16,
    /// The 5 of 2.2.5; 0 where there is none.
    pub patch: u16,
}

impl FromStr for GlibcVersion {
    type Err = anyhow::Error;

    fn from_str(s: &str) -> Result<Self> {
        let parts = s.split('.').map(str::parse).collect::<Result<Vec<u16>, _>>();
        match parts.as_deref() {
            Ok(&[major, minor]) => Ok(Self { major, minor, patch: 0 }),
            Ok(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(anyhow!("`{s}` is not a version of glibc: expected two numbers, as in 2.28")),
        }
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            0 => f.pad(&format!("{}.{}", self.major, self.minor)),
            patch => f.pad(&format!("{}.{}.{patch}", self.major, self.minor)),
        }
    }
}

impl Serialize for GlibcVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The memory that a program takes once it is loaded, as `size` counts it: by sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Bytes that are only read: code, constants, tables.
    pub text: u64,
    /// Bytes that are written to and begin with values of their own; firmware keeps those in flash as well.
    pub data: u64,
    /// Bytes that begin as zeros, and take no room in the file.
    pub bss: u64,
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, data, bss } = self;
        write!(f, "text {text}, data {data}, bss {bss}")
    }
}

/// All that [`inspect`] found out about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Its container.
    pub format: Format,
    /// The processor that it is for.
    pub machine: Machine,
    /// The width of a pointer in bits.
    pub pointer_width: u8,
    /// The order of bytes.
    pub endian: Endian,
    /// Its purpose.
    pub kind: Kind,
    /// The dynamic loader that it names.
    pub interpreter: Option<String>,
    /// Libraries that it loads: `DT_NEEDED`, DLLs (also the delay-loaded), dylibs, the modules a wasm imports from.
    pub libraries: Vec<String>,
    /// The oldest glibc that it starts with.
    pub glibc: Option<GlibcVersion>,
    /// It is linked and wants neither a loader nor anything from outside.
    pub statically_linked: bool,
    /// It has no symbol table; of wasm, no `name` section.
    pub stripped: bool,
    /// `DT_RPATH`, or `LC_RPATH` of Mach-O.
    pub rpath: Vec<String>,
    /// `DT_RUNPATH`.
    pub runpath: Vec<String>,
    /// The oldest version of its system that it says to run on (Mach-O only).
    pub minimum_os: Option<String>,
    /// The way in which it passes floating-point numbers (linked 32-bit ARM ELF only).
    pub float_abi: Option<FloatAbi>,
    /// Its size in memory (ELF with sections only).
    pub sizes: Option<Sizes>,
}

/// Writes a path as text: JSON has no bytes that are not UTF-8, and paths do.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Inspection {
    /// Checks that the file is for the expected machine; the error is a sentence that says what it is for.
    pub fn check(&self, expected: &Expectation) -> Result<(), String> {
        let found = self.built_for();
        if found == *expected {
            return Ok(());
        }
        Err(format!("{} is built for {found}, not for {expected}", self.path.display()))
    }

    /// Returns the libraries that a program for Windows loads and that neither Windows nor the program's directory has: without them it
    /// does not start.
    pub fn missing_libraries(&self) -> Vec<String> {
        if self.format == Format::Pe { windows::missing(&self.path, &self.libraries) } else { Vec::new() }
    }

    /// Returns an inspection for wasm32 with nothing found yet.
    fn blank(path: &Path, format: Format, kind: Kind) -> Self {
        Self {
            path: path.to_owned(),
            format,
            machine: Machine("wasm32"),
            pointer_width: 32,
            endian: Endian::Little,
            kind,
            interpreter: None,
            libraries: Vec::new(),
            glibc: None,
            statically_linked: false,
            stripped: false,
            rpath: Vec::new(),
            runpath: Vec::new(),
            minimum_os: None,
            float_abi: None,
            sizes: None,
        }
    }

    fn built_for(&self) -> Expectation {
        Expectation {
            format: self.format,
            machine: self.machine,
            pointer_width: self.pointer_width,
            endian: self.endian,
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &[String]| (!items.is_empty()).then(|| items.join(", "));
        let linking = if self.statically_linked { "static" } else { "dynamic" };
        let symbols = if self.stripped { "stripped" } else { "present" };
        let float_abi = self.float_abi.map(|abi| match abi {
            FloatAbi::Soft => "soft".to_owned(),
            FloatAbi::Hard => "hard".to_owned(),
        });
        let rows = [
            ("built for", Some(self.built_for().to_string())),
            ("kind", Some(self.kind.to_string())),
            ("linking", (self.kind != Kind::Relocatable).then(|| linking.to_owned())),
            ("loader", self.interpreter.clone()),
            ("libraries", list(&self.libraries)),
            ("missing", list(&self.missing_libraries())),
            ("glibc", self.glibc.map(|v| format!("{v} or later"))),
            ("minimum OS", self.minimum_os.clone()),
            ("float ABI", float_abi),
            ("rpath", list(&self.rpath)),
            ("runpath", list(&self.runpath)),
            ("symbols", Some(symbols.to_owned())),
            ("size", self.sizes.map(|sizes| sizes.to_string())),
        ];
        write!(f, "{}", self.path.display())?;
        for (label, value) in rows {
            if let Some(value) = value {
                write!(f, "\n  {label:<11} {value}")?;
            }
        }
        Ok(())
    }
}

/// The kind of file that runs on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The container.
    pub format: Format,
    /// The processor.
    pub machine: Machine,
    /// The width of a pointer in bits.
    pub pointer_width: u8,
    /// The order of bytes.
    pub endian: Endian,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, machine, pointer_width, endian } = self;
        write!(f, "{machine} ({format}, {pointer_width}-bit, {endian})")
    }
}

/// Returns what the programs of a Rust triple must be, and `None` for an unknown triple, as that of a custom target may be.
pub fn expected_of_triple(triple: &str) -> Option<Expectation> {
    let (arch, system) = triple.split_once('-')?;
    let row = machine::machine_of_arch(arch)?;
    let is = |word| system.split('-').any(|part| part == word);
    let format = match () {
        () if arch.starts_with("wasm") => Format::Wasm,
        () if is("windows") || is("uefi") || is("cygwin") => Format::Pe,
        () if is("apple") => Format::MachO,
        () if is("aix") => return None,
        () => Format::Elf,
    };
    let narrow = system.ends_with("x32") || system.ends_with("ilp32");
    let pointer_width = if narrow { 32 } else { row.pointer_width };
    Some(Expectation { format, machine: Machine(row.name), pointer_width, endian: row.endian })
}

/// Explains "Exec format error" in plain words: what the file is built for, what this machine runs, and what runs the file.
///
/// `own_arch` is the machine's architecture as a triple or `uname -m` spells it, `runner` the label of what runs
/// such files here.
pub fn explain_exec_format_error(inspection: &Inspection, own_arch: &str, runner: Option<&str>) -> String {
    let path = inspection.path.display();
    let found = inspection.built_for();
    let system = std::env::consts::OS;
    let native = expected_of_triple(&format!("{own_arch}-unknown-{system}"));
    if inspection.kind == Kind::Relocatable {
        return format!("{path} is an object file for {found}: it becomes a program only when it is linked");
    }
    let why = match native {
        Some(native) if native == found => format!(
            "{path} is built for {found}, which this machine runs, but its system refuses this file: \
             it may be for another system or damaged"
        ),
        Some(native) => format!("{path} is built for {found}; this machine runs {native}"),
        None => format!("{path} is built for {found}; this machine is {own_arch}"),
    };
    match runner {
        Some(runner) => format!("{why}\n{runner} runs it here"),
        None => format!("{why}\nnothing is set up to run it here"),
    }
}

/// Explains the same where a runner was given a program of another target.
pub fn explain_wrong_runner(inspection: &Inspection, given: &str, wanted: Option<String>) -> String {
    let path = inspection.path.display();
    let wanted = wanted.map_or("no target of the table is".to_owned(), |runner| format!("{runner} runs it here"));
    format!("{path} is built for {}, which {given} does not run\n{wanted}", inspection.built_for())
}

/// Inspects a file that holds one program.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let mut all = inspect_all(path)?;
    if all.len() > 1 {
        let machines: Vec<_> = all.iter().map(|i| i.machine.to_string()).collect();
        let machines = machines.join(" and ");
        bail!("{} is a universal Mach-O file with programs for {machines}", path.display());
    }
    all.pop().with_context(|| format!("{} is a universal Mach-O file without any program", path.display()))
}

/// Inspects a file: one entry, or of a universal Mach-O file one for each program in it.
pub fn inspect_all(path: &Path) -> Result<Vec<Inspection>> {
    let shown = path.display();
    let metadata = fs::metadata(path).with_context(|| format!("cannot inspect {shown}"))?;
    ensure!(!metadata.is_dir(), "{shown} is a folder, not a program");
    // A pipe or a device would block.
    ensure!(metadata.is_file(), "{shown} is not a regular file");
    let file = File::open(path).with_context(|| format!("cannot inspect {shown}"))?;
    // Test programs carry hundreds of megabytes of debug information, of which nothing is read here.
    read::inspect_data(path, &ReadCache::new(file))
}

#[cfg(test)]
mod tests;
