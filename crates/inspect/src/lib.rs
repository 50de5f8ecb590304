//! What a built file is: its format, machine, loader, libraries and the glibc that it needs.
//!
//! A compiler that ignores `CC` links for the build machine and reports success; only the file itself tells. So
//! every program is inspected before it counts as built: [`inspect`], then [`Inspection::check`] against
//! [`expected_of_triple`].

mod machine;
mod read;

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

/// What a file is for.
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

/// How a 32-bit ARM program passes floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FloatAbi {
    /// In integer registers (`eabi`).
    Soft,
    /// In floating-point registers (`eabihf`).
    Hard,
}

/// Whether a file is one that [`inspect`] knows: ELF, PE, Mach-O or wasm.
pub fn is_program(path: &Path) -> bool {
    let mut head = [0; 4];
    if File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head)).is_err() {
        return false;
    }
    // Mach-O: MH_MAGIC and MH_MAGIC_64 of mach-o/loader.h, as little-endian machines write them.
    matches!(&head, b"\x7fELF" | b"\0asm" | b"\xce\xfa\xed\xfe" | b"\xcf\xfa\xed\xfe") || head.starts_with(b"MZ")
}

/// Whether a program is of the machine that a triple means, and runs with the oldest glibc that its row promises.
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

/// How much memory a program takes once it is loaded, as `size` counts it: by sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// What is only read: code, constants, tables.
    pub text: u64,
    /// What is written to and begins with values of its own; firmware keeps them in flash as well.
    pub data: u64,
    /// What begins with zeros, and takes no room in the file.
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
    /// What it is for.
    pub kind: Kind,
    /// The dynamic loader that it names.
    pub interpreter: Option<String>,
    /// What it wants from outside: `DT_NEEDED`, DLLs (also the delay-loaded), dylibs, the modules a wasm imports from.
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
    /// How it passes floating-point numbers (linked 32-bit ARM ELF only).
    pub float_abi: Option<FloatAbi>,
    /// How large it is in memory (ELF with sections only).
    pub sizes: Option<Sizes>,
}

/// JSON has no bytes that are not UTF-8; paths do.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Inspection {
    /// Whether the file is for the expected machine; if not, a sentence that says what it is for.
    pub fn check(&self, expected: &Expectation) -> Result<(), String> {
        let found = self.built_for();
        if found == *expected {
            return Ok(());
        }
        Err(format!("{} is built for {found}, not for {expected}", self.path.display()))
    }

    /// Of wasm32, and with nothing found yet.
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

/// What a file must be to run on a target.
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

/// What the programs of a Rust triple must be. None where the triple is unknown, as of a custom target may be.
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

/// "Exec format error" in plain words: what the file is built for, what this machine runs, and what runs the file.
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

/// The same where a runner was given a program of another target.
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
mod tests {
    use super::read::inspect_data;
    use super::*;

    fn read(bytes: &[u8]) -> Result<Inspection> {
        inspect_data(Path::new("file"), bytes).map(|mut all| all.remove(0))
    }

