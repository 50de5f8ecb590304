//! The readers of each format, upon those of the `object` crate.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader, SectionHeader};
use object::read::macho::{FatArch, LoadCommandVariant, MachHeader, MachOFatFile, MachOFile};
use object::read::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadRef};
use object::{Endianness, FileKind, ObjectKind, SymbolKind, SymbolScope, elf, macho};

use super::machine::row_of;
use super::{Endian, FloatAbi, Format, GlibcVersion, Inspection, Kind, Machine, Sizes};

/// Reads a file, and returns one entry for each program in it.
pub(super) fn inspect_data<'d, R: ReadRef<'d>>(path: &Path, data: R) -> Result<Vec<Inspection>> {
    let shown = path.display();
    let len = data.len().unwrap_or(0);
    let head = data.read_bytes_at(0, len.min(64)).unwrap_or(&[]);
    if let [0, b'a', b's', b'm', _, _, 1, 0, ..] = head {
        // Of a component only what its first bytes say: object reads modules alone.
        return Ok(vec![Inspection::blank(path, Format::Wasm, Kind::Component)]);
    }
    let one = |found: Result<Inspection>| found.map(|found| vec![found]);
    let (what, found) = match FileKind::parse(data) {
        Ok(FileKind::Elf32) => ("ELF", one(read_elf::<elf::FileHeader32<Endianness>, _>(path, data))),
        Ok(FileKind::Elf64) => ("ELF", one(read_elf::<elf::FileHeader64<Endianness>, _>(path, data))),
        Ok(FileKind::Pe32) => ("PE", one(read_pe(path, object::read::pe::PeFile32::parse(data), data))),
        Ok(FileKind::Pe64) => ("PE", one(read_pe(path, object::read::pe::PeFile64::parse(data), data))),
        Ok(FileKind::Coff) => ("COFF object", one(read_pe(path, object::read::coff::CoffFile::<_>::parse(data), data))),
        Ok(FileKind::CoffBig) => {
            ("COFF object", one(read_pe(path, object::read::coff::CoffBigFile::parse(data), data)))
        }
        Ok(FileKind::MachO32) => ("Mach-O", one(read_macho::<macho::MachHeader32<Endianness>, _>(path, data))),
        Ok(FileKind::MachO64) => ("Mach-O", one(read_macho::<macho::MachHeader64<Endianness>, _>(path, data))),
        // A Java class begins with the same four bytes, then its version: 45 and up.
        Ok(FileKind::MachOFat32) if head[7] < 45 => ("universal Mach-O", read_fat::<macho::FatArch32, _>(path, data)),
        Ok(FileKind::MachOFat64) => ("universal Mach-O", read_fat::<macho::FatArch64, _>(path, data)),
        Ok(FileKind::Wasm) => ("wasm", one(read_wasm(path, data))),
        Ok(FileKind::Archive) => {
            bail!("{shown} is an archive of object files (a static library or an .rlib), not a program")
        }
        _ => bail!("{shown} {}", unknown(head)),
    };
    found.with_context(|| format!("{shown} is a damaged or truncated {what} file"))
}

/// Says what a file is that none of the readers takes.
fn unknown(head: &[u8]) -> String {
    match head {
        [] => "is empty".to_owned(),
        [b'#', b'!', rest @ ..] => {
            let line = rest.split(|b| *b == b'\n').next().unwrap_or(rest);
            format!("is a script for `{}`, not a program", String::from_utf8_lossy(line).trim())
        }
        [0x7f, b'E', b'L', b'F', ..] => "is a damaged or truncated ELF file".to_owned(),
        [0, b'a', b's', b'm', ..] => "is a damaged or truncated wasm file".to_owned(),
        [b'M', b'Z', ..] => "is a DOS program, or a damaged or truncated PE file".to_owned(),
        [b'B', b'C', 0xc0, 0xde, ..] => "is LLVM bitcode (from -flto?), not a program".to_owned(),
        _ => "is not a program cross-flake knows: expected ELF, PE, Mach-O or wasm".to_owned(),
    }
}

