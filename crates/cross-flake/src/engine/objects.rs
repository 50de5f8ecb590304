//! Object files that are linked into the programs of some packages, and into nothing else.
//!
//! Flags of cargo's are for all crates of a target. So rustc gets the object by the program that stands before it ([`diagnostics`]),
//! which cargo tells the package's name.
//!
//! [`diagnostics`]: super::diagnostics

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the directory of the objects, `TRIPLE/PACKAGE.o`, to the program before rustc.
const OBJECTS: &str = "CROSS_FLAKE_OBJECTS";

/// Has the programs of this cargo's linked with the objects of a directory.
pub fn link(cargo: &mut Command, folder: &Path) {
    cargo.env(OBJECTS, folder);
}

/// Returns the flag for a call of the compiler, if it links a program for which there is an object.
pub fn flag(args: &[OsString], triple: &str) -> Option<OsString> {
    let folder = PathBuf::from(env::var_os(OBJECTS)?);
    // Tests are given `--test` instead.
    let is_program = args.windows(2).any(|pair| pair[0] == "--crate-type" && pair[1] == "bin");
    let object = folder.join(triple).join(format!("{}.o", env::var("CARGO_PKG_NAME").ok()?));
    if !is_program || triple.is_empty() || !object.is_file() {
        return None;
    }
    let mut flag = OsString::from("-Clink-arg=");
    flag.push(object);
    Some(flag)
}
