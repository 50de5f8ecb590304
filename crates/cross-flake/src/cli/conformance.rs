//! `cargo cross-flake conformance`: what every target must pass on every provider.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use super::{Place, events, find_targets, set_up};
use crate::cache::write_whole;
use crate::engine::build::seconds_since;
use crate::engine::job::Job;
use crate::engine::programs::{self, Limits};
use crate::engine::rooms::Rooms;
use crate::engine::{self};
use crate::environment::{Environment, path_with};
use crate::events::{Event, Events};
use crate::host::capacity::in_parallel;
use crate::host::child::clean_command;
use crate::host::signals;
use crate::outcome::{Outcome, ProgramResult, Report, Status};
use crate::provider::Prepared;
use crate::report::ReportOptions;
use crate::targets::{Level, Target};
use cross_flake_inspect as inspect;

/// The programs, with the flags to compile them by.
const PROGRAMS: &str = include_str!("../../data/conformance/conformance.toml");
const SOURCES: [(&str, &str); 8] = [
    ("conformance.c", include_str!("../../data/conformance/conformance.c")),
    ("conformance.cpp", include_str!("../../data/conformance/conformance.cpp")),
    ("msvc.c", include_str!("../../data/conformance/msvc.c")),
    ("msvc.cpp", include_str!("../../data/conformance/msvc.cpp")),
    ("msvc-library.c", include_str!("../../data/conformance/msvc-library.c")),
    ("msvc-import.c", include_str!("../../data/conformance/msvc-import.c")),
    ("msvc-entry.c", include_str!("../../data/conformance/msvc-entry.c")),
    ("freestanding.c", include_str!("../../data/conformance/freestanding.c")),
];

/// The list of programs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Programs {
    program: Vec<Source>,
}

/// A program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// The file.
    source: String,
    /// The variable that names the compiler.
    compiler: String,
    flags: Vec<String>,
    libraries: Vec<String>,
    /// The file that the compiler makes.
    output: String,
    /// Needs a C library, and can be run then.
    libc: bool,
    /// Is a program, and no library for others.
    #[serde(default = "yes")]
    run: bool,
    /// Is for Microsoft's ABI alone.
    #[serde(default)]
    msvc: bool,
}

fn yes() -> bool {
    true
}

/// The time that one of the programs may take; they take milliseconds.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Check the C compiler, libc and zlib of targets
///
/// Compiles small programs with the CC that a shell of the target has, links them with libc and zlib, reads back
/// what was built, and runs them. Where a target has no libc, one file is compiled and read back.
#[derive(Args)]
pub struct Conformance {
    /// Names, triples or patterns of targets, `common` or `all` [default: the common ones]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Check the C++ library, too: zig compiles its libc++ for each target first, which takes about a minute; rows with Microsoft's ABI
    /// have none
    #[arg(long)]
    cxx: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    report: ReportOptions,
}

impl Conformance {
    /// Runs the command.
    ///
    /// # Errors
    /// Something keeps every target from being checked.
    pub fn run(self) -> Result<ExitCode> {
        self.report.check()?;
        let workspace = self.place.workspace()?;
        let targets = match self.targets.as_slice() {
            [] => workspace.table.common(),
            names => find_targets(&workspace, names)?,
        };
        let provider = self.place.provider(&workspace)?;
        let events = events();
        let prepared = set_up(&*provider, &workspace, &targets, &events)?;
        let folder = workspace.metadata.target_directory.as_std_path().join("conformance");
        let limits = Limits { timeout: TIMEOUT, jobs: 1, binfmt: true, rooms: Rooms::none()?, kept: None };
        let outcomes = check_all(&prepared, self.cxx, &folder, &limits, &events);
        signals::check()?;
        self.report.finish(&Report {
            provider: provider.name().to_owned(),
            crates: 0,
            groups: Vec::new(),
            targets: outcomes,
            ..Report::default()
        })
    }
}

