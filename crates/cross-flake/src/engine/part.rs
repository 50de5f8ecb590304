//! The part of its test programs that a run is about.

use std::collections::BTreeMap;

use super::BUILD_MACHINE;
use super::last::Failures;
use super::shard::Shard;
use crate::outcome::Share;

/// A part of the test programs and suites of each row.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// All of them.
    #[default]
    All,
    /// Those that failed in the last run, by row.
    Failed(BTreeMap<String, Failures>),
    /// Those of one of several machines.
    Shard(Shard),
}

impl Part {
    /// Tells if a program belongs to it.
    pub fn has_program(&self, row: &str, title: &str) -> bool {
        match self {
            Part::All => true,
            Part::Failed(rows) => rows.get(row).is_some_and(|row| row.whole || row.programs.contains(title)),
            Part::Shard(shard) => shard.has_program(row, title),
        }
    }

    /// Tells if a test of the host's own belongs to it, by its package and title.
    pub fn has_host_program(&self, package: &str, title: &str) -> bool {
        match self {
            Part::Shard(shard) => shard.has_host_program(package),
            part => part.has_program(BUILD_MACHINE, title),
        }
    }

    /// Tells if a suite belongs to it.
    pub fn has_suite(&self, row: &str, suite: &str) -> bool {
        match self {
            Part::All => true,
            Part::Failed(rows) => rows.get(row).is_some_and(|row| row.whole || row.suites.contains(suite)),
            Part::Shard(shard) => shard.has_suites(row),
        }
    }

    /// What a report says of a row of which not all is there; `None` if all is.
    pub fn of_row(&self, row: &str) -> Option<String> {
        match self {
            Part::All => None,
            Part::Failed(rows) if rows.get(row).is_some_and(|row| row.whole) => None,
            Part::Failed(_) => Some("only what failed in the last run".to_owned()),
            Part::Shard(shard) => shard.is_cut(row).then(|| "other shards have the rest of it".to_owned()),
        }
    }

    /// What a report says of a shard.
    pub fn share(&self) -> Option<Share> {
        match self {
            Part::Shard(shard) => Some(shard.share()),
            Part::All | Part::Failed(_) => None,
        }
    }
}
