//! What rustc or clippy would correct by itself, and the targets for which.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustfix::{CodeFix, Filter, Suggestion, collect_suggestions};

use crate::cache::write_whole;
use crate::outcome::{Report, Status};

/// A correction, and who wants it.
#[derive(Clone, Debug)]
pub struct Correction {
    suggestion: Suggestion,
    /// The rows that have it.
    pub rows: BTreeSet<String>,
    /// All rows have it, or it is about code for the host.
    pub is_agreed: bool,
    /// The files that it changes.
    files: BTreeSet<PathBuf>,
}

impl Correction {
    /// `src/lib.rs:3: unused import: `x``.
    pub fn describe(&self) -> String {
        let place =
            self.suggestion.snippets.first().map_or_else(String::new, |snippet| {
                format!("{}:{}: ", snippet.file_name, snippet.line_range.start.line)
            });
        place + &self.suggestion.message
    }

    /// Tells if it is the same as another, at whatever place it is by now.
    pub fn is_like(&self, other: &Correction) -> bool {
        self.suggestion.message == other.suggestion.message && self.files == other.files
    }
}

/// Collects the corrections of a report of `check`, to files below the workspace's root and not in what cargo has built.
pub fn of_report(report: &Report, root: &Path, target: &Path) -> Vec<Correction> {
    let checked = |outcome: &&crate::outcome::Outcome| outcome.status != Status::Skipped;
    let all: BTreeSet<&String> = report.targets.iter().filter(checked).map(|outcome| &outcome.name).collect();
    let mut found: Vec<Correction> = Vec::new();
    for diagnostic in &report.diagnostics {
        let Ok(message) = serde_json::from_value(diagnostic.message["message"].clone()) else { continue };
        let everything = HashSet::<String>::new();
        let Some(suggestion) = collect_suggestions(&message, &everything, Filter::MachineApplicableOnly) else {
            continue;
        };
        let names = suggestion.solutions.iter().flat_map(|solution| &solution.replacements);
        let files: BTreeSet<PathBuf> = names.map(|one| root.join(&one.snippet.file_name)).collect();
        let is_own = |file: &PathBuf| {
            let file = file.canonicalize().unwrap_or_else(|_| file.clone());
            file.starts_with(root) && !file.starts_with(target)
        };
        if !files.iter().all(is_own) {
            continue;
        }
        let rows = diagnostic.rows.iter().cloned();
        match found.iter_mut().find(|known| known.suggestion == suggestion) {
            Some(known) => known.rows.extend(rows),
            None => {
                found.push(Correction {
                    suggestion,
                    rows: rows.collect(),
                    is_agreed: diagnostic.rows.is_empty(),
                    files,
                });
            }
        }
    }
    for correction in &mut found {
        correction.is_agreed |= all.iter().all(|row| correction.rows.contains(*row));
    }
    found
}

/// Files as they were, with what some corrections have made of them.
#[derive(Default)]
pub struct Changed {
    before: BTreeMap<PathBuf, String>,
    /// The number of corrections in each file.
    pub counts: BTreeMap<PathBuf, usize>,
}

impl Changed {
    /// Applies corrections; of two that meet, the first.
    ///
    /// # Errors
    /// A file cannot be read or written; those that were written before are put back.
    pub fn apply(corrections: &[&Correction]) -> Result<Changed> {
        let mut changed = Changed::default();
        let mut files: BTreeMap<&PathBuf, CodeFix> = BTreeMap::new();
        for correction in corrections {
            // rustc has no correction that spans files.
            let [file] = correction.files.iter().collect::<Vec<_>>()[..] else { continue };
            if !files.contains_key(file) {
                let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                files.insert(file, CodeFix::new(&text));
                changed.before.insert(file.clone(), text);
            }
            if files.get_mut(file).is_some_and(|fix| fix.apply(&correction.suggestion).is_ok()) {
                *changed.counts.entry(file.clone()).or_default() += 1;
            }
        }
        for (file, fix) in files.into_iter().filter(|(_, fix)| fix.modified()) {
            let written = fix.finish().map_err(anyhow::Error::from).and_then(|text| put(file, &text));
            if let Err(error) = written {
                changed.take_back()?;
                return Err(error);
            }
        }
        Ok(changed)
    }

    /// Puts all files back as they were.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn take_back(&self) -> Result<()> {
        self.before.iter().try_for_each(|(file, text)| put(file, text))
    }
}

fn put(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let executable = fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    write_whole(file, text.as_bytes(), executable)
}
