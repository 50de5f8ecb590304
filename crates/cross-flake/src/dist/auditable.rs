//! The list of packages inside a program, where `cargo audit bin` and other scanners look for it: cargo-auditable's `.dep-v0`, which is
//! JSON, compressed by zlib.
//!
//! The target's own C compiler makes an object file of it, so that what an object says of its processor and ABI is right on every
//! target. rustc gets it by the program that stands before it, and links it into the programs of the package and into nothing else.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use auditable_serde::{DependencyKind, Source, VersionInfo};
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::dependencies::{Dependencies, Dependency, Origin};
use crate::environment::Environment;
use crate::host::child::clean_command;
use crate::targets::Target;
use cross_flake_inspect::{Format, expected_of_triple};

/// The section's name.
pub const SECTION: &str = ".dep-v0";
/// Proc-macros and their dependencies count as those of the build (auditable-serde, `VersionInfo::format`).
const FORMAT: u32 = 1;

/// Returns the list as a program holds it.
///
/// # Errors
/// A version is none.
pub fn list(dependencies: &Dependencies) -> Result<Vec<u8>> {
    let package = |(place, dependency): (usize, &Dependency)| {
        let version = dependency.version.parse().with_context(|| format!("{} has no version", dependency.name))?;
        anyhow::Ok(auditable_serde::Package {
            name: dependency.name.clone(),
            version,
            source: match dependency.origin {
                Origin::CratesIo => Source::CratesIo,
                Origin::Registry => Source::Registry,
                Origin::Git => Source::Git,
                Origin::Path => Source::Local,
            },
            kind: if dependency.is_linked { DependencyKind::Runtime } else { DependencyKind::Build },
            dependencies: dependency.needs.clone(),
            root: place == dependencies.root,
        })
    };
    let packages = dependencies.all.iter().enumerate().map(package).collect::<Result<_>>()?;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&serde_json::to_vec(&VersionInfo { packages, format: FORMAT })?)?;
    Ok(zlib.finish()?)
}

/// Makes the object file for the programs of a package, in a directory of the row's own. Tells if there is one: without a C compiler there is
/// not.
///
/// # Errors
/// The compiler makes none of the list.
pub fn make_object(row: &Target, environment: &Environment, package: &str, list: &[u8], folder: &Path) -> Result<bool> {
    let Some(compiler) = environment.scoped.get(&format!("CC_{}", row.lower())) else { return Ok(false) };
    let failed = || format!("cannot write below {}", folder.display());
    let folder = folder.join(&row.triple);
    fs::create_dir_all(&folder).with_context(failed)?;
    let (content, source) = (folder.join(format!("{package}.z")), folder.join(format!("{package}.c")));
    let object = folder.join(format!("{package}.o"));
    fs::write(&content, list).with_context(failed)?;
    // A triple of one's own is bare metal.
    let format = expected_of_triple(&row.triple).map_or(Format::Elf, |expected| expected.format);
    fs::write(&source, code(format, &content)).with_context(failed)?;
    let mut command = clean_command(compiler);
    command.args(["-c".as_ref(), source.as_os_str(), "-o".as_ref(), object.as_os_str()]);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {compiler}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{row}: cannot make an object of the list of packages\n{}", said.trim());
    Ok(true)
}

/// Assembly, for C knows no file that is taken as it is. No linker may leave the section out, although nobody refers to it.
fn code(format: Format, content: &Path) -> String {
    let section = match format {
        Format::Elf => format!(r#"\"{SECTION}\",\"aR\",%progbits"#),
        Format::Pe => format!(r#"\"{SECTION}\",\"dr\""#),
        Format::MachO => format!("__DATA,{SECTION},regular,no_dead_strip"),
        Format::Wasm => format!(r#"\".custom_section.{SECTION}\",\"\",@"#),
    };
    format!("__asm__(\".section {section}\\n.incbin \\\"{}\\\"\\n\");\n", content.display())
}
