//! The lists of several suites as one.

use anyhow::Result;

use super::Archive;
use super::index::{Entry, Index};
use super::resolve::Packages;

/// The lists of several suites as one, in the order of preference.
pub struct World<'a> {
    archive: &'a Archive,
    suites: Vec<String>,
}

impl<'a> World<'a> {
    /// These suites of an archive.
    pub fn new(archive: &'a Archive, suites: Vec<String>) -> World<'a> {
        World { archive, suites }
    }

    /// What a suite has, with the address of each file.
    fn of_suite(&self, suite: &str, ask: impl Fn(&Index) -> Vec<Entry>) -> Result<Vec<Entry>> {
        let mut entries = ask(&*self.archive.index(suite)?);
        if !entries.is_empty() {
            let url = self.archive.list(suite)?.url().to_owned();
            entries.iter_mut().for_each(|entry| entry.file = format!("{url}/{}", entry.file));
        }
        Ok(entries)
    }

    /// What the first suite has that has any.
    fn first(&self, ask: impl Fn(&Index) -> Vec<Entry>) -> Result<Vec<Entry>> {
        for suite in &self.suites {
            let entries = self.of_suite(suite, &ask)?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Vec::new())
    }

    /// The packages of a name in all suites.
    ///
    /// # Errors
    /// A list cannot be read.
    pub fn all(&self, name: &str) -> Result<Vec<Entry>> {
        let entries = self.suites.iter().map(|suite| self.of_suite(suite, |index| index.find(name)));
        Ok(entries.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}

impl Packages for World<'_> {
    fn find(&self, name: &str) -> Result<Vec<Entry>> {
        self.first(|index| index.find(name))
    }

    fn providers(&self, name: &str) -> Result<Vec<Entry>> {
        self.first(|index| index.providers(name))
    }

    fn name(&self) -> String {
        format!("{}'s {}", self.archive.sources.name, self.archive.preferred())
    }

    fn arch(&self) -> &str {
        self.archive.arch()
    }
}
