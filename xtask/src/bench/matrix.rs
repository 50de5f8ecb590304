//! Many targets by three ways in turn: xtask at once, and cargo-zigbuild and cargo in a loop.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::document::{Results, targets};
use super::measure::{Timeline, Usage, measure, output, settle};
use super::{About, Bench, Crates, Row, ZIGBUILD, empty};
use cross_flake::engine::build::cargo_in;
use cross_flake::engine::{libtest, reasons};
use cross_flake::environment::path_with;
use cross_flake::events::human_bytes;
use cross_flake::host::child::clean_command;
use cross_flake::outcome::Report;
use cross_flake::provider::portable::wheels::ZIG;
use cross_flake::targets::Level;
use cross_flake::workspace::Workspace;

/// A way to build and test the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// `cargo xtask test` of all of them at once, as a developer starts it.
    Engine,
    /// The same, as a CI service starts it.
    Ci,
    /// `cargo-zigbuild test` of one after the other.
    Zigbuild,
    /// `cargo test` of one after the other, each in its environment.
    Cargo,
}

impl Mode {
    /// All, in the order in which the first samples are taken.
    pub const ALL: [Mode; 4] = [Mode::Engine, Mode::Zigbuild, Mode::Ci, Mode::Cargo];

    /// Returns its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Mode::Ci => "xtask in CI",
            Mode::Engine => "xtask",
            Mode::Zigbuild => "cargo-zigbuild",
            Mode::Cargo => "cargo",
        }
    }

    /// Returns true if it takes part in this round. The modes that are compared do so in each, those that explain them in every third.
    fn takes_part(self, round: usize) -> bool {
        matches!(self, Mode::Engine | Mode::Zigbuild) || round.is_multiple_of(3)
    }

    /// Returns the name of its target directory.
    fn folder(self) -> &'static str {
        match self {
            Mode::Ci | Mode::Engine => "engine",
            Mode::Zigbuild => "zigbuild",
            Mode::Cargo => "cargo",
        }
    }
}

/// A number of targets, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many, or all if there are fewer.
    Number(usize),
    /// All.
    All,
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("expected at least 1".to_owned()),
            Ok(number) => Ok(Count::Number(number)),
            Err(_) if text == "all" => Ok(Count::All),
            Err(_) => Err("expected a number or `all`".to_owned()),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count::Number(number) => number.fmt(f),
            Count::All => f.write_str("all"),
        }
    }
}

/// The results.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Matrix {
    /// The run of the last samples, and its machine.
    pub about: About,
    /// The runs before it, whose samples are of other numbers of targets.
    #[serde(default)]
    pub earlier: Vec<About>,
    /// The rows in the order in which a count takes them.
    pub targets: Vec<String>,
    /// Rows that take no part.
    pub left_out: Vec<LeftOut>,
    /// In the order in which they were taken.
    pub samples: Vec<Sample>,
    /// Of the last sample of xtask with the most targets.
    pub timeline: Option<Timeline>,
}

/// A row that takes no part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub target: String,
    /// The reason.
    pub reason: String,
}

/// One run of one mode.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The number of targets.
    pub targets: usize,
    /// The mode.
    pub mode: Mode,
    /// Its time and memory.
    #[serde(flatten)]
    pub usage: Usage,
    /// Tests that passed.
    pub passed: usize,
    /// Crates compiled, by xtask's report.
    pub crates: Option<Crates>,
}

