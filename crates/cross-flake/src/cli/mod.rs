//! The command line: one file for each command, and what several of them have in common.

pub mod archive;
pub mod build;
pub mod check;
pub mod ci;
pub mod clean;
pub mod clippy;
pub mod completions;
pub mod conformance;
pub mod debug;
pub mod dist;
pub mod doctor;
pub mod env;
pub mod fix;
pub mod inspect;
pub mod list;
pub mod man;
mod options;
pub mod report;
pub mod run;
pub mod setup;
pub mod shell;
pub mod sysroot;
pub mod test;
pub mod test_all_targets;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::cache::Cache;
use crate::engine::{diagnostics, recorder, stale};
use crate::environment::Environment;
use crate::events::{Events, human_bytes};
use crate::host::signals;
use crate::provider::{self, Choice, Download, Prepared, Provider, toolchain};
use crate::report::live;
use crate::settings;
use crate::targets::{RowSelection, Target};
use crate::workspace::{Selection, Workspace};

/// A command of cross-flake.
#[derive(Subcommand)]
#[allow(missing_docs, reason = "each is documented where it is defined, and that is what its help says")]
pub enum Command {
    List(list::List),
    Doctor(doctor::Doctor),
    Setup(setup::Setup),
    Build(build::Build),
    Check(check::Check),
    Clippy(clippy::Clippy),
    Fix(fix::Fix),
    Test(test::Test),
    TestAllTargets(test_all_targets::TestAllTargets),
    Archive(archive::Archive),
    Report(report::Report),
    Run(run::Run),
    Debug(debug::Debug),
    Shell(shell::Shell),
    Env(env::Env),
    Sysroot(sysroot::Sysroot),
    Inspect(inspect::Inspect),
    Conformance(conformance::Conformance),
    Dist(dist::Dist),
    Ci(ci::Ci),
    Clean(clean::Clean),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// Runs it and returns the exit code.
    ///
    /// # Errors
    /// Something keeps the command from doing anything. The failure of one row is in its report.
    pub fn run(self) -> Result<ExitCode> {
        match self {
            Command::List(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Setup(command) => command.run(),
            Command::Build(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Clippy(command) => command.run(),
            Command::Fix(command) => command.run(),
            Command::Test(command) => command.run(),
            Command::TestAllTargets(command) => command.run(),
            Command::Archive(command) => command.run(),
            Command::Report(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Debug(command) => command.run(),
            Command::Shell(command) => command.run(),
            Command::Env(command) => command.run(),
            Command::Sysroot(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Conformance(command) => command.run(),
            Command::Dist(command) => command.run(),
            Command::Ci(command) => command.run(),
            Command::Clean(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}

/// The whole program of a workspace: `program` is how people call it, and `run` what it does with its command line.
///
/// The program stands in for others as well: under their names it starts a target's programs, records calls of cargo's, or joins a
/// toolchain's directories. It also enters namespaces. All of that is decided before the command line is read.
pub fn main<Cli: Parser + Send + 'static>(
    program: &str,
    run: impl FnOnce(Cli) -> Result<ExitCode> + Send + 'static,
) -> ExitCode {
    settings::set_program(program);
    let other = cross_flake_runner::by_name()
        .or_else(cross_flake_runner::by_command)
        .or_else(recorder::by_name)
        .or_else(diagnostics::by_name)
        .or_else(|| toolchain::as_proxy().map(Err));
    if let Some(result) = other {
        return result.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            // As a shell does for a command that cannot be started.
            ExitCode::from(127)
        });
    }
    let mut args: Vec<_> = std::env::args_os().collect();
    // cargo hands its own word on: `cargo cross-flake list` is `cargo-cross-flake cross-flake list`.
    if args.get(1).is_some_and(|word| word == "cross-flake") {
        args.remove(1);
    }
    let cli = Cli::parse_from(args);
    let result = signals::watch(|| run(cli)).flatten();
    match (result, signals::exit_code()) {
        (_, Some(code)) => {
            // What a child that has ended meanwhile had started itself.
            cross_flake_runner::sweep(&[]);
            eprintln!("interrupted");
            ExitCode::from(code)
        }
        (Ok(code), None) => code,
        (Err(error), None) => {
            eprintln!("error: {error:#}");
            // 1 says that a target failed; 2 that there was no run to speak of.
            ExitCode::from(2)
        }
    }
}

/// Which workspace, and who provides its environments.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The Cargo.toml of the workspace [default: the one of the current directory]
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Who makes the environments
    #[arg(long, value_enum, default_value_t)]
    pub provider: Choice,
}

impl Place {
    /// Reads the workspace.
    ///
    /// # Errors
    /// See [`Workspace::load`].
    pub fn workspace(&self) -> Result<Workspace> {
        Workspace::load(self.manifest_path.as_deref())
    }

    /// The provider that was chosen.
    ///
    /// # Errors
    /// See [`provider::choose`].
    pub fn provider(&self, workspace: &Workspace) -> Result<Box<dyn Provider>> {
        provider::choose(self.provider, workspace)
    }
}

/// The rows of these names, triples and patterns, each once, in the order given.
///
/// # Errors
/// An unknown name.
pub fn find_targets(workspace: &Workspace, names: &[String]) -> Result<Vec<Target>> {
    Ok(workspace.table.select(names)?.into_iter().cloned().collect())
}

/// The rows of these names, triples and patterns, or those of `test-all-targets` where there are none.
///
/// # Errors
/// An unknown name.
fn find_or_usual_targets(workspace: &Workspace, names: &[String], selection: &Selection) -> Result<Vec<Target>> {
    match names {
        [] => Ok(workspace.all_targets(&RowSelection::default(), selection)?.0),
        names => find_targets(workspace, names),
    }
}

/// Progress on stderr.
pub fn events() -> Events {
    Events::to(live::view())
}

/// Tells what a set-up is going to fetch, before it does.
pub fn announce(events: &Events, missing: &[Download]) {
    if missing.is_empty() {
        return;
    }
    let total = missing.iter().map(|d| d.bytes).sum();
    events.note(&format!("fetching {} into {}:", human_bytes(total), cache_name()));
    for download in missing {
        events.note(&format!("  {:>8}  {} ({})", human_bytes(download.bytes), download.name, download.from));
    }
}

/// Sets targets up, after telling what has to be fetched for them.
///
/// # Errors
/// Something keeps every target from being set up.
pub fn set_up(
    provider: &dyn Provider,
    workspace: &Workspace,
    targets: &[Target],
    events: &Events,
) -> Result<Vec<Prepared>> {
    announce(events, &provider.missing(workspace, targets, events)?);
    prepare(provider, workspace, targets, events)
}

/// Sets targets up, and lets scoped variables of the caller's own win over ours; each of those is named.
///
/// # Errors
/// Something keeps every target from being set up.
fn prepare(
    provider: &dyn Provider,
    workspace: &Workspace,
    targets: &[Target],
    events: &Events,
) -> Result<Vec<Prepared>> {
    let mut prepared = provider.prepare(workspace, targets, events)?;
    let cache = cache_name();
    for row in &mut prepared {
        let Ok(environment) = &mut row.environment else { continue };
        let won = environment.let_caller_win(&cache, |name| std::env::var(name).ok());
        if !won.is_empty() {
            events.note(&format!("{}: {} of your environment stays", row.target, won.join(", ")));
        }
    }
    Ok(prepared)
}

fn cache_name() -> String {
    Cache::locate().map_or_else(|_| "the cache".to_owned(), |c| c.root().display().to_string())
}

/// Sets one target up and gives its environment.
///
/// # Errors
/// The target cannot be had here; the error is the reason.
pub fn one_environment(place: &Place, name: &str) -> Result<(Workspace, Target, Environment)> {
    let workspace = place.workspace()?;
    let target = workspace.table.find(name)?.clone();
    let provider = place.provider(&workspace)?;
    let prepared = set_up(&*provider, &workspace, std::slice::from_ref(&target), &events())?;
    match prepared.into_iter().next().map(|p| p.environment) {
        Some(Ok(environment)) => {
            stale::remove(&workspace, &[&environment], &[], &events())?;
            Ok((workspace, target, environment))
        }
        Some(Err(reason)) => bail!("{target} cannot be had here: {reason}"),
        None => bail!("{target} cannot be had here"),
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// Never in practice.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
