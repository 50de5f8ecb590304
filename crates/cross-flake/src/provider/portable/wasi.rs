//! The C library of WASI as rustc expects it beside std: `self-contained/crt1-command.o` and `libc.a`. Prebuilt std brings
//! them; for a std built from source they are zig's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::wheels::ZIG;
use crate::cache::Cache;
use crate::host::child::capture;

/// Fills `lib/self-contained`.
///
/// # Errors
/// zig does not link a program for WASI.
pub fn self_contained(cache: &Cache, zig_target: &str, lib: &Path) -> Result<()> {
    let zig = ZIG.program(cache);
    let zig_cache = cache.path("zig-cache");
    let scratch = cache.scratch()?;
    let sh = Shell::new()?;
    sh.create_dir(&zig_cache)?;
    sh.set_var("ZIG_GLOBAL_CACHE_DIR", &zig_cache);
    sh.set_var("ZIG_LOCAL_CACHE_DIR", &zig_cache);
    // zig prints the call of its linker, with the paths of what it has built, relative to where it is started.
    sh.set_var("ZIG_VERBOSE_LINK", "1");
    sh.change_dir(&zig_cache);
    let (source, program) = (scratch.path().join("main.c"), scratch.path().join("main.wasm"));
    sh.write_file(&source, "int main(void) { return 0; }\n")?;
    let output = cmd!(sh, "{zig} cc -target {zig_target} -O2 -s {source} -o {program}").quiet().output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let call = said.lines().rfind(|l| l.contains("crt1-command.o")).context("zig printed no call of its linker")?;
    let file = |name: &str| -> Result<PathBuf> {
        let word = call.split_whitespace().find(|w| w.ends_with(&format!("/{name}")) || *w == name);
        Ok(zig_cache.join(word.with_context(|| format!("zig links no {name} for WASI"))?))
    };
    let place = lib.join("self-contained");
    sh.create_dir(&place)?;
    fs::copy(file("crt1-command.o")?, place.join("crt1-command.o"))?;
    // rustc links `-lc` and nothing else, so all that zig would link becomes one archive.
    sh.change_dir(scratch.path());
    let mut script = "create libc.a\n".to_owned();
    for (n, name) in ["libc.a", "libzigc.a", "libcompiler_rt.a"].iter().enumerate() {
        // By short names: an MRI script knows no quoting.
        let part = format!("part{n}.a");
        fs::copy(file(name)?, scratch.path().join(&part))?;
        script.push_str(&format!("addlib {part}\n"));
    }
    script.push_str("save\nend\n");
    capture(cmd!(sh, "{zig} ar -M").stdin(script))?;
    fs::copy(scratch.path().join("libc.a"), place.join("libc.a"))?;
    Ok(())
}
