//! Measures what `docs/benchmarks.md` says: parts that are run one at a time or all, on one machine each, and written down
//! sample by sample.

pub mod changes;
pub mod command;
pub mod document;
pub mod evaluation;
pub mod matrix;
pub mod measure;
pub mod own;
pub mod plot;
pub mod processes;
pub mod setup;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use cross_flake::cache::Cache;
use cross_flake::cli::set_up;
use cross_flake::environment::Environment;
use cross_flake::events::Events;
use cross_flake::host::capacity;
use cross_flake::host::child::clean_command;
use cross_flake::outcome::Report;
use cross_flake::provider::portable::wheels::ZIG;
use cross_flake::provider::{self, Choice};
use cross_flake::targets::{RowSelection, Target};
use cross_flake::workspace::{Selection, Workspace};
use document::Results;

/// The cargo-zigbuild that is measured beside xtask.
pub const ZIGBUILD: &str = "0.24.1";

/// The workspace that is built, below the repository.
const WORKSPACE: &str = "checks/benchmark/Cargo.toml";

/// A row and its environment.
pub type Row = (Target, Environment);

/// The common ground of all parts of a run.
pub struct Bench {
    /// The workspace that holds xtask.
    pub repository: Workspace,
    /// The workspace that is built.
    pub workspace: Workspace,
    /// Rows that the caller named; none if it is all of them.
    pub named: Vec<String>,
    /// Rows to measure with, in this order.
    pub targets: Vec<Target>,
    /// The cache, which holds the tools.
    pub cache: Cache,
    /// The receiver of progress.
    pub events: Events,
    /// Samples of each kind.
    pub repeats: usize,
}

/// On what a part was measured, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The day and time at which it began (UTC).
    pub date: String,
    /// The command line.
    pub command: String,
    /// The processor's name.
    pub cpu: String,
    /// The number of cores.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The C compiler.
    pub zig: String,
    /// The version of cargo-zigbuild, with which xtask is compared.
    pub cargo_zigbuild: String,
    /// The revision of xtask.
    pub xtask: String,
}

/// The numbers of crates that cargo compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crates {
    /// Targets that were built at once.
    pub targets: usize,
    /// For the build machine: build scripts, proc macros and what these need.
    pub build_machine: usize,
    /// For all targets together, test programs among them.
    pub for_targets: usize,
}

impl Crates {
    /// Returns those of a run, by its report.
    pub fn of(report: &Report) -> Crates {
        Crates {
            targets: report.targets.len(),
            build_machine: report.crates,
            for_targets: report.targets.iter().map(|row| row.crates).sum(),
        }
    }
}

impl Bench {
    /// Reads both workspaces. No names mean all rows of the one that is built.
    ///
    /// # Errors
    /// The current directory is not in a checkout of cross-flake, or a name is unknown.
    pub fn open(names: &[String], repeats: usize, events: Events) -> Result<Bench> {
        let repository = Workspace::load(None)?;
        let manifest = repository.root().join(WORKSPACE);
        if !manifest.exists() {
            bail!("{} is no checkout of cross-flake: it has no {WORKSPACE}", repository.root().display());
        }
        let workspace = Workspace::load(Some(&manifest))?;
        let targets = match names {
            [] => in_order(workspace.all_targets(&RowSelection::default(), &Selection::default())?.0),
            names => cross_flake::cli::find_targets(&workspace, names)?,
        };
        Ok(Bench { repository, workspace, named: names.to_vec(), targets, cache: Cache::locate()?, events, repeats })
    }

