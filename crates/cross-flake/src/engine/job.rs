//! Jobs of a run: test programs, documentation tests and steps of suites.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cross_flake_inspect as inspect;
use cross_flake_runner::RunnerSpec;

use super::nextest::Binary;
use crate::host::child::inherited;
use crate::outcome::ProgramResult;
use crate::targets::Target;

/// A key that no two running jobs share: programs of one package on one row run one after the other, as under `cargo test`;
/// without rooms those of other rows wait for them, too.
pub(super) type Turn = (Option<Owner>, String);

/// The program to start.
#[derive(Clone, Debug)]
pub enum Program {
    /// A test program, started by the runner of its target.
    Test {
        /// The program.
        file: PathBuf,
        /// The runner; none for what belongs to the host itself.
        runner: Option<RunnerSpec>,
    },
    /// rustdoc, which starts the runner by itself.
    Doctests {
        /// The runner.
        runner: Option<RunnerSpec>,
        /// The whole command line.
        command: Vec<OsString>,
    },
    /// nextest, which starts the runner by itself for each test of a program.
    Nextest {
        /// The program, as nextest calls it.
        binary: Box<Binary>,
        /// The runner.
        runner: Option<RunnerSpec>,
    },
    /// A step of a suite.
    Step {
        /// Lines for sh.
        lines: String,
        /// Ends what the lines leave behind.
        runner: RunnerSpec,
        /// The time that it has.
        timeout: Duration,
        /// The directory in which its programs are expected.
        output: Box<Output>,
    },
}

/// Whose a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The host's own, as the tests of a proc-macro crate are.
    Host,
    /// Of a row, by its place in the run.
    Row(usize),
}

/// One program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The job's owner.
    pub owner: Owner,
    /// The job's step.
    pub step: Option<StepId>,
    /// Its end.
    pub result: ProgramResult,
}

/// One test program to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose it is.
    pub owner: Owner,
    /// Which step of which suite it is, if it is one.
    pub step: Option<StepId>,
    /// The id of the package whose program it is; empty where it is of none.
    pub package: String,
    /// The name that people read: `hello-zlib tests/io`.
    pub title: String,
    /// It is libtest, or prints as libtest does: a program that ends well without a result has run no test.
    pub harness: bool,
    /// The program to start.
    pub program: Program,
    /// Arguments for the test program.
    pub args: Vec<String>,
    /// All its variables; it inherits none.
    pub env: BTreeMap<OsString, OsString>,
    /// The directory to start in.
    pub cwd: PathBuf,
}

impl Job {
    /// A program of a row that is no part of a run, with the user's own variables and in a directory in which it may write.
    pub fn alone(title: String, file: PathBuf, runner: Option<RunnerSpec>, args: &[String], cwd: &Path) -> Job {
        Job {
            owner: Owner::Row(0),
            step: None,
            package: String::new(),
            title,
            harness: false,
            program: Program::Test { file, runner },
            args: args.to_vec(),
            env: inherited(),
            cwd: cwd.to_owned(),
        }
    }

    pub(super) fn ended(&self, result: ProgramResult) -> Ended {
        Ended { owner: self.owner, step: self.step, result }
    }

    /// The key that keeps it from running beside others; none for a step, which has directories of its own.
    pub(super) fn turn(&self, has_room: bool) -> Option<Turn> {
        self.step.is_none().then(|| (has_room.then_some(self.owner), self.package.clone()))
    }

    /// The runner of its programs; none for those of the host.
    pub(super) fn runner(&self) -> Option<&RunnerSpec> {
        match &self.program {
            Program::Test { runner, .. } | Program::Doctests { runner, .. } | Program::Nextest { runner, .. } => {
                runner.as_ref()
            }
            Program::Step { runner, .. } => Some(runner),
        }
    }

    /// Its program and arguments.
    pub fn words(&self) -> impl Iterator<Item = OsString> {
        let file = match &self.program {
            Program::Test { file, .. } => Some(file.into()),
            Program::Doctests { .. } | Program::Nextest { .. } | Program::Step { .. } => None,
        };
        file.into_iter().chain(self.args.iter().map(OsString::from))
    }
}
/// Which step of which suite a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId {
    pub(super) suite: usize,
    pub(super) step: usize,
}

/// A directory whose programs must be of one target.
#[derive(Clone, Debug)]
pub struct Output {
    pub(super) folder: PathBuf,
    /// Directories below it with programs of the host.
    pub(super) except: Vec<PathBuf>,
    pub(super) target: Target,
    pub(super) glibc: Option<String>,
}

impl Output {
    /// Reads back every program below the directory: a tool that ignores `CC` links for the host and reports success.
    ///
    /// # Errors
    /// There is no program, or one of another machine, or one that needs a newer glibc than the row promises.
    pub fn check(&self) -> Result<()> {
        let mut programs = 0;
        let mut todo = vec![self.folder.clone()];
        while let Some(folder) = todo.pop() {
            let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
            for entry in entries.flatten() {
                let (path, kind) = (entry.path(), entry.file_type()?);
                let relative = path.strip_prefix(&self.folder).unwrap_or(&path);
                if self.except.iter().any(|except| except == relative) {
                    continue;
                }
                if kind.is_dir() {
                    todo.push(path);
                } else if kind.is_file() && inspect::is_program(&path) {
                    self.check_program(&path)?;
                    programs += 1;
                }
            }
        }
        if programs == 0 {
            bail!("no program was built in $OUT, {}", self.folder.display());
        }
        Ok(())
    }

    fn check_program(&self, path: &Path) -> Result<()> {
        inspect::check_for(path, &self.target.triple, &self.target.name, self.glibc.as_deref())
            .map_err(anyhow::Error::msg)
    }
}
