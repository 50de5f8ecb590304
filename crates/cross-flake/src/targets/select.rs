//! The choice of rows, by names, patterns and tiers.

use anyhow::{Result, bail};

use super::near::near;
use super::{Table, Target};
use crate::settings;

/// The words for every row of the table, and for those of a run that names none.
const ALL: &str = "all";
const COMMON: &str = "common";

/// Tells if a name fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| fits(rest, &name[at..]))
}

impl Target {
    /// Tells if this is the row's name or triple, a pattern that one of them fits, or a word for it and others.
    pub fn is_called(&self, pattern: &str) -> bool {
        match pattern {
            ALL => true,
            COMMON => self.common,
            pattern => fits(pattern, &self.name) || fits(pattern, &self.triple),
        }
    }
}

impl Table {
    /// Returns the rows of these names, triples and patterns, each once: in the order given, and of a pattern in the table's.
    ///
    /// # Errors
    /// A name of no row, or a pattern that none fits; the error suggests the nearest names.
    pub fn select(&self, wanted: &[String]) -> Result<Vec<&Target>> {
        let mut rows: Vec<&Target> = Vec::new();
        for pattern in wanted {
            let found = self.rows().iter().filter(|row| row.is_called(pattern)).collect::<Vec<_>>();
            if found.is_empty() {
                return Err(self.unknown(pattern));
            }
            for row in found {
                if !rows.iter().any(|known| known.name == row.name) {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    /// Returns the error for a name that no row has.
    pub(super) fn unknown(&self, name: &str) -> anyhow::Error {
        let names = self.rows().iter().flat_map(|row| [row.name.as_str(), row.triple.as_str()]);
        let near = near(&name.replace('*', ""), names);
        let what = if name.contains('*') { "no target is called like" } else { "unknown target" };
        anyhow::anyhow!("{what} `{name}`{near}\n`{} list` shows every target", settings::program())
    }
}

/// The rows that somebody chooses for one run.
#[derive(Clone, Debug, Default)]
pub struct RowSelection {
    /// Names, triples and patterns; none are given where the usual rows are meant, or all of a tier.
    pub rows: Vec<String>,
    /// Rust's tiers; none are given where any will do.
    pub tiers: Vec<u8>,
    /// Names, triples and patterns of rows to leave out.
    pub except: Vec<String>,
}

impl RowSelection {
    /// Returns the rows, where `usual` are those that nobody had to choose.
    ///
    /// # Errors
    /// An unknown name, or nothing is left.
    pub fn choose(&self, table: &Table, usual: impl FnOnce() -> Result<Vec<Target>>) -> Result<Vec<Target>> {
        let select = |wanted: &[String]| Ok::<_, anyhow::Error>(table.select(wanted)?.into_iter().cloned().collect());
        let mut rows: Vec<Target> = match (self.rows.as_slice(), self.tiers.as_slice()) {
            ([], []) => usual()?,
            ([], _) => table.rows().to_vec(),
            (wanted, _) => select(wanted)?,
        };
        let except: Vec<Target> = select(&self.except)?;
        rows.retain(|row| {
            let is_of_tier = self.tiers.is_empty() || row.tier.is_some_and(|tier| self.tiers.contains(&tier));
            is_of_tier && !except.iter().any(|other| other.name == row.name)
        });
        if rows.is_empty() {
            bail!("no target is left: `{} list` shows every target with its tier", settings::program());
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn names(selection: &RowSelection) -> Vec<String> {
        let table = Table::built_in().unwrap();
        let rows = selection.choose(&table, || Ok(vec![table.find("aarch64-linux")?.clone()])).unwrap();
        rows.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn a_pattern_stands_for_all_names_that_fit() {
        for (pattern, name) in
            [("*", ""), ("*", "a"), ("a*c", "abc"), ("a*c", "ac"), ("*-musl", "x-musl"), ("a**b", "ab")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a*c", "abcd"), ("a*c", "a"), ("*-musl", "x-musleabi"), ("a", "A")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn rows_are_chosen_by_name_triple_pattern_and_tier_and_each_comes_once() {
        let select = |rows: &[&str], tiers: &[u8], except: &[&str]| {
            names(&RowSelection { rows: words(rows), tiers: tiers.to_vec(), except: words(except) })
        };
        assert_eq!(select(&[], &[], &[]), ["aarch64-linux"]);
        let given = ["s390x-unknown-linux-gnu", "macos-*", "macos-x64", "s390x-linux"];
        assert_eq!(select(&given, &[], &[]), ["s390x-linux", "macos-x64", "macos-arm64"]);
        assert_eq!(select(&["*-linux-gnu"], &[1], &["aarch64-*"]), ["x86_64-linux", "i686-linux"]);
        let table = Table::built_in().unwrap();
        assert_eq!(select(&["all"], &[], &[]).len(), table.rows().len());
        assert_eq!(select(&["common"], &[], &[]).len(), table.common().len());
        let of_first = select(&[], &[1], &[]);
        assert!(of_first.contains(&"aarch64-linux".to_owned()) && of_first.len() < table.rows().len(), "{of_first:?}");
    }

    #[test]
    fn a_mistake_in_a_choice_is_an_error() {
        let table = Table::built_in().unwrap();
        let error = |wanted: &str| table.select(&words(&[wanted])).unwrap_err().to_string();
        assert!(error("arch64-linux").starts_with("unknown target `arch64-linux`; did you mean aarch64-linux"));
        let pattern = error("aarch46-linux-*");
        assert!(
            pattern.starts_with("no target is called like `aarch46-linux-*`; did you mean aarch64-linux"),
            "{pattern}"
        );
        let nothing = RowSelection { rows: words(&["macos-*"]), except: words(&["*-darwin"]), ..Default::default() };
        let nothing = nothing.choose(&table, || Ok(Vec::new())).unwrap_err().to_string();
        assert!(nothing.starts_with("no target is left"), "{nothing}");
    }
}