/// Measures this part.
///
/// # Errors
/// A mode cannot be run, its tests fail, or it runs fewer than another.
pub fn run(bench: &Bench, counts: &[Count], results: &mut Results) -> Result<()> {
    let zigbuild = install_zigbuild(bench)?;
    let root = bench.folder("workspace");
    empty(&root)?;
    let modes = Modes { bench, workspace: bench.copy_workspace(&root)?, zigbuild };
    let (rows, left_out) = bench.prepare()?;
    let before = results.document.matrix.take();
    results.document.matrix = Some(Matrix { about: bench.about(), left_out, ..Matrix::default() });
    let wanted = counts.iter().map(|count| match count {
        Count::Number(number) => *number,
        Count::All => usize::MAX,
    });
    let rows = modes.warm_up(rows, wanted.clone().max().unwrap_or(1), results)?;
    let mut counts: Vec<usize> = wanted.map(|count| count.min(rows.len())).collect();
    counts.sort_unstable();
    counts.dedup();

    let matrix = |results: &mut Results, change: &mut dyn FnMut(&mut Matrix)| {
        change(results.document.matrix.get_or_insert_default());
        results.save()
    };
    let names: Vec<String> = rows.iter().map(|(target, _)| target.name.clone()).collect();
    matrix(results, &mut |m| m.targets.clone_from(&names))?;
    if let Some(before) = before.filter(|before| before.targets.starts_with(&names)) {
        matrix(results, &mut |m| m.keep(&before, &counts))?;
    }
    let order = |round: usize| {
        let mut order: Vec<Mode> = Mode::ALL.into_iter().filter(|mode| mode.takes_part(round)).collect();
        let first = round % order.len();
        order.rotate_left(first);
        order
    };
    let total = (0..bench.repeats).map(|round| order(round).len()).sum::<usize>() * counts.len();
    let mut number = 0;
    for round in 0..bench.repeats {
        for count in &counts {
            for mode in order(round) {
                number += 1;
                let (sample, timeline) = modes.sample(mode, &rows[..*count])?;
                bench.events.note(&format!(
                    "matrix: sample {number} of {total}: {}, {}: {:.1} s, {:.1} s of CPU, {}",
                    mode.title(),
                    targets(*count),
                    sample.usage.wall,
                    sample.usage.cpu,
                    human_bytes(sample.usage.peak_bytes)
                ));
                let so_far = results.document.matrix.iter().flat_map(|m| &m.samples);
                if let Some(other) = so_far.clone().find(|s| s.targets == *count && s.passed != sample.passed) {
                    bail!(
                        "{} passed {} tests of {}, and {} passed {}",
                        mode.title(),
                        sample.passed,
                        targets(*count),
                        other.mode.title(),
                        other.passed
                    );
                }
                matrix(results, &mut |m| {
                    if mode == Mode::Engine && *count == m.targets.len() {
                        m.timeline = Some(timeline.clone());
                    }
                    m.samples.push(sample.clone());
                })?;
            }
        }
    }
    Ok(())
}

/// Builds cargo-zigbuild of the pinned version once, and returns the program, which stays in the cache.
fn install_zigbuild(bench: &Bench) -> Result<PathBuf> {
    let root = bench.cache.path(format!("bench/cargo-zigbuild-{ZIGBUILD}"));
    let program = root.join("bin/cargo-zigbuild");
    if !program.exists() {
        bench.events.step("cargo-zigbuild", &format!("building cargo-zigbuild {ZIGBUILD}"), || {
            let mut command = clean_command("cargo");
            command.args(["install", "--locked", "--quiet", "cargo-zigbuild", "--version", ZIGBUILD, "--root"]);
            command.arg(&root).env("CARGO_TARGET_DIR", bench.folder("cargo-zigbuild"));
            // The repository's toolchain, which is there.
            command.current_dir(bench.repository.root());
            output(&mut command)?.checked("cargo install cargo-zigbuild").map(drop)
        })?;
        empty(&bench.folder("cargo-zigbuild"))?;
    }
    Ok(program)
}

impl Matrix {
    /// Takes over what earlier runs with the same tools on the same machine have of other numbers of targets.
    fn keep(&mut self, before: &Matrix, counts: &[usize]) {
        let runs = before.earlier.iter().chain([&before.about]);
        let same = |about: &About| {
            let run = self.about.clone();
            About { date: run.date, command: run.command, xtask: run.xtask, ..about.clone() } == self.about
        };
        let kept = before.samples.iter().filter(|sample| !counts.contains(&sample.targets));
        if !runs.clone().all(same) || kept.clone().count() == 0 {
            return;
        }
        self.earlier = runs.cloned().collect();
        self.samples.extend(kept.cloned());
        if before.targets.len() > self.targets.len() {
            self.targets.clone_from(&before.targets);
            self.timeline.clone_from(&before.timeline);
        }
    }
}

struct Modes<'a> {
    bench: &'a Bench,
    /// A copy.
    workspace: Workspace,
    zigbuild: PathBuf,
}

