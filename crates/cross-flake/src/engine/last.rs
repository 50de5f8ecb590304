//! The failures of the last run of each row, in the workspace's target directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::BUILD_MACHINE;
use crate::cache::write_whole;
use crate::outcome::{Outcome, Status};
use crate::workspace::Workspace;

/// The failures of the last run of each row.
pub struct LastRun {
    file: PathBuf,
    rows: BTreeMap<String, Failures>,
}

/// The failures of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// It failed as a whole, as where it does not compile: what its programs would have done nobody knows.
    pub whole: bool,
    /// Titles of test programs.
    pub programs: BTreeSet<String>,
    /// Names of suites.
    pub suites: BTreeSet<String>,
}

impl Failures {
    fn of(outcome: &Outcome) -> Failures {
        let failed = outcome.programs.iter().filter(|program| program.failure.is_some());
        let suites = outcome.suites.iter().filter(|suite| suite.status == Some(Status::Failed));
        let mut failures = Failures {
            whole: false,
            programs: failed.map(|program| program.title.clone()).collect(),
            suites: suites.map(|suite| suite.name.clone()).collect(),
        };
        failures.whole = outcome.status == Status::Failed && (failures.is_empty() || outcome.build_output.is_some());
        failures
    }

    /// Tells if nothing failed.
    pub fn is_empty(&self) -> bool {
        *self == Failures::default()
    }
}

impl LastRun {
    /// Those of a workspace. A file that is missing or damaged is one of no row.
    pub fn load(workspace: &Workspace) -> LastRun {
        let file = workspace.metadata.target_directory.as_std_path().join("cross-flake/failed.json");
        let text = std::fs::read(&file).unwrap_or_default();
        LastRun { file, rows: serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// The failures of a row; `None` if it never ran.
    pub fn of(&self, row: &str) -> Option<&Failures> {
        self.rows.get(row)
    }

    /// Those of the host's own tests, which run beside any row.
    pub fn of_host(&self) -> Option<&Failures> {
        self.of(BUILD_MACHINE)
    }

    /// The failures of every row.
    pub fn into_rows(self) -> BTreeMap<String, Failures> {
        self.rows
    }

    /// Keeps those of a run that has ended. A row that was skipped keeps its own.
    ///
    /// # Errors
    /// The target directory cannot be written.
    pub fn keep(mut self, outcomes: &[Outcome]) -> Result<()> {
        let ran = outcomes.iter().filter(|outcome| outcome.status != Status::Skipped);
        self.rows.extend(ran.map(|outcome| (outcome.name.clone(), Failures::of(outcome))));
        let text = serde_json::to_vec_pretty(&self.rows)?;
        // A run that changes nothing writes nothing.
        if std::fs::read(&self.file).is_ok_and(|old| old == text) {
            Ok(())
        } else {
            write_whole(&self.file, &text, false)
        }
    }
}
