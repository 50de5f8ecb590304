//! One program for both processors of macOS, as `lipo -create` makes it.
//!
//! Each part keeps its own signature, which is about the part alone. An unsigned program does not start on Apple's processors, so
//! that of the part for these is checked, page by page.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::read::macho::MachHeader;
use object::{Endianness, macho};
use ring::digest;

use super::contents::Entry;

/// The triple under which maturin and others know such a program.
pub const TRIPLE: &str = "universal2-apple-darwin";
/// The triples of its parts.
pub const PARTS: [&str; 2] = ["x86_64-apple-darwin", "aarch64-apple-darwin"];
/// Parts begin at a multiple of this power of two, the pages of Apple's processors (`MAX_PAGE`).
const ALIGN: u32 = 14;

/// Merges the programs of the same names; each file is written below a directory.
///
/// # Errors
/// They are not the same, one is no program of macOS, or its signature is not right.
pub fn merge(parts: [&[Entry]; 2], folder: &Path) -> Result<Vec<Entry>> {
    let names = parts.map(|part| part.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>());
    ensure!(names[0] == names[1], "the programs for {} are not those for {}", PARTS[0], PARTS[1]);
    let mut merged = Vec::new();
    for (one, other) in parts[0].iter().zip(parts[1]) {
        let read =
            |entry: &Entry| fs::read(&entry.file).with_context(|| format!("cannot read {}", entry.file.display()));
        let contents = [read(one)?, read(other)?];
        let file = folder.join(&one.path);
        let universal = of(&contents).with_context(|| format!("cannot merge {}", one.path))?;
        fs::write(&file, universal).with_context(|| format!("cannot write {}", file.display()))?;
        merged.push(Entry { path: one.path.clone(), file, executable: true });
    }
    Ok(merged)
}

/// The file, by <mach-o/fat.h>.
fn of(parts: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut universal = Vec::new();
    let big = |number: u32| number.to_be_bytes();
    universal.extend(big(macho::FAT_MAGIC));
    universal.extend(big(u32::try_from(parts.len())?));
    let mut at = 1usize << ALIGN;
    let mut places = Vec::new();
    for part in parts {
        let header = macho::MachHeader64::<Endianness>::parse(&part[..], 0).context("no 64-bit program of macOS")?;
        let endian = Endianness::Little;
        let (kind, subkind) = (header.cputype(endian), header.cpusubtype(endian));
        if kind == macho::CPU_TYPE_ARM64 {
            check_signature(part)?;
        }
        for number in [kind.0, subkind.0, u32::try_from(at)?, u32::try_from(part.len())?, ALIGN] {
            universal.extend(big(number));
        }
        places.push(at);
        at = (at + part.len()).next_multiple_of(1 << ALIGN);
    }
    for (place, part) in places.into_iter().zip(parts) {
        universal.resize(place, 0);
        universal.extend(part);
    }
    Ok(universal)
}

/// Checks that the hash of each page is the one that the signature has (xnu, `osfmk/kern/cs_blobs.h`, `CS_CodeDirectory`).
///
/// # Errors
/// There is no signature, or a page has another hash.
pub fn check_signature(program: &[u8]) -> Result<()> {
    let header = macho::MachHeader64::<Endianness>::parse(program, 0)?;
    let endian = Endianness::Little;
    let mut commands = header.load_commands(endian, program, 0)?;
    let mut place = None;
    while let Some(command) = commands.next()? {
        if command.cmd() == macho::LC_CODE_SIGNATURE {
            let data: &macho::LinkeditDataCommand<Endianness> = command.data()?;
            place = Some((data.dataoff.get(endian) as usize, data.datasize.get(endian) as usize));
        }
    }
    let Some((offset, size)) = place else { bail!("it is not signed") };
    let blob = program.get(offset..offset + size).context("its signature is not in the file")?;
    let number = |of: &[u8], at: usize| -> Result<usize> {
        let bytes: [u8; 4] = of.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).context("it is too short")?;
        Ok(u32::from_be_bytes(bytes) as usize)
    };
    // `CS_SuperBlob`: magic, length, count, then (type, offset) of each blob.
    let mut directories = (0..number(blob, 8)?).filter_map(|index| {
        let at = number(blob, 12 + 8 * index + 4).ok()?;
        (number(blob, at).ok()? == CODE_DIRECTORY).then_some(at)
    });
    let directory = &blob[directories.next().context("its signature has no directory of pages")?..];
    let (hashes, count, limit) = (number(directory, 16)?, number(directory, 28)?, number(directory, 32)?);
    let kind = directory.get(36..40).context("its directory of pages is too short")?;
    ensure!(kind[0] == 32 && kind[1] == SHA256, "its pages are not hashed by SHA-256");
    let page = 1usize << kind[3];
    let code = program.get(..limit).context("its signature is about more than there is")?;
    ensure!(code.chunks(page).count() == count, "its signature is about another number of pages");
    for (index, content) in code.chunks(page).enumerate() {
        let known = directory.get(hashes + 32 * index..hashes + 32 * (index + 1));
        let hash = digest::digest(&digest::SHA256, content);
        ensure!(known == Some(hash.as_ref()), "page {index} is not as it was signed");
    }
    Ok(())
}

/// `CSMAGIC_CODEDIRECTORY`.
const CODE_DIRECTORY: usize = 0xfade_0c02;
/// `CS_HASHTYPE_SHA256`.
const SHA256: u8 = 2;
