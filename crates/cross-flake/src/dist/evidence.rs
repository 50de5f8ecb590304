//! What is known of the programs of a release before they are built: their packages, which are written into them as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Result, anyhow, ensure};
use cargo_metadata::Package;

use super::auditable;
use super::dependencies::{Dependencies, checksums};
use crate::engine::Request;
use crate::engine::build::{self, Ready};
use crate::engine::units::graph_of;
use crate::host::capacity::in_parallel;
use crate::provider::Prepared;
use crate::workspace::Workspace;
use cross_flake_inspect::section;

/// What is known of the programs of one package for one row.
pub struct Known {
    /// Their packages.
    pub dependencies: Dependencies,
    /// The list that each of them holds; none where the target has no C compiler.
    list: Option<Vec<u8>>,
}

impl Known {
    /// Checks that a program holds the list of its packages.
    ///
    /// # Errors
    /// It does not, or cannot be read.
    pub fn check(&self, program: &Path) -> Result<()> {
        ensure!(
            self.list.is_none() || section(program, auditable::SECTION)? == self.list,
            "{} does not hold the list of its packages: was it linked by something else? `cargo clean` has it linked again",
            program.display()
        );
        Ok(())
    }

    /// Tells if programs hold the list of their packages.
    pub fn is_inside(&self) -> bool {
        self.list.is_some()
    }
}

/// What is known of all programs.
#[derive(Default)]
pub struct Evidence {
    /// By the names of row and package.
    known: BTreeMap<(String, String), Known>,
    /// The rows whose programs have debug information, by name.
    with_debug: BTreeSet<String>,
}

impl Evidence {
    /// Asks cargo what the programs of an order are made of, and makes the objects that are linked into them, below a directory.
    ///
    /// # Errors
    /// Cargo cannot resolve the workspace, its lock file cannot be read, or the C compiler of a row makes no object.
    pub fn gather(workspace: &Workspace, rows: &[Prepared], request: &Request, folder: &Path) -> Result<Evidence> {
        // Once for all, and when cargo has written the file where there was none.
        let sums = LazyLock::new(|| checksums(workspace));
        let of_row = |row: &Prepared| -> Result<Evidence> {
            let Ok(environment) = &row.environment else { return Ok(Evidence::default()) };
            let packages = workspace.packages_for(&row.target, &request.selection)?;
            let ready = Ready { target: &row.target, environment };
            let graph = graph_of(&mut build::alone(workspace, &request.order(&packages), ready)?)?;
            let sums = sums.as_ref().map_err(|error| anyhow!("{error:#}"))?;
            let known = |package: &&Package| {
                let dependencies = Dependencies::of(&graph, workspace, package, sums)?;
                let list = auditable::list(&dependencies)?;
                let is_inside = auditable::make_object(&row.target, environment, &package.name, &list, folder)?;
                let known = Known { dependencies, list: is_inside.then_some(list) };
                Ok(((row.target.name.clone(), package.name.to_string()), known))
            };
            let mut programs = packages.iter().flat_map(|package| graph.programs_of(&package.id.repr));
            let has_debug = programs.any(|program| graph.units[program].profile.has_debug_information());
            let with_programs = packages.iter().filter(|package| graph.programs_of(&package.id.repr).next().is_some());
            Ok(Evidence {
                known: with_programs.map(known).collect::<Result<_>>()?,
                with_debug: has_debug.then(|| row.target.name.clone()).into_iter().collect(),
            })
        };
        let mut all = Evidence::default();
        for one in in_parallel(rows, of_row) {
            let one = one?;
            all.known.extend(one.known);
            all.with_debug.extend(one.with_debug);
        }
        Ok(all)
    }

    /// Tells if the profile gives the programs of a row debug information.
    pub fn has_debug_information(&self, row: &str) -> bool {
        self.with_debug.contains(row)
    }

    /// What is known of a package's programs for a row; `None` if cargo would build none.
    pub fn of(&self, row: &str, package: &str) -> Option<&Known> {
        self.known.get(&(row.to_owned(), package.to_owned()))
    }
}
