//! A library that programs for glibc are given under qemu: without it a missing program is started all the same (`spawn.c`).

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::part::{Failures, Part, Site, each};
use super::wheels::ZIG;
use crate::cache::Cache;
use crate::host::child::capture;
use crate::host::digest::StableHasher;
use crate::provider::is_native;
use crate::targets::{Level, Target};
use cross_flake_runner::RunnerKind;

const SOURCE: &str = include_str!("../../../data/spawn.c");

/// The library's directory below the cache; `None` for a row that does without. The name tells all that the library depends on.
fn name(target: &Target) -> Option<String> {
    let emulated = target.level == Level::Run && target.runner == Some(RunnerKind::QemuUser) && !is_native(target);
    let zig = target.zig_target().filter(|_| emulated && target.glibc.is_some())?;
    let cpu = target.zig_cpu.as_deref().map(|cpu| format!("-{cpu}")).unwrap_or_default();
    let mut source = StableHasher::default();
    SOURCE.hash(&mut source);
    Some(format!("spawn/{zig}{cpu}-{:016x}-zig-{}", source.finish(), ZIG.version))
}

/// The library of a row, once [`Spawn`] has been installed.
pub fn library(cache: &Cache, target: &Target) -> Option<PathBuf> {
    let file = cache.path(name(target)?).join("spawn.so");
    // These part the list of LD_PRELOAD (ld.so(8)) and of QEMU_SET_ENV, and nothing escapes them.
    let listable = !file.to_string_lossy().contains([',', ':', ' ', '\t', '\n']);
    (listable && file.exists()).then_some(file)
}

/// The libraries, one for each row.
pub struct Spawn;

impl Part for Spawn {
    fn key(&self) -> String {
        "spawn".to_owned()
    }

    fn is_here(&self, site: &Site<'_>, row: &Target) -> bool {
        name(row).is_none_or(|name| site.cache.has(&name))
    }

    fn needs(&self, _: &Site<'_>, _: &Target) -> Vec<Box<dyn Part>> {
        vec![Box::new(ZIG)]
    }

    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures> {
        Ok(each(rows, name, |row| {
            let name = name(row).context("the row does without")?;
            let doing = format!("compiling what qemu lacks of {row}");
            site.install(&name, &doing, &name, |new| compile(site.cache, row, new)).map(drop)
        }))
    }
}

fn compile(cache: &Cache, target: &Target, new: &Path) -> Result<()> {
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
}
