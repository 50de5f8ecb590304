//! The part of its test programs that a run is about.

use std::collections::BTreeMap;

use super::last::Failures;

/// A part of the test programs and suites of each row.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// All of them.
    #[default]
    All,
    /// Those that failed in the last run, by row.
    Failed(BTreeMap<String, Failures>),
}

impl Part {
    /// Tells if a program belongs to it.
    pub fn has_program(&self, row: &str, title: &str) -> bool {
        match self {
            Part::All => true,
            Part::Failed(rows) => rows.get(row).is_some_and(|row| row.whole || row.programs.contains(title)),
        }
    }

    /// Tells if a suite belongs to it.
    pub fn has_suite(&self, row: &str, suite: &str) -> bool {
        match self {
            Part::All => true,
            Part::Failed(rows) => rows.get(row).is_some_and(|row| row.whole || row.suites.contains(suite)),
        }
    }

    /// What a report says of a row of which not all is there; `None` if all is.
    pub fn of_row(&self, row: &str) -> Option<String> {
        match self {
            Part::All => None,
            Part::Failed(rows) if rows.get(row).is_some_and(|row| row.whole) => None,
            Part::Failed(_) => Some("only what failed in the last run".to_owned()),
        }
    }
}
