//! The provider for a machine without Nix: clang, LLD and the C libraries of zig for every target, emulators and C libraries
//! from the distribution's packages, std from rustup or built from its source. Everything is in the cache folder.

pub mod archive;
pub mod build_systems;
pub mod clang;
pub mod emulators;
pub mod rust_std;
pub mod spawn;
pub mod sysroot;
pub mod wasi;
pub mod wheels;
pub mod wine;
pub mod wrappers;
pub mod zlib;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use anyhow::{Result, anyhow};

use super::{Download, Prepared, Provider, toolchain};
use crate::cache::{Cache, CacheLock};
use crate::environment::Environment;
use crate::events::Events;
use crate::host::capacity;
use crate::host::signals;
use crate::targets::{Level, Target};
use crate::workspace::Workspace;
use archive::{Archive, BACKPORTS, NEWER_SUITE};
use emulators::Emulators;
use rust_std::RustStd;
use sysroot::Sysroot;
use wheels::{WASMTIME, ZIG};
use wrappers::Wrappers;

/// The provider.
pub struct Portable {
    cache: Cache,
    lists: Once<Archive>,
}

impl Portable {
    /// A provider that keeps everything in this cache.
    pub fn new(cache: Cache) -> Portable {
        Portable { cache, lists: Once::default() }
    }
}

impl Provider for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn is_ready(&self, workspace: &Workspace, target: &Target) -> bool {
        let std = RustStd::new(&self.cache, &workspace.toolchain);
        let zig = target.zig.is_none() || ZIG.is_installed(&self.cache);
        let packages = Sysroot::of_builds(target).is_none_or(|root| root.folder(&self.cache).exists());
        zig && packages
            && std.has(target)
            && Emulators::new(&self.cache).missing(std::slice::from_ref(target)).is_empty()
    }

    fn obstacle(&self, workspace: &Workspace, target: &Target, events: &Events) -> Option<String> {
        let debian = Archive::open(&self.cache, events).err().map(|error| format!("{error:#}"));
        let wheels = [(&ZIG, target.zig.is_some()), (&WASMTIME, Emulators::new(&self.cache).wants_wasmtime(target))];
        let wheel = wheels.iter().filter(|(_, wanted)| *wanted);
        if let Some(reason) = wheel.filter_map(|(wheel, _)| wheel.obstacle(&self.cache, debian.as_deref())).next() {
            return Some(reason);
        }
        let emulators = !Emulators::new(&self.cache).missing(std::slice::from_ref(target)).is_empty();
        let packages = Sysroot::of_builds(target).is_some_and(|root| !root.folder(&self.cache).exists());
        let std = RustStd::new(&self.cache, &workspace.toolchain).needs_packages(target);
        debian.filter(|_| emulators || packages || std)
    }

    fn missing(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Download>> {
        let std = RustStd::new(&self.cache, &workspace.toolchain);
        let emulators = Emulators::new(&self.cache);
        if targets.iter().all(|target| self.is_ready(workspace, target)) {
            return Ok(Vec::new());
        }
        let mut downloads = Vec::new();
        if targets.iter().any(|t| t.zig.is_some()) && !ZIG.is_installed(&self.cache) {
            downloads.push(ZIG.download());
        }
        if targets.iter().any(|t| emulators.wants_wasmtime(t)) && !WASMTIME.is_installed(&self.cache) {
            downloads.push(WASMTIME.download());
        }
        downloads.extend(zlib::download(&self.cache, targets));
        // Fetching the lists of packages changes the cache, and apt keeps others from it only by failing.
        let _lock = self.lock(events)?;
        let packages = emulators.missing(targets);
        let needs_source = std.needs_source(targets);
        if !packages.is_empty() || needs_source {
            let sizes = || -> Result<Vec<Download>> {
                let apt = self.lists(&std, targets, events)?;
                let source = if needs_source { std.source_download(&apt)? } else { None };
                let mut sizes: Vec<Download> = source.into_iter().collect();
                sizes.extend(emulators::downloads(&apt, &packages)?);
                // Their sizes are known only now that they are here.
                sizes.extend(apt.fetched());
                Ok(sizes)
            };
            match sizes() {
                Ok(sizes) => downloads.extend(sizes),
                // The rows that need nothing of it go on; `prepare` gives the others this reason.
                Err(error) => events.note(&format!("{error:#}")),
            }
        }
        for root in targets.iter().filter_map(Sysroot::of_builds) {
            match root.downloads(&self.cache, events) {
                Ok(sizes) => downloads.extend(sizes),
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
        let lists = || self.lists(&std, targets, events);
        let zig = Once::default();
        // Whoever asks first fetches it, and the others wait for that.
        let zig = || zig.get(|| ZIG.install(&self.cache, lists, events));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (target, root) in targets.iter().filter_map(|target| Some((target, Sysroot::of_builds(target)?))) {
                    if let Err(error) = root.install(&self.cache, events) {
                        failures.add(target.name.clone(), format!("{error:#}"));
                    }
                }
            });
            scope.spawn(|| {
                let wanted: Vec<&Target> = targets.iter().filter(|t| t.zig.is_some()).collect();
                if !wanted.is_empty() {
                    match zig() {
                        Ok(()) => {
                            let failed = |row, reason| failures.add(row, reason);
                            clang::provide(&self.cache, &wanted, events, failed);
                            zlib::provide(&self.cache, &wanted, events, failed);
                        }
                        Err(error) => failures.take(wanted.iter().map(|t| t.name.clone()), Err(error)),
                    }
                }
            });
            // std takes longest: it goes on while zlib is compiled and the emulators are fetched.
            scope.spawn(|| {
                let wanted: Vec<&Target> = targets.iter().filter(|t| !std.has(t)).collect();
                if !wanted.is_empty() {
                    let compiler = || {
                        if wanted.iter().any(|t| t.zig.is_some()) {
                            zig()?;
                        }
                        Ok(wrappers.bin().to_owned())
                    };
                    let failed = |row, reason| failures.add(row, reason);
                    let names = wanted.iter().map(|t| t.name.clone());
                    failures.take(names, std.provide(&wanted, compiler, lists, events, failed));
                }
            });
            scope.spawn(|| {
                for (name, reason) in emulators.provide(targets, zig, lists, events) {
                    failures.add(name, reason);
                }
            });
        });
        signals::check()?;
        let mut libraries = std.built();
        // Of several versions of a specification, the one that the row has now.
        let custom = targets.iter().filter(|target| target.spec.is_some());
        libraries.extend(custom.filter_map(|target| Some((target.triple.clone(), std.folder(target)?))));
        let farm = toolchain::make(&self.cache, &workspace.toolchain, &libraries, &wrappers.program())?;
        targets
            .iter()
            .map(|target| {
                let environment = match failures.of(&target.name) {
                    Some(reason) => Err(reason),
                    None => {
                        self.environment(workspace, target, &farm, &wrappers, &emulators).map_err(|e| format!("{e:#}"))
                    }
                };
                Ok(Prepared { target: target.clone(), environment })
            })
            .collect()
    }
}

