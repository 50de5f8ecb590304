//! The cost of running everything again: after nothing, and after three kinds of change.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::document::{Results, targets};
use super::measure::{Usage, measure, output, settle};
use super::{About, Bench, Crates, empty};
use cross_flake::outcome::Report;

/// A change before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing.
    Nothing,
    /// Nothing, and results are kept.
    Kept,
    /// A source file of the program at the end.
    Leaf,
    /// A source file of the library that everything depends on.
    Core,
    /// A feature of a dependency.
    Dependency,
}

impl Change {
    /// All, in the order in which they are made.
    pub const ALL: [Change; 5] = [Change::Nothing, Change::Kept, Change::Leaf, Change::Core, Change::Dependency];

    /// Returns its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Change::Nothing => "nothing",
            Change::Kept => "nothing, with --cached",
            Change::Leaf => "the program's main.rs",
            Change::Core => "the lib.rs of the library below all",
            Change::Dependency => "a feature of serde_json",
        }
    }

    /// Makes the change, as the `round`th of its kind.
    fn make(self, root: &Path, round: usize) -> Result<()> {
        let edit = |file: &str, change: &dyn Fn(&str) -> String| {
            let file = root.join(file);
            let failed = || format!("cannot change {}", file.display());
            let text = fs::read_to_string(&file).with_context(failed)?;
            fs::write(&file, change(&text)).with_context(failed)
        };
        let comment = |text: &str| format!("{text}// Round {round}.\n");
        match self {
            Change::Nothing | Change::Kept => Ok(()),
            Change::Leaf => edit("ledger/src/main.rs", &comment),
            Change::Core => edit("ledger-core/src/lib.rs", &comment),
            Change::Dependency => edit("ledger-format/Cargo.toml", &|text| with_features(text, round)),
        }
    }
}

/// Returns the manifest with another set of serde_json's features for each round: cargo keeps what it has built, and a set that
/// was there before costs nothing.
fn with_features(manifest: &str, round: usize) -> String {
    const FEATURES: [&str; 4] = ["float_roundtrip", "raw_value", "unbounded_depth", "alloc"];
    let chosen = FEATURES.iter().enumerate().filter(|(bit, _)| (round + 1) >> bit & 1 == 1);
    let chosen: Vec<String> = chosen.map(|(_, name)| format!("{name:?}")).collect();
    let line = |line: &str| match line.strip_prefix("serde_json = ") {
        Some(value) => {
            let version = value.split('"').nth(1).unwrap_or("1");
            format!("serde_json = {{ version = \"{version}\", features = [{}] }}\n", chosen.join(", "))
        }
        None => format!("{line}\n"),
    };
    manifest.lines().map(line).collect()
}

/// The results.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The run and its machine.
    pub about: About,
    /// The number of targets.
    pub targets: usize,
    /// In the order in which they were taken.
    pub samples: Vec<Sample>,
}

/// One run after a change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The change.
    pub change: Change,
    /// The time and memory of the run.
    #[serde(flatten)]
    pub usage: Usage,
    /// Seconds that test programs ran, added up.
    pub tests: f64,
    /// Crates compiled.
    pub crates: Crates,
}

/// Measures this part, on a copy of the workspace.
///
/// # Errors
/// The workspace cannot be copied, or fails its tests.
pub fn run(bench: &Bench, results: &mut Results) -> Result<()> {
    let (rows, _) = bench.prepare()?;
    let (root, target_folder) = (bench.folder("changes/workspace"), bench.folder("changes/target"));
    empty(&bench.folder("changes"))?;
    bench.copy_workspace(&root)?;
    let manifest = root.join("Cargo.toml");
    results.document.changes = Some(Changes { about: bench.about(), targets: rows.len(), ..Changes::default() });

    bench.events.note(&format!("changes: building for {}", targets(rows.len())));
    let test = |change: Change| {
        let mut command = bench.test(&rows, &manifest, &target_folder)?;
        command.args((change == Change::Kept).then_some("--cached"));
        output(&mut command)?.checked("xtask test")
    };
    test(Change::Nothing)?;
    settle();
    let total = bench.repeats * Change::ALL.len();
    for number in 0..total {
        let change = Change::ALL[number % Change::ALL.len()];
        let round = number / Change::ALL.len() + 1;
        change.make(&root, round)?;
        if change == Change::Kept {
            // The results that are then kept.
            test(change)?;
        }
        let ((tests, crates), usage, _) = measure(|| {
            let report = Report::read(&test(change)?.stdout)?;
            Ok((report.targets.iter().map(|row| row.run_seconds).sum(), Crates::of(&report)))
        })?;
        bench.events.note(&format!(
            "changes: sample {} of {total}: {}: {:.1} s, {:.1} s of CPU",
            number + 1,
            change.title(),
            usage.wall,
            usage.cpu
        ));
        results.document.changes.get_or_insert_default().samples.push(Sample { change, usage, tests, crates });
        results.save()?;
    }
    empty(&bench.folder("changes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_features_of_its_own() {
        let manifest = "[dependencies]\nserde = \"1\"\nserde_json = \"1.0.154\"\n";
        let all: std::collections::HashSet<String> = (0..=14).map(|round| with_features(manifest, round)).collect();
        assert_eq!(all.len(), 15);
        let third = with_features(manifest, 2);
        assert!(third.contains("features = [\"float_roundtrip\", \"raw_value\"] }\n"), "{third}");
    }
}