/// Reads what all formats have in common. The readers below correct and complete it.
fn read_object<'d, O: Object<'d>, R: ReadRef<'d>>(
    path: &Path,
    format: Format,
    file: &O,
    data: R,
) -> Result<Inspection> {
    // The headers stand first, so a truncated file may still parse. Not so wasm, of which object 0.40 gives the end
    // of a section for its size.
    let len = data.len().unwrap_or(0);
    let segments = file.segments().map(|s| s.file_range());
    let sections = file.sections().filter_map(|s| s.file_range());
    for (offset, size) in segments.chain(sections).filter(|_| format != Format::Wasm) {
        let end = offset.saturating_add(size);
        ensure!(end <= len, "its headers tell of {end} bytes, but it has {len}");
    }
    let endian = if file.is_little_endian() { Endian::Little } else { Endian::Big };
    let row = row_of(file.architecture(), endian);
    let libraries: Vec<_> = file.import_libraries()?.map(|library| Ok(text(library?.name()))).collect::<Result<_>>()?;
    let kind = match file.kind() {
        ObjectKind::Executable => Kind::Executable,
        ObjectKind::Dynamic => Kind::SharedLibrary,
        ObjectKind::Relocatable => Kind::Relocatable,
        _ => Kind::Other,
    };
    Ok(Inspection {
        machine: Machine(row.map_or("an unknown machine", |row| row.name)),
        pointer_width: row.map_or(if file.is_64() { 64 } else { 32 }, |row| row.pointer_width),
        endian,
        statically_linked: libraries.is_empty() && kind != Kind::Relocatable,
        libraries,
        stripped: file.symbol_table().is_none(),
        ..Inspection::blank(path, format, kind)
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read_elf<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>>(path: &Path, data: R) -> Result<Inspection> {
    let file = ElfFile::<H, R>::parse(data)?;
    let endian = file.endian();
    let mut found = read_object(path, Format::Elf, &file, data)?;
    for header in file.elf_program_headers() {
        // A file with debug information alone (objcopy --only-keep-debug) keeps the headers of what it has no longer.
        if header.p_filesz(endian).into() == 0 {
            continue;
        }
        if let Some(interpreter) = header.interpreter(endian, data)? {
            found.interpreter = Some(text(interpreter));
        }
    }
    let (mut is_program, mut is_library) = (found.interpreter.is_some(), false);
    let dynamic = file.elf_dynamic_table()?;
    for entry in &dynamic {
        let paths = || dynamic.string(entry).map(|s| text(s).split(':').map(str::to_owned).collect::<Vec<_>>());
        match entry.tag {
            elf::DT_RPATH => found.rpath.extend(paths()?),
            elf::DT_RUNPATH => found.runpath.extend(paths()?),
            elf::DT_SONAME => is_library = true,
            elf::DT_FLAGS_1 => is_program |= elf::DynamicFlags1(entry.val).contains(elf::DF_1_PIE),
            _ => {}
        }
    }
    // A PIE is a shared library by its type. libc.so.6 has an interpreter too, but also a name.
    if found.kind == Kind::SharedLibrary && is_program && !is_library {
        found.kind = Kind::Pie;
    }
    found.statically_linked &= found.interpreter.is_none();
    found.glibc = needed_glibc(&file)?;
    found.sizes = sizes(&file);
    let header = file.elf_header();
    if header.e_machine(endian) == elf::EM_ARM {
        let flags = header.e_flags(endian).0;
        found.float_abi = match () {
            () if flags & elf::EF_ARM_ABI_FLOAT_HARD != 0 => Some(FloatAbi::Hard),
            () if flags & elf::EF_ARM_ABI_FLOAT_SOFT != 0 => Some(FloatAbi::Soft),
            () => None,
        };
    }
    Ok(found)
}

/// Returns the sizes that `size` prints (binutils, in its Berkeley format).
fn sizes<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>>(file: &ElfFile<'d, H, R>) -> Option<Sizes> {
    let mut sizes = Sizes { text: 0, data: 0, bss: 0 };
    let mut any = false;
    for section in file.sections() {
        let header = section.elf_section_header();
        let flags = header.sh_flags(file.endian());
        if !flags.contains(elf::SHF_ALLOC) {
            continue;
        }
        any = true;
        let sum = match () {
            () if header.sh_type(file.endian()) == elf::SHT_NOBITS => &mut sizes.bss,
            () if flags.contains(elf::SHF_WRITE) => &mut sizes.data,
            () => &mut sizes.text,
        };
        *sum = sum.saturating_add(header.sh_size(file.endian()).into());
    }
    any.then_some(sizes)
}

fn needed_glibc<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>>(
    file: &ElfFile<'d, H, R>,
) -> Result<Option<GlibcVersion>> {
    let (endian, data, sections) = (file.endian(), file.data(), file.elf_section_table());
    let mut highest = None;
    if let Some((mut needs, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut versions)) = needs.next()? {
            while let Some(version) = versions.next()? {
                // The loader does not insist on a version that only weak symbols want.
                if version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                    continue;
                }
                let needed = match version.name(endian, strings)? {
                    // Packed relocations; glibc 2.36 was the first to read them (its NEWS).
                    b"GLIBC_ABI_DT_RELR" => Some("2.36"),
                    name => name.strip_prefix(b"GLIBC_").and_then(|v| str::from_utf8(v).ok()),
                };
                // GLIBC_PRIVATE is no number.
                highest = highest.max(needed.and_then(|v| v.parse().ok()));
            }
        }
    }
    Ok(highest)
}

/// Reads PE, and the COFF objects that become PE.
fn read_pe<'d, O: Object<'d>, R: ReadRef<'d>>(path: &Path, file: object::Result<O>, data: R) -> Result<Inspection> {
    read_object(path, Format::Pe, &file?, data)
}

