//! A part: one thing that rows need, and all that a plan has to know of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::rust_std::RustStd;
use super::wanted::Wanted;
use crate::cache::Cache;
use crate::events::Events;
use crate::host::capacity::in_parallel;
use crate::host::signals;
use crate::provider::{Download, Reason};
use crate::targets::Target;

/// Rows that cannot be had, with the reason.
pub type Failures = BTreeMap<String, Reason>;

/// One thing that rows need: a program, a library, or one for each of them that is made in one go.
pub trait Part: Send + Sync {
    /// Names the part: its place in the cache, if it has one of its own. Parts of the same name are the same.
    fn key(&self) -> String;

    /// Returns true where nothing has to be done for this row. Asks no network.
    fn is_here(&self, site: &Site<'_>, _row: &Target) -> bool {
        site.cache.has(&self.key())
    }

    /// Returns the parts that have to be there before.
    fn needs(&self, _site: &Site<'_>, _row: &Target) -> Vec<Box<dyn Part>> {
        Vec::new()
    }

    /// Returns what keeps this machine from having it, as far as that is known without a network.
    fn obstacle(&self, _site: &Site<'_>) -> Option<Reason> {
        None
    }

    /// Returns what [`Part::install`] fetches for these rows. May ask the distribution for sizes.
    ///
    /// # Errors
    /// The size cannot be had.
    fn downloads(&self, _site: &Site<'_>, _rows: &[&Target]) -> Result<Vec<Download>> {
        Ok(Vec::new())
    }

    /// Names a thing that only one part may use at a time.
    fn lane(&self) -> Option<&'static str> {
        None
    }

    /// Fetches or makes it for these rows, and returns those for which that was not possible.
    ///
    /// # Errors
    /// What keeps all of them from having it.
    fn install(&self, site: &Site<'_>, rows: &[&Target]) -> Result<Failures>;
}

/// The place where parts are installed.
pub struct Site<'a> {
    /// The cache; whoever installs keeps others from it.
    pub cache: &'a Cache,
    /// The libraries of the workspace's toolchain.
    pub std: &'a RustStd,
    /// The distribution's packages, as far as parts want some.
    pub wanted: &'a Wanted,
    /// The stream that hears of every step.
    pub events: &'a Events,
}

impl Site<'_> {
    /// Puts a directory of the cache in place, as a step of the set-up.
    ///
    /// # Errors
    /// See [`Cache::install`].
    pub fn install(
        &self,
        step: &str,
        doing: &str,
        name: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Failures> {
        self.events.step(step, doing, || self.cache.install(name, make)).map(|_| Failures::new())
    }
}

/// Does the work for these rows, several at once, and once for all that share a name.
pub fn each(
    rows: &[&Target],
    name: impl Fn(&Target) -> Option<String>,
    work: impl Fn(&Target) -> Result<()> + Sync,
) -> Failures {
    let mut things: BTreeMap<Option<String>, Vec<&Target>> = BTreeMap::new();
    rows.iter().for_each(|row| things.entry(name(row)).or_default().push(row));
    let things: Vec<Vec<&Target>> = things.into_values().collect();
    let results = in_parallel(&things, |rows| signals::check().and_then(|()| work(rows[0])));
    let failed = std::iter::zip(things, results).filter_map(|(rows, result)| Some((rows, result.err()?)));
    failed.flat_map(|(rows, error)| all(&rows, &error.into())).collect()
}

/// Gives all these rows the same reason.
pub fn all(rows: &[&Target], reason: &Reason) -> Failures {
    rows.iter().map(|row| (row.name.clone(), reason.clone())).collect()
}
