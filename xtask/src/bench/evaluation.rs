//! The work of Nix for a dev shell: `checks/evaluation`, whose counts do not depend on the machine.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::document::Results;
use super::measure::output;
use super::{About, Bench};
use cross_flake::host::child::which;

/// The results.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// The run and its machine.
    pub about: About,
    /// The output of the script.
    pub tables: Option<String>,
    /// The reason for which it was not run.
    pub missing: Option<String>,
}

/// Measures this part, or says why it cannot.
///
/// # Errors
/// The script fails.
pub fn run(bench: &Bench, inputs: Option<&Path>, results: &mut Results) -> Result<()> {
    let missing = match inputs {
        None => Some("--inputs DIR was not given"),
        Some(_) if which("nix").is_none() => Some("nix is not on PATH"),
        Some(_) => None,
    };
    if let Some(missing) = missing {
        bench.events.note(&format!("nix: not measured: {missing}"));
        // What was measured elsewhere stays.
        if results.document.nix.as_ref().is_none_or(|nix| nix.tables.is_none()) {
            let missing = Some(missing.to_owned());
            results.document.nix = Some(Evaluation { about: bench.about(), tables: None, missing });
        }
        return results.save();
    }
    let about = bench.about();
    bench.events.note("nix: evaluating");
    let inputs = std::path::absolute(inputs.unwrap_or(Path::new("."))).context("cannot find the inputs")?;
    let mut command = Command::new(bench.repository.root().join("checks/evaluation"));
    let said = output(command.arg(inputs))?.checked("checks/evaluation")?;
    results.document.nix = Some(Evaluation { about, tables: Some(said.stdout), missing: None });
    results.save()
}
