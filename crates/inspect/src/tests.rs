//! Files of every format, made by hand, and what is read of them.

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

/// Returns a program for macOS 11.0 that loads libSystem.
fn small_macho(cpu: u32) -> Vec<u8> {
    let mut bytes = words(&[0xfeed_facf, cpu, 0, 2, 2, 72, 0x20_0000, 0]);
    bytes.extend(words(&[0x32, 24, 1, 11 << 16, 11 << 16, 0]));
    bytes.extend(words(&[0xc, 48, 24, 0, 0, 0]));
    bytes.extend(b"/usr/lib/libSystem.tbd\0\0");
    bytes
}

/// Returns a DLL for x86_64 without any section.
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

/// Returns a program of 32-bit ARM with these sections (type, flags and size of each) and one for their names; or with none.
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
