//! `cargo xtask runs`: which rows CI tests of this commit, and when each row of the table last passed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use cross_flake::cache::write_whole;
use cross_flake::host;
use cross_flake::outcome::{Report, Status};
use cross_flake::targets::{Level, Table, Target};
use serde::{Deserialize, Serialize};

/// Which rows CI tests, and what is known of each row's last passing run
#[derive(Args)]
pub struct Runs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Subcommand)]
enum RunsCommand {
    /// Print the rows that CI tests of this commit: those of checks/rows.toml, and some that follow from the commit
    Part(Part),
    /// Note in docs/runs.json which rows passed in these reports, and of which commit they are
    Record(Record),
}

#[derive(Args, Default)]
struct Part {
    /// Print those alone that CI always tests
    #[arg(long, conflicts_with = "drawn")]
    always: bool,
    /// Print those alone that follow from the commit
    #[arg(long)]
    drawn: bool,
    /// Print a few of those that CI always tests, which follow from the commit as well: these are packed twice
    #[arg(long, conflicts_with_all = ["always", "drawn"])]
    checked: bool,
}

#[derive(Args)]
struct Record {
    /// Reports by `--json` or `--report json=FILE`
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// The commit that was tested
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    at: String,
}

/// checks/rows.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    always: Vec<String>,
    drawn: usize,
    checked: usize,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test asks for it"))]
    age: usize,
}

/// The last run in which a row passed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Run {
    /// The commit that was tested.
    commit: String,
    /// The day of that commit, as YYYY-MM-DD.
    day: String,
    /// What ran the programs.
    by: String,
    /// Tests that passed.
    passed: usize,
    /// Tests that this row's kind does not have.
    ignored: usize,
}

type Known = BTreeMap<String, Run>;

const FILE: &str = "docs/runs.json";

impl Runs {
    /// Runs the command.
    ///
    /// # Errors
    /// git does not know the commit, or a report is none, or older than what it is to be of.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            RunsCommand::Part(part) => {
                let commit = git(&["rev-parse", "HEAD"])?;
                let names = part.names(Table::built_in()?.rows(), &rows()?, &commit)?;
                println!("{}", names.join(","));
            }
            RunsCommand::Record(record) => record.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Part {
    fn names(&self, table: &[Target], rows: &Rows, commit: &str) -> Result<Vec<String>> {
        for name in &rows.always {
            ensure!(table.iter().any(|row| row.name == *name), "checks/rows.toml names {name}, which is no row");
        }
        let others: Vec<&Target> = table.iter().filter(|row| !rows.always.contains(&row.name)).collect();
        // Every so many-th row, so that a part has rows of several kinds.
        let parts = others.len().div_ceil(rows.drawn.max(1)).max(1);
        let number = u32::from_str_radix(commit.get(..8).unwrap_or(commit), 16).context("git's HEAD is no commit")?;
        let own = number as usize % parts;
        let drawn = others.iter().skip(own).step_by(parts).filter(|_| !self.always).map(|row| row.name.clone());
        if self.checked {
            let parts = rows.always.len().div_ceil(rows.checked.max(1)).max(1);
            // By other digits than above.
            let own = (number >> 8) as usize % parts;
            return Ok(rows.always.iter().skip(own).step_by(parts).cloned().collect());
        }
        let always = rows.always.iter().filter(|_| !self.drawn).cloned();
        Ok(always.chain(drawn).collect())
    }
}

impl Record {
    fn run(&self) -> Result<()> {
        let commit = git(&["rev-parse", "--short=10", &self.at])?;
        let own = git(&["merge-base", &self.at, "HEAD"])?;
        ensure!(own.starts_with(&commit), "{commit} is not in the history of HEAD");
        let day = git(&["log", "-1", "--format=%cs", &commit])?;
        let time: u64 = git(&["log", "-1", "--format=%ct", &commit])?.parse().context("git's time is no number")?;
        let mut known = known()?;
        for file in &self.reports {
            let failed = || file.display().to_string();
            let text = fs::read_to_string(file).with_context(failed)?;
            let written = fs::metadata(file).and_then(|file| file.modified()).with_context(failed)?;
            if is_before(written, time) {
                bail!("{}: the report is older than {commit}: name the commit that it is of with --at", file.display());
            }
            for row in Report::read(&text).with_context(failed)?.targets {
                if row.status == Status::Passed {
                    let run = Run {
                        commit: commit.clone(),
                        day: day.clone(),
                        by: row.runner,
                        passed: row.tests.passed,
                        ignored: row.tests.ignored,
                    };
                    println!("{}: {} tests by {}", row.name, run.passed, run.by);
                    known.insert(row.name, run);
                }
            }
        }
        let table = Table::built_in()?;
        known.retain(|name, _| table.rows().iter().any(|row| row.name == *name));
        write_whole(&repository().join(FILE), (serde_json::to_string_pretty(&known)? + "\n").as_bytes(), false)
    }
}