    /// Returns a directory below the repository's target directory.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.repository.metadata.target_directory.as_std_path().join("bench").join(name)
    }

    /// Returns the manifest of the workspace that is built.
    pub fn manifest(&self) -> PathBuf {
        self.workspace.root().join("Cargo.toml")
    }

    /// Copies the workspace that is built, so that nothing is written in the repository: some tools leave files in the directory of a
    /// package.
    ///
    /// # Errors
    /// It cannot be copied or read.
    pub fn copy_workspace(&self, to: &Path) -> Result<Workspace> {
        copy(self.workspace.root(), to)?;
        // The copy may be where rustup does not see the repository's.
        let toolchain = "rust-toolchain.toml";
        fs::copy(self.repository.root().join(toolchain), to.join(toolchain))
            .context("cannot copy the toolchain file")?;
        Workspace::load(Some(&to.join("Cargo.toml")))
    }

    /// Sets rows up; the second list has those that cannot be had, and why.
    ///
    /// # Errors
    /// None of them can be set up.
    pub fn prepare(&self) -> Result<(Vec<Row>, Vec<matrix::LeftOut>)> {
        let provider = provider::choose(Choice::Portable, &self.workspace)?;
        let (mut rows, mut left_out) = (Vec::new(), Vec::new());
        for prepared in set_up(&*provider, &self.workspace, &self.targets, &self.events)? {
            match prepared.environment {
                Ok(environment) => rows.push((prepared.target, environment)),
                Err(reason) => {
                    left_out.push(matrix::LeftOut { target: prepared.target.name, reason: reason.to_string() })
                }
            }
        }
        Ok((rows, left_out))
    }

    /// Returns this program as a command, without the variables of cargo and of the caller that would change its children.
    ///
    /// # Errors
    /// It cannot be found.
    pub fn xtask(&self, args: &[&str]) -> Result<Command> {
        let mut command = clean_command(std::env::current_exe().context("cannot find this program itself")?);
        command.args(args).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        Ok(command)
    }

    /// Returns `xtask test` of these rows, as the engine's users type it; it prints the report as JSON.
    ///
    /// # Errors
    /// See [`Bench::xtask`].
    pub fn test(&self, rows: &[Row], manifest: &Path, target_folder: &Path) -> Result<Command> {
        let mut command = self.xtask(&["test", "--provider", "portable", "--locked", "--json"])?;
        command.args(rows.iter().map(|(target, _)| &target.name)).arg("--manifest-path").arg(manifest);
        command.env("CARGO_TARGET_DIR", target_folder);
        Ok(command)
    }

    /// Describes this run and its machine.
    pub fn about(&self) -> About {
        let say = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).current_dir(self.repository.root()).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).ok()?;
            let value = text.lines().find_map(|line| line.strip_prefix(name))?.trim_start_matches([':', ' ', '\t']);
            Some(value.trim().to_owned())
        };
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| capacity::field(&text, "MemTotal:"));
        // The results themselves change with every sample.
        let changed = say("git", &["status", "--porcelain", "--", ".", ":!docs/benchmarks.*"]);
        let revision = say("git", &["rev-parse", "--short=9", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
        let toolchain = &self.workspace.toolchain;
        About {
            date: say("date", &["-u", "+%Y-%m-%d %H:%M"]).unwrap_or_default(),
            command: typed(std::env::args().skip(1)),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: capacity::cores(),
            memory: memory.unwrap_or_default() * 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rustc: toolchain.release.clone(),
            zig: ZIG.version.to_owned(),
            cargo_zigbuild: ZIGBUILD.to_owned(),
            xtask: revision + if changed.is_some_and(|c| !c.is_empty()) { " with changes" } else { "" },
        }
    }
}

/// Returns the command line, without names of directories that only this machine has.
fn typed(args: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo".to_owned(), "xtask".to_owned()];
    for arg in args {
        let stands_for = match words.last().map(String::as_str) {
            Some("--inputs") => "DIR".to_owned(),
            Some("--json") => "FILE".to_owned(),
            _ => arg,
        };
        words.push(stands_for);
    }
    shell_words::join(words)
}

