//! Programs of an archive on a machine with another C library: each is told to start by the loader that was unpacked beside it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::programs::{library_folders, named};

/// `p_type` of the segment that names a program's loader (elf(5)).
const PT_INTERP: u32 = 3;
/// Bytes of a 64-bit program header, and where in it are `p_offset` and `p_filesz` (elf(5)).
const HEADER: usize = 56;
const OFFSET: usize = 8;
const SIZE: usize = 32;

/// The loader among unpacked packages, which is there if the machine's C library is not theirs.
pub fn find(root: &Path) -> Option<PathBuf> {
    library_folders(root).iter().find_map(|folder| named(folder, "ld-linux"))
}

/// Gives all programs below `root`, which will be at `place`, the loader that is there with them, if there is one.
///
/// # Errors
/// A file cannot be read or written.
pub fn use_own(root: &Path, place: &Path) -> Result<()> {
    let Some(loader) = find(root) else { return Ok(()) };
    let loader = place.join(loader.strip_prefix(root).unwrap_or(&loader));
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let (path, kind) = {
                let entry = entry?;
                (entry.path(), entry.file_type()?)
            };
            // wine's helper maps the loader by itself, where a program's memory names it; wine does without the helper.
            if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-preloader")) {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            } else if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() {
                give(&path, &loader).with_context(|| format!("cannot change the loader of {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Appends the loader's name to a program and points the header to it. The kernel reads it from the file and needs nothing of it in
/// memory; the name that is there stays for whoever looks in memory.
fn give(program: &Path, loader: &Path) -> Result<()> {
    use std::io::Read;
    let mut magic = [0; 6];
    let is_elf64 = fs::File::open(program)?.read_exact(&mut magic).is_ok() && magic == *b"\x7fELF\x02\x01";
    if !is_elf64 {
        return Ok(());
    }
    let mut bytes = fs::read(program)?;
    let Some(header) = interpreter(&bytes) else { return Ok(()) };
    let name = [loader.as_os_str().as_bytes(), b"\0"].concat();
    let offset = bytes.len() as u64;
    bytes[header + OFFSET..][..8].copy_from_slice(&offset.to_le_bytes());
    bytes[header + SIZE..][..8].copy_from_slice(&(name.len() as u64).to_le_bytes());
    bytes.extend(name);
    Ok(fs::write(program, bytes)?)
}

/// Where the header of [`PT_INTERP`] is in a 64-bit little-endian file: `e_phoff` is at 32, `e_phnum` at 56 (elf(5)).
fn interpreter(bytes: &[u8]) -> Option<usize> {
    let start = usize::try_from(u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?)).ok()?;
    let count = usize::from(u16::from_le_bytes(bytes.get(56..58)?.try_into().ok()?));
    let mut headers = (0..count).map(|index| start + index * HEADER);
    headers.find(|at| bytes.get(*at..at + HEADER).is_some_and(|header| header[..4] == PT_INTERP.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_program_starts_by_the_loader_that_it_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let bytes = fs::read(&program).unwrap();
        let header = interpreter(&bytes).expect("test programs have a loader");
        let field = |at: usize| u64::from_le_bytes(bytes[header + at..][..8].try_into().unwrap()) as usize;
        let own = &bytes[field(OFFSET)..][..field(SIZE) - 1];
        let loader = dir.path().join("loader");
        fs::copy(Path::new(std::ffi::OsStr::from_bytes(own)), &loader).unwrap();
        give(&program, &loader).unwrap();
        let output = Command::new(&program).args(["--list", "the_loader_that_it_is_given"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        // It is that loader: without it there is no program.
        fs::remove_file(&loader).unwrap();
        assert!(Command::new(&program).arg("--list").output().is_err());
    }

    #[test]
    fn what_is_no_program_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "#!/bin/sh\n", "\u{7f}ELF\u{2}\u{1}"] {
            let file = dir.path().join("file");
            fs::write(&file, text).unwrap();
            give(&file, Path::new("/loader")).unwrap();
            assert_eq!(fs::read(&file).unwrap(), text.as_bytes());
        }
    }
}