fn read_macho<'d, H: MachHeader<Endian = Endianness>, R: ReadRef<'d>>(path: &Path, data: R) -> Result<Inspection> {
    let file = MachOFile::<H, R>::parse(data)?;
    let endian = file.endian();
    let mut found = read_object(path, Format::MachO, &file, data)?;
    let header = file.macho_header();
    found.kind = match found.kind {
        Kind::Executable if header.flags(endian).contains(macho::MH_PIE) => Kind::Pie,
        Kind::Other if header.filetype(endian) == macho::MH_BUNDLE => Kind::SharedLibrary,
        kind => kind,
    };
    let mut commands = file.macho_load_commands()?;
    while let Some(command) = commands.next()? {
        match command.variant()? {
            LoadCommandVariant::LoadDylinker(dylinker) => {
                found.interpreter = Some(text(command.string(endian, dylinker.name)?));
            }
            LoadCommandVariant::Rpath(rpath) => found.rpath.push(text(command.string(endian, rpath.path)?)),
            LoadCommandVariant::BuildVersion(build, _) => {
                found.minimum_os = Some(macho_version(build.minos.get(endian).0));
            }
            LoadCommandVariant::VersionMin(version) => {
                found.minimum_os = Some(macho_version(version.version.get(endian).0));
            }
            _ => {}
        }
    }
    found.statically_linked &= found.interpreter.is_none();
    // `strip` has to leave what the loader reads, and in programs the address of their header.
    found.stripped = !file.symbols().any(|symbol| {
        let is_program = matches!(found.kind, Kind::Executable | Kind::Pie);
        let exported = symbol.is_global() && (!is_program || symbol.name() == Ok("__mh_execute_header"));
        symbol.is_definition() && !exported
    });
    Ok(found)
}

/// Reads `xxxx.yy.zz` in the bits of a number (mach-o/loader.h); a last part of 0 goes without saying.
fn macho_version(version: u32) -> String {
    let (major, minor, patch) = (version >> 16, version >> 8 & 0xff, version & 0xff);
    match patch {
        0 => format!("{major}.{minor}"),
        patch => format!("{major}.{minor}.{patch}"),
    }
}

fn read_fat<'d, F: FatArch, R: ReadRef<'d>>(path: &Path, data: R) -> Result<Vec<Inspection>> {
    let mut found = Vec::new();
    for slice in MachOFatFile::<F>::parse(data)?.arches() {
        let slice = slice.data(data)?;
        found.push(match FileKind::parse(slice)? {
            FileKind::MachO32 => read_macho::<macho::MachHeader32<Endianness>, _>(path, slice)?,
            FileKind::MachO64 => read_macho::<macho::MachHeader64<Endianness>, _>(path, slice)?,
            _ => bail!("one of its parts is not a Mach-O program"),
        });
    }
    Ok(found)
}

fn read_wasm<'d, R: ReadRef<'d>>(path: &Path, data: R) -> Result<Inspection> {
    let file = object::read::wasm::WasmFile::parse(data)?;
    let mut found = read_object(path, Format::Wasm, &file, data)?;
    let has = |section| file.section_by_name(section).is_some();
    found.kind = match () {
        // Sections of the tool conventions (WebAssembly/tool-conventions, Linking.md and DynamicLinking.md).
        () if has("linking") => Kind::Relocatable,
        () if has("dylink.0") => Kind::SharedLibrary,
        () if file.symbols().any(|s| s.name() == Ok("_start") && !s.is_undefined()) => Kind::Executable,
        () => Kind::Module,
    };
    // object 0.40 shows the modules that are imported from as files among the symbols.
    let modules = file.symbols().filter(|s| s.kind() == SymbolKind::File && s.scope() == SymbolScope::Dynamic);
    for module in modules {
        let name = text(module.name_bytes()?);
        if !found.libraries.contains(&name) {
            found.libraries.push(name);
        }
    }
    found.statically_linked = found.libraries.is_empty() && found.kind != Kind::Relocatable;
    // An object file keeps its symbols in `linking`.
    found.stripped = !has("name") && !has("linking");
    Ok(found)
}

/// Returns the content of a section.
pub(super) fn section_of(data: &[u8], name: &str) -> Result<Option<Vec<u8>>> {
    let file = object::File::parse(data)?;
    Ok(file.section_by_name(name).map(|section| section.data().map(<[u8]>::to_vec)).transpose()?)
}
