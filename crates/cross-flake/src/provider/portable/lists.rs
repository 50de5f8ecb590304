//! The distribution's lists of packages, fetched in one go for all parts that read them.

use std::sync::PoisonError;

use anyhow::Result;

use super::archive::{Archive, BACKPORTS, NEWER_SUITE};
use super::part::{Failures, Part, Site};
use crate::provider::{Download, Reason};
use crate::targets::Target;

/// The lists that were wished for.
struct Lists;

impl Site<'_> {
    /// Wishes for the lists of the suites that `suites` gives for the machine's own release.
    pub fn lists(&self, suites: impl FnOnce(&str) -> Vec<String>) -> Box<dyn Part> {
        if let Ok(archive) = Archive::open(self.cache, self.events) {
            let mut wanted = self.wanted.suites.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.extend(suites(&archive.own_suite));
        }
        Box::new(Lists)
    }

    /// Returns the archive with the lists that were wished for; whoever asks first fetches them, and the others wait.
    ///
    /// # Errors
    /// See [`Archive::open`] and [`Archive::update`].
    pub fn archive(&self) -> Result<Archive> {
        Ok(self.wanted.archive.get_or_init(|| self.fetch().map_err(Reason::from)).clone()?)
    }

    fn fetch(&self) -> Result<Archive> {
        let archive = Archive::open(self.cache, self.events)?;
        let wanted = self.wanted.suites.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let update = |suites: Vec<String>| {
            if archive.is_ready(&suites) {
                return Ok(());
            }
            self.events.step("lists", "fetching the distribution's lists of packages", || archive.update(&suites))
        };
        update(wanted.iter().cloned().collect())?;
        // That suite is there for Rust's source alone, and releases have a version each of their own.
        if wanted.contains(BACKPORTS) && self.std.source_package(&archive).is_err() {
            update(vec![NEWER_SUITE.to_owned(), archive.own_suite.clone()])?;
        }
        Ok(archive)
    }
}

impl Part for Lists {
    fn key(&self) -> String {
        "lists".to_owned()
    }

    /// Returns false: which lists there have to be is known once all parts have wished for theirs. Those that are here take no time.
    fn is_here(&self, _: &Site<'_>, _: &Target) -> bool {
        false
    }

    fn obstacle(&self, site: &Site<'_>) -> Option<Reason> {
        Archive::open(site.cache, site.events).err().map(Reason::from)
    }

    fn downloads(&self, site: &Site<'_>, _: &[&Target]) -> Result<Vec<Download>> {
        Ok(site.archive()?.fetched())
    }

    fn install(&self, site: &Site<'_>, _: &[&Target]) -> Result<Failures> {
        site.archive().map(|_| Failures::new())
    }
}
