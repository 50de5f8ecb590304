//! A library that programs for glibc are given under qemu: without it a missing program is started all the same (`spawn.c`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::emulators::is_native;
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::child::capture;
use crate::targets::{Level, Target};
use cross_flake_runner::RunnerKind;

const SOURCE: &str = include_str!("../../../data/spawn.c");

/// The library's folder below the cache; none for a row that does without. The name tells all that the library depends on.
fn name(target: &Target) -> Option<String> {
    let emulated = target.level == Level::Run && target.runner == Some(RunnerKind::QemuUser) && !is_native(target);
    let zig = target.zig_target().filter(|_| emulated && target.glibc.is_some())?;
    let cpu = target.zig_cpu.as_deref().map(|cpu| format!("-{cpu}")).unwrap_or_default();
    let mut source = DefaultHasher::new();
    SOURCE.hash(&mut source);
    Some(format!("spawn/{zig}{cpu}-{:016x}-zig-{}", source.finish(), ZIG.version))
}

/// The library of a row, once [`provide`] has made it.
pub fn library(cache: &Cache, target: &Target) -> Option<PathBuf> {
    let file = cache.path(name(target)?).join("spawn.so");
    // These part the list of LD_PRELOAD (ld.so(8)) and of QEMU_SET_ENV, and nothing escapes them.
    let listable = !file.to_string_lossy().contains([',', ':', ' ', '\t', '\n']);
    (listable && file.exists()).then_some(file)
}

/// Compiles the library of a row, once.
///
/// # Errors
/// It cannot be compiled.
pub fn provide(cache: &Cache, target: &Target, zig: impl Fn() -> Result<()>, events: &Events) -> Result<()> {
    let Some(name) = name(target).filter(|name| !cache.has(name)) else { return Ok(()) };
    zig()?;
    events
        .step(&name, &format!("compiling what qemu lacks of {target}"), || {
            cache.install(&name, |new| {
                let sh = Shell::new()?;
                sh.set_var("ZIG_GLOBAL_CACHE_DIR", cache.path("zig-cache"));
                sh.set_var("ZIG_LOCAL_CACHE_DIR", cache.path("zig-cache"));
                let (source, library) = (new.join("spawn.c"), new.join("spawn.so"));
                sh.write_file(&source, SOURCE)?;
                let (zig, zig_target) = (ZIG.program(cache), target.zig_target().context("the row has no `zig`")?);
                // In zig's words; the row's flags are in clang's.
                let cpu = target.zig_cpu.iter().map(|cpu| format!("-mcpu={cpu}"));
                let line = cmd!(sh, "{zig} cc -target {zig_target} {cpu...} -shared -fPIC -O2 -s");
                capture(line.args(["-fno-sanitize=undefined", "-o"]).arg(library).arg(source)).map(drop)
            })
        })
        .map(drop)
}
