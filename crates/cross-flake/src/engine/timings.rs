//! The seconds that test programs and steps took the last time, so that the next run starts the longest ones first.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::cache::write_whole;
use crate::workspace::Workspace;

/// Seconds by row and title. A file that is missing or damaged is an empty one: only the order of things depends on it.
pub struct Timings {
    file: PathBuf,
    seconds: BTreeMap<String, f64>,
}

/// The title of a row's share of cargo's time. The longest that it ever was is kept: that of a build from the start.
pub const BUILD: &str = "(build)";

fn key(row: &str, title: &str) -> String {
    format!("{row} {title}")
}

impl Timings {
    /// Those of a workspace, kept in its target directory.
    pub fn load(workspace: &Workspace) -> Timings {
        let file = workspace.metadata.target_directory.as_std_path().join("cross-flake/timings.json");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Timings { file, seconds: serde_json::from_str(&text).unwrap_or_default() }
    }

    /// Returns the seconds that this took.
    pub fn of(&self, row: &str, title: &str) -> Option<f64> {
        self.seconds.get(&key(row, title)).copied()
    }

    /// Titles of a row, with the seconds that each took.
    pub fn of_row<'a>(&'a self, row: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.seconds
            .iter()
            .filter_map(move |(key, seconds)| Some((key.strip_prefix(row)?.strip_prefix(' ')?, *seconds)))
    }

    /// Keeps how long things took in this run; what was not run keeps its time.
    ///
    /// # Errors
    /// The target directory cannot be written.
    pub fn keep<'a>(mut self, ran: impl Iterator<Item = (&'a str, &'a str, f64)>) -> Result<()> {
        let rounded = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        self.seconds.extend(ran.map(|(row, title, seconds)| (key(row, title), rounded(seconds))));
        write_whole(&self.file, &serde_json::to_vec_pretty(&self.seconds)?, false)
    }
}