/// Does the same for each of these rows, several at once; `failed` hears of each row for which that is not possible.
fn for_each_row(rows: &[&Target], work: impl Fn(&Target) -> Result<()> + Sync, failed: impl Fn(String, String) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..capacity::cores() {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = signals::check().and_then(|()| work(row)) {
                        failed(row.name.clone(), format!("{error:#}"));
                    }
                }
            });
        }
    });
}

/// Something that is done once, and whose failure is the same for all who need it.
struct Once<T>(OnceLock<std::result::Result<T, String>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Once(OnceLock::new())
    }
}

impl<T: Clone> Once<T> {
    fn get(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let made = self.0.get_or_init(|| make().map_err(|error| format!("{error:#}")));
        made.clone().map_err(|reason| anyhow!(reason))
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

    /// apt, with the lists of packages fetched that these rows need. What keeps them from being fetched does so for the whole
    /// run.
    fn lists(&self, std: &RustStd, targets: &[Target], events: &Events) -> Result<Archive> {
        self.lists.get(|| {
            let apt = Archive::open(&self.cache, events)?;
            let own = apt.own_suite.clone();
            let bundles = Emulators::new(&self.cache).missing(targets);
            let mut suites: Vec<String> = bundles.iter().flat_map(|bundle| bundle.suites(&own)).collect();
            let needs_source = std.needs_source(targets);
            if needs_source {
                suites.push(BACKPORTS.to_owned());
            }
            if suites.is_empty() {
                // What is left is pip.
                suites.push(own.clone());
            }
            let update = |suites: &[String]| {
                if apt.is_ready(suites) {
                    return Ok(());
                }
                events.step("lists", "fetching the distribution's lists of packages", || apt.update(suites))
            };
            update(&suites)?;
            if needs_source && std.source_package(&apt).is_err() {
                // Releases have a version each of their own.
                update(&[NEWER_SUITE.to_owned(), own])?;
            }
            Ok(apt)
        })
    }

    /// The environment of a row whose parts are all in place.
    fn environment(
        &self,
        workspace: &Workspace,
        target: &Target,
        farm: &std::path::Path,
        wrappers: &Wrappers,
        emulators: &Emulators,
    ) -> Result<Environment> {
        let mut environment = Environment::new(self.name(), target);
        environment.glibc.clone_from(&target.glibc);
        environment.path = vec![farm.join("bin"), wrappers.bin().to_owned()];
        if target.level == Level::Run {
            let mut runner = emulators.runner(target)?;
            runner.rows = workspace.table.runners();
            environment.runner = Some(runner);
        }
        wrappers.write(target, &mut environment)?;
        let std = toolchain::std_key(farm, &target.triple);
        environment.inputs.extend([("std".to_owned(), std), ("C toolchain".to_owned(), wrappers.key(target))]);
        let mut flags = target.rustflags.clone();
        if !flags.is_empty() {
            // rustdoc links doctests.
            environment.scoped.insert(format!("CARGO_TARGET_{}_RUSTDOCFLAGS", target.upper()), flags.join(" "));
        }
        // cargo knows the target by name only; this makes it build everything again when the specification changes.
        flags.extend(target.spec.as_deref().map(|spec| format!("-Cmetadata={}", rust_std::spec_key(spec))));
        if !flags.is_empty() {
            environment.scoped.insert(format!("CARGO_TARGET_{}_RUSTFLAGS", target.upper()), flags.join(" "));
        }
        Ok(environment)
    }
}
