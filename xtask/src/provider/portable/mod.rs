//! The provider for a machine without Nix: zig as compiler, linker and libc of every target, emulators and C libraries
//! from the distribution's packages, std from rustup or built from its source. Everything is in the cache folder.

pub mod apt;
pub mod build_systems;
pub mod emulators;
pub mod rust_std;
pub mod sysroot;
pub mod wasi;
pub mod wheels;
pub mod wine;
pub mod wrappers;
pub mod zlib;

use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, anyhow, bail};

use super::{Download, Prepared, Provider, toolchain};
use crate::cache::{Cache, CacheLock};
use crate::environment::Environment;
use crate::events::Events;
use crate::signals;
use crate::targets::{Level, Target};
use crate::workspace::Workspace;
use apt::Apt;
use emulators::Emulators;
use rust_std::RustStd;
use wheels::{WASMTIME, ZIG};
use wrappers::Wrappers;

/// The provider.
pub struct Portable {
    cache: Cache,
    lists: OnceLock<std::result::Result<Apt, String>>,
}

impl Portable {
    /// A provider that keeps everything in this cache.
    pub fn new(cache: Cache) -> Portable {
        Portable { cache, lists: OnceLock::new() }
    }
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// It cannot be started, or fails; the error holds the command and the end of what it said.
pub fn capture(cmd: xshell::Cmd<'_>) -> Result<String> {
    let line = cmd.to_string();
    let output = cmd.quiet().ignore_status().output().with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        signals::check()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.trim().lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        let line = line.chars().take(200).collect::<String>();
        bail!("`{line}` failed ({})\n{end}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Provider for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn is_ready(&self, workspace: &Workspace, target: &Target) -> bool {
        let std = RustStd::new(&self.cache, &workspace.toolchain);
        let zig = target.zig.is_none() || ZIG.is_installed(&self.cache);
        zig && std.has(target) && Emulators::new(&self.cache).missing(std::slice::from_ref(target)).is_empty()
    }

    fn missing(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Download>> {
        let std = RustStd::new(&self.cache, &workspace.toolchain);
        let emulators = Emulators::new(&self.cache);
        let mut downloads = Vec::new();
        if targets.iter().any(|t| t.zig.is_some()) && !ZIG.is_installed(&self.cache) {
            downloads.push(ZIG.download());
        }
        if targets.iter().any(|t| emulators.wants_wasmtime(t)) && !WASMTIME.is_installed(&self.cache) {
            downloads.push(WASMTIME.download());
        }
        if targets.iter().all(|target| self.is_ready(workspace, target)) {
            return Ok(Vec::new());
        }
        // Fetching the lists of packages changes the cache, and apt keeps others from it only by failing.
        let _lock = self.lock(events)?;
        let packages = emulators.missing(targets);
        let needs_source = targets.iter().any(|t| !std.has(t)) && !std.has_source();
        if !packages.is_empty() || needs_source {
            let sizes = || -> Result<Vec<Download>> {
                let apt = self.lists(events)?;
                let source = if needs_source { std.source_download(&apt)? } else { None };
                Ok(source.into_iter().chain(emulators::downloads(&apt, &packages)?).collect())
            };
            match sizes() {
                Ok(sizes) => downloads.extend(sizes),
                // The rows that need nothing of it go on; `prepare` gives the others this reason.
                Err(error) => events.note(&format!("{error:#}")),
            }
        }
        Ok(downloads)
    }

    fn prepare(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Prepared>> {
        let _lock = self.lock(events)?;
        let std = RustStd::new(&self.cache, &workspace.toolchain);
        let emulators = Emulators::new(&self.cache);
        let wrappers = Wrappers::new(&self.cache, &workspace.toolchain)?;
        let failures = Failures::default();
        std::thread::scope(|scope| {
            // What takes long goes on while other things are fetched.
            scope.spawn(|| {
                let wanted: Vec<&Target> = targets.iter().filter(|t| t.zig.is_some()).collect();
                if !wanted.is_empty() {
                    match ZIG.install(&self.cache, || self.lists(events), events) {
                        Ok(()) => zlib::provide(&self.cache, &wanted, events, |row, reason| failures.add(row, reason)),
                        Err(error) => failures.take(wanted.iter().map(|t| t.name.clone()), Err(error)),
                    }
                }
                // std for Windows wants a dlltool, which is zig's.
                let wanted: Vec<&Target> = targets.iter().filter(|t| !std.has(t)).collect();
                if !wanted.is_empty() {
                    let names = wanted.iter().map(|t| t.name.clone());
                    failures.take(names, std.provide(&wanted, wrappers.bin(), || self.lists(events), events));
                }
            });
            scope.spawn(|| {
                for (name, reason) in emulators.provide(targets, || self.lists(events), events) {
                    failures.add(name, reason);
                }
            });
        });
        signals::check()?;
        let mut libraries = std.built();
        // Of several versions of a specification, the one that the row has now.
        let custom = targets.iter().filter(|target| target.spec.is_some());
        libraries.extend(custom.filter_map(|target| Some((target.triple.clone(), std.folder(target)?))));
        let farm = toolchain::make(&self.cache, &workspace.toolchain, &libraries, &wrappers.xtask())?;
        targets
            .iter()
            .map(|target| {
                let environment = match failures.of(&target.name) {
                    Some(reason) => Err(reason),
                    None => self.environment(target, &farm, &wrappers, &emulators).map_err(|e| format!("{e:#}")),
                };
                Ok(Prepared { target: target.clone(), environment })
            })
            .collect()
    }
}

/// Why rows cannot be had, while several threads work on them.
#[derive(Default)]
struct Failures(Mutex<Vec<(String, String)>>);

impl Failures {
    fn add(&self, row: String, reason: String) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((row, reason));
    }

    /// A failure of something that all these rows need.
    fn take(&self, rows: impl Iterator<Item = String>, result: Result<()>) {
        if let Err(error) = result {
            rows.for_each(|row| self.add(row, format!("{error:#}")));
        }
    }

    fn of(&self, row: &str) -> Option<String> {
        let failures = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.iter().find(|(name, _)| name == row).map(|(_, reason)| reason.clone())
    }
}

impl Portable {
    fn lock(&self, events: &Events) -> Result<CacheLock> {
        self.cache.lock(|| events.note("waiting for another run that is setting up"))
    }

    /// apt, with the lists of packages fetched. What keeps them from being fetched does so for the whole run.
    fn lists(&self, events: &Events) -> Result<Apt> {
        let lists = self.lists.get_or_init(|| {
            let update = || {
                let apt = Apt::open(&self.cache)?;
                if !apt.is_ready() {
                    events.step("lists", "fetching the distribution's lists of packages", || apt.update())?;
                }
                Ok(apt)
            };
            update().map_err(|error: anyhow::Error| format!("{error:#}"))
        });
        lists.clone().map_err(|reason| anyhow!(reason))
    }

    /// The environment of a row whose parts are all in place.
    fn environment(
        &self,
        target: &Target,
        farm: &std::path::Path,
        wrappers: &Wrappers,
        emulators: &Emulators,
    ) -> Result<Environment> {
        let mut environment = Environment::new(self.name(), target);
        environment.glibc.clone_from(&target.glibc);
        environment.path = vec![farm.join("bin"), wrappers.bin().to_owned()];
        if target.level == Level::Run {
            environment.runner = Some(emulators.runner(target)?);
        }
        wrappers.write(target, &mut environment)?;
        let mut flags = target.rustflags.clone();
        // cargo knows the target by name only; this makes it build everything again when the specification changes.
        flags.extend(target.spec.as_deref().map(|spec| format!("-Cmetadata={}", rust_std::spec_key(spec))));
        if !flags.is_empty() {
            environment.scoped.insert(format!("CARGO_TARGET_{}_RUSTFLAGS", target.upper()), flags.join(" "));
        }
        Ok(environment)
    }
}
