//! wine, unpacked from the distribution's packages: one folder of wine, and for each row a prefix that is made once.
//!
//! 32-bit programs run in the 64-bit wine, in the mode that wine calls WoW64: all that it needs of the 32-bit package is the
//! folder of Windows libraries, and nothing on the build machine has to run 32-bit Linux programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::emulators::{Bundle, text, version_of};
use super::wheels::ZIG;
use super::{capture, toolchain};
use crate::cache::Cache;
use crate::events::Events;
use crate::runner::RunnerSpec;
use crate::targets::Target;

/// The C source of the library that wine before 9 lacks.
const SHIM: &str = include_str!("../../../assets/bcryptprimitives.c");
/// Where Debian keeps wine's parts below the root of its packages.
const UNIX: &str = "usr/lib/x86_64-linux-gnu";

/// Whether a row is for 32-bit Windows.
fn is_32_bit(target: &Target) -> bool {
    target.arch() == "i686"
}

/// The packages that a row needs. wine's dependencies beyond these are for sound, cameras and printers, and it does without.
pub fn bundles(target: &Target) -> Vec<Bundle> {
    let mut bundles =
        vec![Bundle::own_suite("wine", &["libwine", "wine64", "libz-mingw-w64", "libunwind8", "liblzma5"])];
    if is_32_bit(target) {
        bundles.push(Bundle::foreign("wine-i386", "i386", &["libwine"]));
    }
    bundles
}

fn root(cache: &Cache) -> PathBuf {
    cache.path("packages/wine")
}

/// The prefix of a row: what wine takes for the disk and the registry of a Windows machine.
fn prefix_name(target: &Target) -> String {
    format!("wine/{}", if is_32_bit(target) { "x86" } else { "x64" })
}

/// Makes the row's prefix, once.
///
/// # Errors
/// wine does not start.
pub fn provide(cache: &Cache, target: &Target, events: &Events) -> Result<()> {
    if cfg!(not(target_arch = "x86_64")) {
        bail!("Debian has wine for x86_64 build machines only");
    }
    let name = prefix_name(target);
    if cache.has(&name) {
        return Ok(());
    }
    let doing = format!("making a wine prefix for {target}");
    events.step(&name, &doing, || {
        tie_together(cache, target)?;
        cache.install(&name, |prefix| make_prefix(cache, target, prefix)).map(drop)
    })
}

/// What Debian's maintainer scripts and absolute paths do on an installed system.
fn tie_together(cache: &Cache, target: &Target) -> Result<()> {
    let root = root(cache);
    // The package has a script there that looks below /usr.
    toolchain::link(Path::new("wineserver64"), &root.join("usr/lib/wine/wineserver"))?;
    if is_32_bit(target) {
        let libraries = cache.path("packages/wine-i386/usr/lib/i386-linux-gnu/wine/i386-windows");
        let place = root.join(UNIX).join("wine/i386-windows");
        // The 64-bit package has the folder, empty.
        let _ = fs::remove_dir(&place);
        toolchain::link(&libraries, &place)?;
    }
    Ok(())
}

fn make_prefix(cache: &Cache, target: &Target, prefix: &Path) -> Result<()> {
    let sh = Shell::new()?;
    let root = root(cache);
    let windows = prefix.join("drive_c/windows");
    // Folders of Windows: what the machine calls it, zig's name, and wine's own copy of its libraries.
    let mut folders = vec![("system32", "x86_64", "x86_64-windows", "x86_64-w64-mingw32")];
    if is_32_bit(target) {
        folders.push(("syswow64", "x86", "i386-windows", "i686-w64-mingw32"));
    }
    sh.set_var("ZIG_GLOBAL_CACHE_DIR", cache.path("zig-cache"));
    sh.set_var("ZIG_LOCAL_CACHE_DIR", cache.path("zig-cache"));
    let scratch = cache.scratch()?;
    let source = scratch.path().join("shim.c");
    sh.write_file(&source, SHIM)?;
    let zig = ZIG.program(cache);
    for (folder, zig_arch, _, mingw) in &folders {
        let folder = windows.join(folder);
        sh.create_dir(&folder)?;
        // Debian's wine links zlib as the library of another package.
        sh.copy_file(root.join("usr").join(mingw).join("lib/zlib1.dll"), &folder)?;
        let shim = folder.join("bcryptprimitives.dll");
        capture(cmd!(sh, "{zig} cc -target {zig_arch}-windows-gnu -shared -nostdlib -O2 -s {source} -o {shim}"))?;
    }
    for (name, value) in variables(cache, prefix) {
        sh.set_var(name, value);
    }
    let (wine, server) = (root.join("usr/lib/wine/wine64"), root.join("usr/lib/wine/wineserver64"));
    sh.change_dir(prefix);
    // Its exit code says nothing: with no display it always complains.
    let made = cmd!(sh, "{wine} wineboot --init").quiet().ignore_status().output()?;
    // What wineboot started goes on for a while; the prefix is complete when the server has ended.
    capture(cmd!(sh, "{server} -w"))?;
    if !prefix.join("system.reg").exists() {
        bail!("wine made no prefix: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    for (folder, _, wines, _) in folders {
        share(&root.join(UNIX).join("wine").join(wines), &windows.join(folder))?;
    }
    Ok(())
}

/// wine copies its 700 libraries into every prefix; hard links do as well and take no room.
fn share(original: &Path, copies: &Path) -> Result<()> {
    for entry in fs::read_dir(copies).with_context(|| format!("cannot read {}", copies.display()))?.flatten() {
        let (copy, same) = (entry.path(), original.join(entry.file_name()));
        let length = |path: &Path| fs::metadata(path).map(|m| m.len()).ok();
        if length(&same).is_some() && length(&same) == length(&copy) && fs::read(&same)? == fs::read(&copy)? {
            fs::remove_file(&copy)?;
            fs::hard_link(fs::canonicalize(&same)?, &copy)?;
        }
    }
    Ok(())
}

/// The variables with which wine finds its parts and keeps to itself.
fn variables(cache: &Cache, prefix: &Path) -> Vec<(&'static str, String)> {
    let root = root(cache);
    let wine = root.join("usr/lib/wine");
    vec![
        ("WINEPREFIX", text(prefix)),
        // Some of wine's parts write below the home folder.
        ("HOME", text(prefix)),
        ("WINELOADER", text(&wine.join("wine64"))),
        ("WINESERVER", text(&wine.join("wineserver64"))),
        ("WINEDEBUG", "-all".to_owned()),
        // No questions about .NET and HTML, and no menu entries.
        ("WINEDLLOVERRIDES", "mscoree,mshtml=;winemenubuilder.exe=d".to_owned()),
        ("LD_LIBRARY_PATH", text(&root.join(UNIX))),
        ("DISPLAY", String::new()),
        // In the C locale wine finds no file whose name is not ASCII.
        ("LC_ALL", "C.UTF-8".to_owned()),
    ]
}

/// Completes the spec of a Windows row.
///
/// # Errors
/// wine does not start.
pub fn runner(cache: &Cache, target: &Target, spec: &mut RunnerSpec) -> Result<()> {
    let wine = root(cache).join("usr/lib/wine/wine64");
    let prefix = cache.path(prefix_name(target));
    spec.env = variables(cache, &prefix).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    spec.label = format!("wine {}", version_of(cache, &wine, &spec.env)?);
    spec.command = vec![text(&wine)];
    Ok(())
}
