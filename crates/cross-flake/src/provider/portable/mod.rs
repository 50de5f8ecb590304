//! The provider for a machine without Nix: clang, LLD and the C libraries of zig for every target, emulators and C libraries
//! from the distribution's packages, std from rustup or built from its source. Everything is in the cache folder.

pub mod clang;
pub mod diagnosis;
pub mod emulators;
pub mod rust_std;
pub mod sysroot;
pub mod wheels;
pub mod wrappers;
pub mod zlib;

mod archive;
mod bundle;
mod host_cc;
mod lists;
mod loader;
mod part;
mod pip;
mod plan;
mod prefix;
mod programs;
mod rust_std_parts;
mod rustup;
mod spawn;
mod wanted;
mod wasi;
mod wine;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;

use super::{Download, Prepared, Provider, Reason, toolchain};
use crate::cache::{Cache, CacheLock};
use crate::environment::Environment;
use crate::events::Events;
use crate::host::signals;
use crate::targets::{Level, Target};
use crate::workspace::Workspace;
use clang::CToolchains;
use emulators::Emulators;
use host_cc::HostCc;
use part::{Failures, Part, Site};
use plan::Plan;
use rust_std::RustStd;
use rust_std_parts::Std;
use sysroot::Sysroot;
use wanted::Wanted;
use wheels::ZIG;
use wrappers::Wrappers;
use zlib::Zlib;

/// The provider.
pub struct Portable {
    cache: Cache,
    wanted: Wanted,
    /// Programs are only run.
    only_runs: bool,
}

impl Portable {
    /// A provider that keeps everything in this cache.
    pub fn new(cache: Cache) -> Portable {
        Portable { cache, wanted: Wanted::default(), only_runs: false }
    }

    fn lock(&self, events: &Events) -> Result<CacheLock> {
        self.cache.lock(|| events.note("waiting for another run that is setting up"))
    }

    /// Returns all that a row needs; nothing else says it.
    fn parts(&self, row: &Target) -> Vec<Box<dyn Part>> {
        let mut parts: Vec<Box<dyn Part>> = Vec::new();
        if !self.only_runs {
            parts.push(Box::new(HostCc));
            if row.zig.is_some() {
                parts.extend([Box::new(ZIG) as Box<dyn Part>, Box::new(CToolchains)]);
            }
            if row.has_libc() {
                parts.push(Box::new(Zlib));
            }
            parts.push(Box::new(Std));
        }
        parts.extend(Sysroot::of_builds(row).map(|root| Box::new(root) as Box<dyn Part>));
        if row.level == Level::Run {
            parts.extend(Emulators::new(&self.cache).parts(row));
        }
        parts
    }

    /// Returns the paths in the cache that the parts of a workspace's rows, of those that it names and of all others, have or would have.
    pub fn places(&self, workspace: &Workspace) -> BTreeSet<PathBuf> {
        fn visit(part: &dyn Part, site: &Site<'_>, row: &Target) {
            part.is_here(site, row);
            part.needs(site, row).iter().for_each(|need| visit(&**need, site, row));
        }
        let watched = Portable::new(self.cache.watched());
        watched.at_site(workspace, &Events::none(), |site| {
            for row in workspace.table.rows() {
                watched.parts(row).iter().for_each(|part| visit(&**part, site, row));
            }
        });
        watched.cache.asked()
    }

    /// Does something with the place where parts are installed.
    fn at_site<T>(&self, workspace: &Workspace, events: &Events, work: impl FnOnce(&Site<'_>) -> T) -> T {
        let std = &RustStd::new(&self.cache, &workspace.toolchain);
        work(&Site { cache: &self.cache, std, wanted: &self.wanted, events })
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
        environment.std = RustStd::new(&self.cache, &workspace.toolchain).origin(target);
        environment.path = vec![farm.join("bin"), wrappers.bin().to_owned()];
        environment.path.extend(host_cc::write(&self.cache, &workspace.toolchain)?);
        if target.level == Level::Run {
            let mut runner = emulators.runner(target)?;
            runner.rows = workspace.table.runners();
            if target.sdk.is_some() {
                runner.label.push_str(", Microsoft's SDK");
            }
            environment.runner = Some(runner);
        }
        if self.only_runs {
            return Ok(environment);
        }
        wrappers.write(target, &mut environment)?;
        let std = toolchain::std_key(farm, &target.triple);
        environment.inputs.extend([("std".to_owned(), std), ("C toolchain".to_owned(), wrappers.key(target))]);
        Ok(environment)
    }
}

impl Provider for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn only_run(&mut self) {
        self.only_runs = true;
    }

    fn is_ready(&self, workspace: &Workspace, target: &Target) -> bool {
        self.at_site(workspace, &Events::none(), |site| {
            self.parts(target).iter().all(|part| part.is_here(site, target))
        })
    }

    fn obstacle(&self, workspace: &Workspace, target: &Target) -> Option<Reason> {
        self.at_site(workspace, &Events::none(), |site| Plan::new(site, [target], |row| self.parts(row)).obstacle())
    }

    fn missing(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Download>> {
        if targets.iter().all(|target| self.is_ready(workspace, target)) {
            return Ok(Vec::new());
        }
        // Fetching the lists of packages changes the cache.
        let _lock = self.lock(events)?;
        Ok(self.at_site(workspace, events, |site| Plan::new(site, targets, |row| self.parts(row)).downloads()))
    }

    fn prepare(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Prepared>> {
        // Whoever lacks nothing waits for nobody: another run may be at std of other rows for minutes.
        let is_ready = targets.iter().all(|target| self.is_ready(workspace, target));
        let _lock = if is_ready { None } else { Some(self.lock(events)?) };
        let std = RustStd::new(&self.cache, &workspace.toolchain);
        let emulators = Emulators::new(&self.cache);
        // Building std takes some of them.
        let wrappers = Wrappers::new(&self.cache, &workspace.toolchain)?;
        let failures = match is_ready {
            true => Failures::new(),
            false => self.at_site(workspace, events, |site| Plan::new(site, targets, |row| self.parts(row)).run()),
        };
        signals::check()?;
        let mut libraries = std.all();
        // Of several versions of a specification, the one that the row has now.
        let custom = targets.iter().filter(|target| target.spec.is_some());
        libraries.extend(custom.filter_map(|target| Some((target.triple.clone(), std.folder(target)?))));
        let farm = toolchain::make(&self.cache, &workspace.toolchain, &libraries, &wrappers.program())?;
        let prepare = |target: &Target| {
            let environment = match failures.get(&target.name) {
                Some(reason) => Err(reason.clone()),
                None => self.environment(workspace, target, &farm, &wrappers, &emulators).map_err(Reason::from),
            };
            Prepared { target: target.clone(), environment }
        };
        Ok(targets.iter().map(prepare).collect())
    }
}