    fn refusal(bytes: &[u8]) -> String {
        format!("{:#}", inspect_data(Path::new("file"), bytes).unwrap_err())
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// A program for macOS 11.0 that loads libSystem.
    fn small_macho(cpu: u32) -> Vec<u8> {
        let mut bytes = words(&[0xfeed_facf, cpu, 0, 2, 2, 72, 0x20_0000, 0]);
        bytes.extend(words(&[0x32, 24, 1, 11 << 16, 11 << 16, 0]));
        bytes.extend(words(&[0xc, 48, 24, 0, 0, 0]));
        bytes.extend(b"/usr/lib/libSystem.tbd\0\0");
        bytes
    }

    /// A DLL for x86_64 without any section.
    fn small_pe() -> Vec<u8> {
        let mut bytes = [b"MZ".as_slice(), &[0; 58], &words(&[64])].concat();
        bytes.extend(words(&[0x4550, 0x8664, 0, 0, 0, 0x2022_00f0, 0x20b]));
        bytes.resize(64 + 24 + 108, 0);
        bytes.extend(words(&[16]));
        bytes.resize(64 + 24 + 240, 0);
        bytes
    }

    /// A module that imports the function `f` of `env`.
    const WASM: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x09\x01\x03env\x01f\0\0";

    #[test]
    #[cfg(target_os = "linux")]
    fn the_test_program_is_for_the_machine_that_runs_it() {
        let path = std::env::current_exe().unwrap();
        let found = inspect(&path).unwrap();
        assert_eq!(found.machine.to_string(), std::env::consts::ARCH);
        assert_eq!(found.format, Format::Elf);
        assert!(!found.stripped);
        #[cfg(target_env = "gnu")]
        assert!(found.glibc >= "2.2.5".parse().ok() && found.libraries.iter().any(|l| l == "libc.so.6"));
        let expected = expected_of_triple("m68k-unknown-linux-gnu").unwrap();
        let message = found.check(&expected).unwrap_err();
        assert!(message.ends_with(", not for m68k (ELF, 32-bit, big-endian)"), "{message}");
        assert!(message.contains(" is built for "), "{message}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn no_truncated_or_damaged_program_makes_it_panic() {
        let whole = fs::read(std::env::current_exe().unwrap()).unwrap();
        for part in 0..50 {
            let error = refusal(&whole[..whole.len() * part / 50]);
            assert!(part == 0 || error.contains("truncated ELF"), "{error}");
        }
        for mut bytes in [whole, small_macho(0x0100_000c), small_pe(), WASM.to_vec()] {
            for at in 0..bytes.len().min(512) {
                let good = std::mem::replace(&mut bytes[at], 0xff);
                let _ = read(&bytes);
                bytes[at] = good;
            }
        }
    }

    #[test]
    fn other_formats_tell_what_they_are_for() {
        let macos = read(&small_macho(0x0100_000c)).unwrap();
        assert_eq!(macos.check(&expected_of_triple("aarch64-apple-darwin").unwrap()), Ok(()));
        assert_eq!(macos.libraries, ["/usr/lib/libSystem.tbd"]);
        assert_eq!((macos.kind, macos.minimum_os.as_deref()), (Kind::Pie, Some("11.0")));
        let windows = read(&small_pe()).unwrap();
        assert_eq!(windows.check(&expected_of_triple("x86_64-pc-windows-gnu").unwrap()), Ok(()));
        assert_eq!(windows.kind, Kind::SharedLibrary);
        let wasm = read(WASM).unwrap();
        assert_eq!(wasm.check(&expected_of_triple("wasm32-wasip1").unwrap()), Ok(()));
        assert_eq!((wasm.kind, wasm.stripped, wasm.libraries), (Kind::Module, true, vec!["env".to_owned()]));
        let component = read(b"\0asm\x0d\0\x01\0").unwrap();
        assert_eq!(component.kind, Kind::Component);
    }

    #[test]
    fn a_universal_file_is_one_inspection_for_each_machine() {
        let slices = [0x0100_0007_u32, 0x0100_000c].map(|cpu| (cpu, small_macho(cpu)));
        let mut bytes: Vec<u8> = [0xcafe_babe_u32, 2].iter().flat_map(|w| w.to_be_bytes()).collect();
        let mut offset = 64;
        for (cpu, slice) in &slices {
            let header = [*cpu, 0, offset, slice.len() as u32, 3];
            bytes.extend(header.iter().flat_map(|w| w.to_be_bytes()));
            offset += slice.len() as u32;
        }
        bytes.resize(64, 0);
        slices.iter().for_each(|(_, slice)| bytes.extend(slice));
        let found = inspect_data(Path::new("file"), bytes.as_slice()).unwrap();
        assert_eq!(found.iter().map(|i| i.machine.0).collect::<Vec<_>>(), ["x86_64", "aarch64"]);
    }

    /// A program of 32-bit ARM with these sections (type, flags and size of each) and one for their names; or with none.
    fn small_elf(sections: &[(u32, u32, u32)]) -> Vec<u8> {
        let names = sections.len() as u32 + 1;
        let (start, counts) = if sections.is_empty() { (0, 0) } else { (52, names << 16 | (names + 1)) };
        let mut bytes = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        // ET_EXEC and EM_ARM, no program headers, EF_ARM_ABI_FLOAT_HARD.
        bytes.extend(words(&[0x28_0002, 1, 0, 0, start, 0x0500_0400, 52, 40 << 16, counts]));
        bytes.extend(words(&[0; 10]));
        for (kind, flags, size) in sections.iter().chain(&[(object::elf::SHT_STRTAB.0, 0, 1)]) {
            bytes.extend(words(&[0, *kind, *flags, 0, 0, *size, 0, 0, 4, 0]));
        }
        bytes
    }

    #[test]
    fn sizes_are_those_of_what_is_loaded() {
        use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_INIT_ARRAY, SHT_NOBITS, SHT_PROGBITS};
        let (alloc, write, exec) = (SHF_ALLOC.0 as u32, SHF_WRITE.0 as u32, SHF_EXECINSTR.0 as u32);
        let sections = [
            (SHT_PROGBITS.0, alloc | exec, 100),
            (SHT_PROGBITS.0, alloc, 20),
            (SHT_PROGBITS.0, alloc | write, 7),
            (SHT_INIT_ARRAY.0, alloc | write, 8),
            (SHT_NOBITS.0, alloc | write, 5000),
            // Debug information is in the file alone.
            (SHT_PROGBITS.0, 0, 60),
        ];
        let found = read(&small_elf(&sections)).unwrap();
        assert_eq!(found.sizes, Some(Sizes { text: 120, data: 15, bss: 5000 }));
        assert_eq!((found.kind, found.float_abi), (Kind::Executable, Some(FloatAbi::Hard)));
        assert!(found.to_string().ends_with("\n  size        text 120, data 15, bss 5000"), "{found}");
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["sizes"], serde_json::json!({ "text": 120, "data": 15, "bss": 5000 }));
        // `sstrip` takes the headers of all sections away.
        assert_eq!(read(&small_elf(&[])).unwrap().sizes, None);
        assert_eq!(read(WASM).unwrap().sizes, None);
    }