/// Checks targets, several at once; the first program of a target may have to wait for its libc to be compiled.
fn check_all(prepared: &[Prepared], cxx: bool, folder: &Path, limits: &Limits, events: &Events) -> Vec<Outcome> {
    in_parallel(prepared, |one| {
        let start = Instant::now();
        let outcome = match &one.environment {
            Ok(environment) => check(&one.target, environment, cxx, &folder.join(&one.target.name), limits),
            Err(reason) => engine::skipped(&one.target, &reason.to_string()),
        };
        events.send(Event::Finished { outcome: &outcome, seconds: seconds_since(start) });
        outcome
    })
}

/// Checks one target.
fn check(target: &Target, environment: &Environment, cxx: bool, folder: &Path, limits: &Limits) -> Outcome {
    let start = Instant::now();
    let built = build(target, environment, cxx, folder);
    let build_seconds = seconds_since(start);
    let mut outcome = engine::skipped(target, "");
    outcome.build_seconds = build_seconds;
    outcome.status = Status::Linked;
    outcome.reason = target.reason.clone();
    match built {
        Err(error) => {
            let text = format!("{error:#}");
            outcome.status = Status::Failed;
            outcome.reason = text.lines().next().map(str::to_owned);
            outcome.build_output = Some(text);
        }
        Ok(programs) if target.level == Level::Run => {
            if programs.is_empty() {
                outcome.reason = Some("the target has no libc: compiled only".to_owned());
                return outcome;
            }
            let results = programs.into_iter().map(|program| run(program, environment, folder, limits)).collect();
            engine::judge_programs(&mut outcome, results, environment);
        }
        Ok(_) => {}
    }
    outcome
}

/// Compiles, links and inspects; gives the programs that can be run.
fn build(target: &Target, environment: &Environment, cxx: bool, folder: &Path) -> Result<Vec<PathBuf>> {
    let compile = |program: &Source| -> Result<PathBuf> {
        let Source { source, compiler: variable, flags, libraries, output, .. } = program;
        let file = folder.join(source);
        let text = SOURCES.iter().find(|(name, _)| name == source).with_context(|| format!("no source {source}"))?.1;
        write_whole(&file, text.as_bytes(), false)?;
        let compiler = environment.shell.get(variable).with_context(|| format!("the environment has no {variable}"))?;
        let output = folder.join(output.replace("{suffix}", target.platform().suffix));
        let mut command: Command = clean_command(compiler);
        command.args(flags).arg(&file).args(libraries).arg("-o").arg(&output);
        command.envs(&environment.scoped).envs(&environment.shell).env("PATH", path_with(&[environment])?);
        let result = command.current_dir(folder).output().with_context(|| format!("cannot start {compiler}"))?;
        if !result.status.success() {
            bail!("{variable} failed on {}\n{}", file.display(), String::from_utf8_lossy(&result.stderr).trim());
        }
        let inspection = inspect::inspect(&output)?;
        if let Some(expected) = inspect::expected_of_triple(&target.triple) {
            inspection.check(&expected).map_err(anyhow::Error::msg)?;
        }
        Ok(output)
    };
    let wanted = |program: &&Source| {
        // There is no C++ library to take `--cxx` for.
        let by_abi =
            if program.msvc { target.is_msvc() } else { program.compiler == "CC" || (cxx && !target.is_msvc()) };
        by_abi && (target.has_libc() || !program.libc)
    };
    let programs: Programs = toml::from_str(PROGRAMS)?;
    let mut built = Vec::new();
    for program in programs.program.iter().filter(wanted) {
        let output = compile(program)?;
        built.extend((program.libc && program.run).then_some(output));
    }
    Ok(built)
}

/// Runs one program in the directory of its target, where it may write.
fn run(file: PathBuf, environment: &Environment, folder: &Path, limits: &Limits) -> ProgramResult {
    let title = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let job = Job::alone(title, file, environment.runner.clone(), &[], folder);
    programs::run(&job, limits)
}