/// Sorts rows: the first eight are as unlike each other as can be, so that a small count stands for the whole.
fn in_order(rows: Vec<Target>) -> Vec<Target> {
    const FIRST: [&str; 8] = [
        "aarch64-linux",
        "windows-x64",
        "x86_64-linux-musl",
        "riscv64-linux",
        "armv7hf-linux",
        "macos-arm64",
        "s390x-linux",
        "i686-linux",
    ];
    let mut rows = rows;
    // Stable: the rest stay in the order of the table.
    rows.sort_by_key(|row| FIRST.iter().position(|name| row.name == *name).unwrap_or(FIRST.len()));
    rows
}

/// Removes a directory with all that is in it, if it is there.
///
/// # Errors
/// It cannot be removed.
pub fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Copies a workspace without its target directory.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {}", from.display());
    fs::create_dir_all(to).with_context(failed)?;
    for entry in fs::read_dir(from).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        if !here.is_dir() {
            fs::copy(&here, &there).with_context(failed)?;
        } else if entry.file_name() != "target" {
            copy(&here, &there)?;
        }
    }
    Ok(())
}

/// The parts of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Many targets: xtask, cargo-zigbuild in a loop, cargo in a loop
    Matrix,
    /// The cost of a change
    Changes,
    /// The first set-up, into an empty cache
    Setup,
    /// The time that xtask itself takes: list, env, and entering a runner
    Own,
    /// The work of Nix for a dev shell
    Nix,
}

impl Part {
    /// Measures it.
    ///
    /// # Errors
    /// Something that is measured fails.
    pub fn run(self, bench: &Bench, options: &Options, results: &mut Results) -> Result<()> {
        match self {
            Part::Matrix => matrix::run(bench, &options.counts, results),
            Part::Changes => changes::run(bench, results),
            Part::Setup => setup::run(bench, results),
            Part::Own => own::run(bench, results),
            Part::Nix => evaluation::run(bench, options.inputs.as_deref(), results),
        }
    }
}

/// Options of single parts.
pub struct Options {
    /// For the matrix.
    pub counts: Vec<matrix::Count>,
    /// For Nix.
    pub inputs: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use cross_flake::targets::Table;

    #[test]
    fn a_small_count_stands_for_the_whole() {
        let rows = in_order(Table::built_in().unwrap().common());
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names[..3], ["aarch64-linux", "windows-x64", "x86_64-linux-musl"]);
        assert_eq!(names[8..10], ["x86_64-linux", "powerpc64le-linux"]);
    }

    #[test]
    fn a_report_is_read_back_and_added_up() {
        let table = Table::built_in().unwrap();
        let row = |name: &str, passed, run_seconds, crates| {
            let mut outcome = cross_flake::engine::skipped(table.find(name).unwrap(), "");
            (outcome.tests.passed, outcome.run_seconds, outcome.crates) = (passed, run_seconds, crates);
            outcome
        };
        let targets =
            vec![row("x86_64-linux", 3, 1.5, 12), row("windows-x64", 0, 0.0, 0), row("macos-arm64", 4, 0.25, 9)];
        let report =
            Report { provider: "portable".to_owned(), crates: 5, groups: Vec::new(), targets, ..Report::default() };
        let report = Report::read(&cross_flake::report::files::to_json(&report).unwrap()).unwrap();
        assert_eq!(report.targets.iter().map(|row| row.tests.passed).sum::<usize>(), 7);
        assert_eq!(report.targets.iter().map(|row| row.run_seconds).sum::<f64>(), 1.75);
        assert_eq!(Crates::of(&report), Crates { targets: 3, build_machine: 5, for_targets: 21 });
        assert!(Report::read("{}").is_err());
    }

    #[test]
    fn what_was_typed_names_no_folder_of_the_machine() {
        let args = ["bench", "nix", "--inputs", "/home/me/in", "--repeats", "2"].map(str::to_owned);
        assert_eq!(typed(args.into_iter()), "cargo xtask bench nix --inputs DIR --repeats 2");
    }
}
