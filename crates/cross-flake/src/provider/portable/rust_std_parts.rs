//! Parts of a plan for Rust's own libraries: their source, and the libraries themselves.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::archive::{BACKPORTS, Package};
use super::host_cc::HostCc;
use super::part::{Failures, Part, Site};
use super::rust_std::SOURCE;
use super::wheels::ZIG;
use crate::host::child::capture;
use crate::host::signals;
use crate::provider::Download;
use crate::settings;
use crate::targets::Target;

/// The libraries of each row, made for all rows in one go.
pub struct Std;

impl Part for Std {
    fn key(&self) -> String {
        "std".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        site.std.has(row)
    }

    fn needs(&self, _: &Site<'_>, row: &Target) -> Vec<Box<dyn Part>> {
        // zig is dlltool for Windows, and has the C library of WASI.
        let zig = row.zig.is_some().then(|| Box::new(ZIG) as Box<dyn Part>);
        [Box::new(Source) as Box<dyn Part>, Box::new(HostCc)].into_iter().chain(zig).collect()
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        site.std.build(rows, site.events)
    }
}

/// The directory `library` of Rust's source, in which std is no shared library, so that building it needs no linker; or rustup's
/// libraries, where these can be had.
struct Source;

impl Part for Source {
    fn key(&self) -> String {
        "rust-src".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        site.std.has(row) || settings::get().std == SOURCE && site.std.has_source()
    }

    fn needs(&self, site: &Site<'_>, row: &Target) -> Vec<Box<dyn Part>> {
        if site.std.has_source() || site.std.component().is_some() {
            return Vec::new();
        }
        let lists = site.lists(|_| vec![BACKPORTS.to_owned()]);
        // Where rustup may have the row's libraries, the distribution is asked only once rustup has not.
        let may_be_prebuilt = site.std.rustup().is_ok() && row.spec.is_none();
        if may_be_prebuilt { Vec::new() } else { vec![lists] }
    }

    fn downloads(&self, site: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        if site.std.has_source() || site.std.component().is_some() {
            return Ok(Vec::new());
        }
        // A version that the distribution lacks is told by who needs it.
        let package = site.std.source_package(&site.archive()?).ok();
        let download = |package: Package| Download {
            name: format!("{}{}", site.std.source_title(), if package.is_part() { ", in part" } else { "" }),
            from: "Debian".into(),
            bytes: package.bytes,
        };
        Ok(package.map(download).into_iter().collect())
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        let choice = &settings::get().std;
        match choice.as_str() {
            SOURCE => {}
            "auto" | "rustup" => match bring(site, rows) {
                Err(error) if choice == "auto" => {
                    let text = error.to_string();
                    let first = text.lines().next().unwrap_or_default();
                    site.events.note(&format!("std is built from source: {first}"));
                }
                result => result?,
            },
            other => bail!("{}={other}: expected auto, rustup or source", settings::STD),
        }
        let name = site.std.source_name();
        if site.std.has_source() || rows.iter().all(|row| site.std.has(row)) {
            return Ok(Failures::new());
        }
        signals::check()?;
        if let Some(component) = site.std.component() {
            // It is rustup's, so a copy is what changes.
            let copy = |new: &Path| {
                let sh = Shell::new()?;
                capture(cmd!(sh, "cp --recursive --reflink=auto {component}/. {new}"))?;
                without_dylib(new)
            };
            return site.cache.install(&name, copy).map(|_| Failures::new());
        }
        let archive = site.archive()?;
        let package = site.std.source_package(&archive)?;
        site.install("std", &format!("fetching the {}", site.std.source_title()), &name, |new| {
            // The package holds the compiler's source, too, which is six times as large.
            let library = format!("usr/src/rustc-{}/library", site.std.toolchain.release);
            let scratch = site.cache.scratch()?;
            archive.unpack_part(&[package], &library, scratch.path())?;
            let library = scratch.path().join(library);
            for entry in fs::read_dir(&library).with_context(|| format!("cannot read {}", library.display()))? {
                let entry = entry?;
                fs::rename(entry.path(), new.join(entry.file_name()))?;
            }
            without_dylib(new)
        })
    }
}

/// Asks rustup for the libraries of these rows.
fn bring(site: &Site<'_>, rows: &[&Target]) -> Result<()> {
    let rustup = site.std.rustup()?;
    site.events.step("std", &format!("asking rustup for std of {} targets", rows.len()), || rustup.bring(rows))
}

/// Makes std no shared library: that would need a linker.
fn without_dylib(library: &Path) -> Result<()> {
    let sh = Shell::new()?;
    let manifest = library.join("std/Cargo.toml");
    let text = sh.read_file(&manifest)?;
    let patched = text.replace("crate-type = [\"dylib\", \"rlib\"]", "crate-type = [\"rlib\"]");
    if patched == text {
        bail!("{} does not look as expected: is this compiler supported?", manifest.display());
    }
    Ok(sh.write_file(&manifest, patched)?)
}