    #[test]
    fn what_is_no_program_is_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "file is empty"),
            (b"#!/bin/sh\nexit", "file is a script for `/bin/sh`"),
            (b"!<arch>\n and more", "file is an archive of object files"),
            (b"\xca\xfe\xba\xbe\0\0\0\x41 a Java class", "expected ELF, PE, Mach-O or wasm"),
            (b"a text that is long enough", "expected ELF, PE, Mach-O or wasm"),
        ];
        for (bytes, part) in cases {
            assert!(refusal(bytes).contains(part), "{}", refusal(bytes));
        }
        let folder = inspect(&std::env::temp_dir()).unwrap_err().to_string();
        assert!(folder.ends_with("is a folder, not a program"), "{folder}");
    }

    #[test]
    fn triples_tell_format_machine_width_and_endianness() {
        let cases = [
            ("thumbv7em-none-eabihf", "arm (ELF, 32-bit, little-endian)"),
            ("armebv7r-none-eabihf", "armeb (ELF, 32-bit, big-endian)"),
            ("arm64e-apple-darwin", "aarch64 (Mach-O, 64-bit, little-endian)"),
            ("i686-pc-windows-gnu", "i686 (PE, 32-bit, little-endian)"),
            ("powerpc64le-unknown-linux-gnu", "powerpc64le (ELF, 64-bit, little-endian)"),
            ("riscv32imac-unknown-none-elf", "riscv32 (ELF, 32-bit, little-endian)"),
            ("mipsisa64r6el-unknown-linux-gnuabi64", "mips64el (ELF, 64-bit, little-endian)"),
            ("x86_64-unknown-linux-gnux32", "x86_64 (ELF, 32-bit, little-endian)"),
            ("wasm32v1-none", "wasm32 (wasm, 32-bit, little-endian)"),
        ];
        for (triple, expected) in cases {
            assert_eq!(expected_of_triple(triple).unwrap().to_string(), expected, "{triple}");
        }
        assert_eq!(expected_of_triple("my-own-target"), None);
    }

    #[test]
    fn versions_of_glibc_are_ordered_as_numbers() {
        let version = |s: &str| s.parse::<GlibcVersion>().unwrap();
        assert!(version("2.2.5") < version("2.4") && version("2.4") < version("2.28"));
        assert_eq!(version("2.28").to_string(), "2.28");
        assert!("PRIVATE".parse::<GlibcVersion>().is_err());
    }

    #[test]
    fn an_exec_format_error_is_explained() {
        let wasm = read(WASM).unwrap();
        let told = explain_exec_format_error(&wasm, "aarch64", Some("wasmtime"));
        assert!(told.starts_with("file is built for wasm32 (wasm, 32-bit, little-endian); this machine runs aarch64"));
        assert!(told.ends_with("\nwasmtime runs it here"), "{told}");
    }
}
