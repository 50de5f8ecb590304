//! C compiler and linker for the build machine itself, where it has none. Build scripts and procedural macros are linked by them,
//! under the names by which rustc and crates look for those of the machine.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::clang::{Clang, Programs};
use super::part::{Failures, Part, Site};
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::host::child::{quote, which};
use crate::provider::Reason;
use crate::targets::{Table, Target};
use crate::workspace::Toolchain;

/// The C library of the row whose programs this machine runs by itself.
pub struct HostCc;

/// The row of the build machine; `None` where its rustc does not load procedural macros by glibc's loader: zig's musl is no library
/// that programs could share with rustc.
fn row(toolchain: &Toolchain) -> Option<Target> {
    let table = Table::built_in().ok()?;
    table.rows().iter().find(|row| row.triple == toolchain.host && row.glibc.is_some()).cloned()
}

fn is_wanted() -> bool {
    which("cc").is_none()
}

/// Writes the compiler, and returns the folder for `PATH`; `None` where the machine has one, or [`HostCc`] is not here.
///
/// # Errors
/// The cache cannot be written.
pub fn write(cache: &Cache, toolchain: &Toolchain) -> Result<Option<PathBuf>> {
    // Asked for every row, so what costs least comes first.
    let Some(row) = is_wanted().then(|| row(toolchain)).flatten() else { return Ok(None) };
    let Some(clang) = Clang::new(cache, &row).filter(|clang| clang.folder().exists()) else { return Ok(None) };
    let Programs { cc, cxx, .. } = clang.write()?;
    let (ar, ranlib) = (cache.path("bin/zig-ar"), cache.path("bin/zig-ranlib"));
    for (name, program) in [("cc", cc), ("c++", cxx), ("ar", ar), ("ranlib", ranlib)] {
        let script = format!("#!/bin/sh\nexec {} \"$@\"\n", quote(&program));
        cache.write(&format!("host/bin/{name}"), script.as_bytes(), true)?;
    }
    Ok(Some(cache.path("host/bin")))
}

impl Part for HostCc {
    fn key(&self) -> String {
        "host-cc".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, _: &Target) -> bool {
        let is_made = |row| Clang::new(site.cache, &row).is_some_and(|clang| clang.folder().exists());
        !is_wanted() || row(&site.std.toolchain).is_some_and(is_made)
    }

    fn needs(&self, _: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
        vec![Box::new(ZIG)]
    }

    fn obstacle(&self, site: &Site<'_>) -> Option<Reason> {
        let host = &site.std.toolchain.host;
        let reason = || Reason::new(format!("there is no `cc` on PATH to link programs for {host}"));
        row(&site.std.toolchain).is_none().then(|| reason().hint("install a C compiler, for example the package gcc"))
    }

    fn install(&self, site: &Site<'_>, _: &[&Target]) -> Result<Failures> {
        let row = row(&site.std.toolchain).context("no row of this machine")?;
        let clang = Clang::new(site.cache, &row).context("no C library of this machine")?;
        let doing = "making a C compiler for this machine, which has none";
        site.events.step("cc", doing, || clang.provide()).map(|()| Failures::new())
    }
}