impl Modes<'_> {
    fn folder(&self, mode: Mode) -> PathBuf {
        self.bench.folder(mode.folder())
    }

    /// Runs both loops once for each row, unmeasured, so that zig's cache has what each of them puts there, and gives the first
    /// rows that cargo-zigbuild can build.
    fn warm_up(&self, rows: Vec<Row>, most: usize, results: &mut Results) -> Result<Vec<Row>> {
        let events = &self.bench.events;
        let mut able = Vec::new();
        for mode in [Mode::Zigbuild, Mode::Cargo] {
            empty(&self.folder(mode))?;
        }
        for row in rows {
            if able.len() == most {
                break;
            }
            events.note(&format!("matrix: warming up {}", row.0.name));
            let said = output(&mut self.zigbuild(&row)?)?;
            if !said.success {
                let reason = reasons::of_build(&format!("{}\n{}", said.stdout, said.stderr));
                events.note(&format!("matrix: {} is left out, for cargo-zigbuild fails: {reason}", row.0.name));
                let left_out = LeftOut { target: row.0.name, reason };
                results.document.matrix.get_or_insert_default().left_out.push(left_out);
                continue;
            }
            output(&mut self.cargo(&row)?)?.checked(&format!("cargo test for {}", row.0.name))?;
            able.push(row);
        }
        if able.is_empty() {
            bail!("cargo-zigbuild builds none of these targets");
        }
        settle();
        Ok(able)
    }

    fn sample(&self, mode: Mode, rows: &[Row]) -> Result<(Sample, Timeline)> {
        let folder = self.folder(mode);
        empty(&folder)?;
        let ((passed, crates), usage, timeline) = measure(|| match mode {
            Mode::Ci | Mode::Engine => {
                let what = format!("xtask test of {}", targets(rows.len()));
                let mut command = self.bench.test(rows, &self.workspace.root().join("Cargo.toml"), &folder)?;
                match mode {
                    Mode::Ci => command.env("CI", "true"),
                    _ => command.env_remove("CI"),
                };
                let said = output(&mut command)?.checked(&what)?;
                let report = Report::read(&said.stdout)?;
                Ok((report.targets.iter().map(|row| row.tests.passed).sum(), Some(Crates::of(&report))))
            }
            Mode::Zigbuild | Mode::Cargo => {
                let mut passed = 0;
                for row in rows {
                    let mut command = if mode == Mode::Cargo { self.cargo(row)? } else { self.zigbuild(row)? };
                    let said = output(&mut command)?.checked(&format!("{} test for {}", mode.title(), row.0.name))?;
                    passed += libtest::parse(&said.stdout).counts.unwrap_or_default().passed;
                }
                Ok((passed, None))
            }
        })?;
        empty(&folder)?;
        Ok((Sample { targets: rows.len(), mode, usage, passed, crates }, timeline))
    }

    /// Returns `cargo test` in the environment of the row.
    fn cargo(&self, row: &Row) -> Result<Command> {
        let mut command = cargo_in(&[&row.1])?;
        self.arguments(&mut command, row, Mode::Cargo, &row.0.triple);
        Ok(command)
    }

    /// Returns the same by cargo-zigbuild, which brings its own compilers and linker. The rest it gets from the row: std, zig, the
    /// runner, and zig's cache.
    fn zigbuild(&self, row: &Row) -> Result<Command> {
        let (target, environment) = row;
        let mut command = clean_command(&self.zigbuild);
        command.env("PATH", path_with(&[environment])?).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        for name in ["RUNNER", "RUSTFLAGS"].map(|name| format!("CARGO_TARGET_{}_{name}", target.upper())) {
            if let Some(value) = environment.scoped.get(&name) {
                command.env(name, value);
            }
        }
        if target.triple.contains("musl") && !self.has_start_files(row) {
            // A std that was built from its source has none; cargo-zigbuild takes zig's if rustc asks for none.
            let name = format!("CARGO_TARGET_{}_RUSTFLAGS", target.upper());
            let flags = environment.scoped.get(&name).map(String::as_str).unwrap_or_default();
            command.env(name, format!("{flags} -Clink-self-contained=no").trim());
        }
        command.env("CARGO_ZIGBUILD_ZIG_PATH", ZIG.program(&self.bench.cache));
        command.env("CARGO_ZIGBUILD_CACHE_DIR", self.bench.folder("zigbuild-wrappers"));
        command.env("ZIG_GLOBAL_CACHE_DIR", self.bench.cache.path("zig-cache"));
        // The same glibc, in the way in which cargo-zigbuild is told.
        let triple = match &target.glibc {
            Some(floor) => format!("{}.{floor}", target.triple),
            None => target.triple.clone(),
        };
        self.arguments(&mut command, row, Mode::Zigbuild, &triple);
        Ok(command)
    }

    /// Returns true if the row's std comes with `crt1.o` and its like, as rustup's does for musl.
    fn has_start_files(&self, (target, environment): &Row) -> bool {
        let toolchain = environment.path.first().and_then(|bin| bin.parent());
        let folder = |farm: &Path| farm.join("lib/rustlib").join(&target.triple).join("lib/self-contained");
        toolchain.is_some_and(|farm| folder(farm).exists())
    }

    fn arguments(&self, command: &mut Command, row: &Row, mode: Mode, triple: &str) {
        command.args(["test", "--locked", "--target", triple, "--manifest-path"]);
        command.arg(self.workspace.root().join("Cargo.toml"));
        if row.0.level == Level::Link {
            command.arg("--no-run");
        }
        command.env("CARGO_TARGET_DIR", self.folder(mode)).current_dir(self.workspace.root());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_or_all() {
        assert_eq!("8".parse(), Ok(Count::Number(8)));
        assert_eq!("all".parse(), Ok(Count::All));
        assert!("0".parse::<Count>().is_err() && "most".parse::<Count>().is_err());
    }
}
