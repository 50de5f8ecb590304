//! Debug information in files of its own, so that whoever runs a program need not have it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cross_flake_inspect::{Format, inspect, section};

use super::contents::Entry;
use crate::host::child::clean_command;
use crate::outcome::BuiltProgram;
use crate::workspace::Toolchain;

/// The programs of an archive, and the files for debuggers that belong to them.
pub struct Parted {
    /// Without debug information.
    pub programs: Vec<Entry>,
    /// `PROGRAM.debug`, which the program names, or `PROGRAM.pdb`.
    pub symbols: Vec<Entry>,
}

/// Parts debug information from programs that have some; what is written goes below a directory. A .pdb counts only if this build has made
/// one.
///
/// # Errors
/// A program cannot be read, or rustc's objcopy fails.
pub fn part(built: &[&BuiltProgram], has_pdb: bool, toolchain: &Toolchain, folder: &Path) -> Result<Parted> {
    // With rustc, which strips with it (The rustc Book, "strip").
    let objcopy = toolchain.sysroot.join("lib/rustlib").join(&toolchain.host).join("bin/rust-objcopy");
    let mut parted = Parted { programs: Vec::new(), symbols: Vec::new() };
    for program in built {
        let Entry { path, mut file, .. } = entry(&program.file);
        let pdb = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "pdb");
        for file in program.beside.iter().filter(|file| has_pdb && pdb(file)) {
            parted.symbols.push(Entry { executable: false, ..entry(file) });
        }
        // objcopy has no such link for WebAssembly, and a program of macOS names the object files instead.
        let has_link = matches!(inspect(&file)?.format, Format::Elf | Format::Pe);
        if has_link && objcopy.is_file() && section(&file, ".debug_info")?.is_some_and(|content| !content.is_empty()) {
            let (own, debug) = (folder.join(&path), folder.join(format!("{path}.debug")));
            let run = |args: &[&OsStr]| -> Result<()> {
                let mut command = clean_command(&objcopy);
                // Where a minimal toolchain has its libLLVM.
                command.env("LD_LIBRARY_PATH", toolchain.sysroot.join("lib"));
                let output = command.args(args).stdin(Stdio::null()).output();
                let output = output.with_context(|| format!("cannot start {}", objcopy.display()))?;
                let said = String::from_utf8_lossy(&output.stderr);
                ensure!(output.status.success(), "cannot part debug information from {path}\n{}", said.trim());
                Ok(())
            };
            run(&["--only-keep-debug".as_ref(), file.as_os_str(), debug.as_os_str()])?;
            let link = format!("--add-gnu-debuglink={}", debug.display());
            run(&["--strip-debug".as_ref(), link.as_ref(), file.as_os_str(), own.as_os_str()])?;
            parted.symbols.push(Entry { path: format!("{path}.debug"), file: debug, executable: false });
            file = own;
        }
        parted.programs.push(Entry { path, file, executable: true });
    }
    Ok(parted)
}

/// Returns a program as the archive has it.
pub fn entry(file: &Path) -> Entry {
    let path = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Entry { path, file: file.to_owned(), executable: true }
}