fn is_before(time: SystemTime, seconds: u64) -> bool {
    time < UNIX_EPOCH + Duration::from_secs(seconds)
}

fn repository() -> &'static Path {
    // The crate is in a folder of the repository.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

fn git(args: &[&str]) -> Result<String> {
    host::git::git(repository(), args)
}

fn rows() -> Result<Rows> {
    toml::from_str(&fs::read_to_string(repository().join("checks/rows.toml"))?).context("checks/rows.toml")
}

fn known() -> Result<Known> {
    match fs::read_to_string(repository().join(FILE)) {
        Ok(text) => serde_json::from_str(&text).context(FILE),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Known::new()),
        Err(error) => Err(error).context(FILE),
    }
}

/// Returns docs/runs.md's table: each row of level run with its last passing run.
///
/// # Errors
/// The file is not what this program writes.
pub fn markdown() -> Result<String> {
    let known = known()?;
    let mut text =
        "| target | tests | not for it | by | commit | of |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for row in Table::built_in()?.rows().iter().filter(|row| row.level == Level::Run) {
        let name = &row.name;
        match known.get(name) {
            Some(Run { commit, day, by, passed, ignored }) => {
                writeln!(text, "| `{name}` | {passed} | {ignored} | {by} | {commit} | {day} |")?;
            }
            None => writeln!(text, "| `{name}` | no run is known | | | | |")?,
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_drawn_by_some_commit_and_one_commit_always_draws_the_same() {
        let (table, rows) = (Table::built_in().unwrap(), rows().unwrap());
        let part = |number: usize| {
            let commit = format!("{number:08x}{:032x}", 0);
            let names = |part: Part| part.names(table.rows(), &rows, &commit).unwrap();
            let drawn = names(Part { drawn: true, ..Part::default() });
            assert!(!drawn.is_empty() && drawn.len() <= rows.drawn, "{drawn:?}");
            let all = names(Part::default());
            assert_eq!(all, [rows.always.clone(), drawn.clone()].concat());
            let checked = names(Part { checked: true, ..Part::default() });
            assert!(!checked.is_empty() && checked.len() <= rows.checked, "{checked:?}");
            assert!(checked.iter().all(|name| rows.always.contains(name)), "{checked:?}");
            drawn
        };
        let mut drawn: Vec<String> = (0..table.rows().len()).flat_map(part).chain(rows.always.clone()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), table.rows().len());
    }

    /// A table that cannot lie: a row whose tests have not passed for long says so here.
    #[test]
    fn every_row_has_passed_within_the_last_commits() {
        let (known, age) = (known().unwrap(), rows().unwrap().age);
        let table = Table::built_in().unwrap();
        let old = |row: &&Target| {
            let Some(run) = known.get(&row.name) else { return true };
            let range = format!("{}..HEAD", run.commit);
            // A clone need not have the whole history.
            let Ok(since) = git(&["rev-list", "--count", &range]) else {
                eprintln!("{row}: git does not know {}: how old the run is cannot be said here", run.commit);
                return false;
            };
            since.parse::<usize>().unwrap() > age
        };
        let old: Vec<&str> = table
            .rows()
            .iter()
            .filter(|row| row.level == Level::Run)
            .filter(old)
            .map(|row| row.name.as_str())
            .collect();
        assert!(
            old.is_empty(),
            "no passing run within {age} commits is known of {}\ntest them with --report json=FILE, and then \
             `cargo xtask runs record FILE`",
            old.join(", ")
        );
    }
}
