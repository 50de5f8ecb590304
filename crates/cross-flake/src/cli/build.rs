//! `cargo cross-flake build`, `test`, `test-all-targets` and `run`.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;
use clap::Args;

use super::{Place, announce, events, find_targets, one_environment, prepare};
use crate::engine::build::cargo_in;
use crate::engine::stale;
use crate::engine::suites::Chosen;
use crate::engine::{self, Request};
use crate::environment::Environment;
use crate::events::{Event, Events, Phase};
use crate::host::capacity;
use crate::host::signals;
use crate::report::ReportOptions;
use crate::settings;
use crate::suites::{Suite, Suites};
use crate::targets::Target;
use crate::workspace::{Selection, Workspace, spec_of};

/// What is passed on to cargo as it is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Passed on to cargo")]
struct CargoOptions {
    /// Build this package; may be repeated [default: cargo's own, and those that list the target]
    #[arg(short, long = "package", value_name = "SPEC")]
    packages: Vec<String>,
    /// Build all members of the workspace
    #[arg(long)]
    workspace: bool,
    /// Leave this member out, with --workspace; may be repeated
    #[arg(long, value_name = "SPEC")]
    exclude: Vec<String>,
    /// Build with optimisations
    #[arg(short, long)]
    release: bool,
    /// Build with this profile
    #[arg(long, value_name = "NAME", conflicts_with = "release")]
    profile: Option<String>,
    /// Features to turn on, separated by commas
    #[arg(short = 'F', long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Turn all features on
    #[arg(long)]
    all_features: bool,
    /// Leave the default features off
    #[arg(long)]
    no_default_features: bool,
    /// Fail if Cargo.lock would have to change
    #[arg(long)]
    locked: bool,
    /// Do without the network
    #[arg(long)]
    offline: bool,
    /// Jobs that cargo runs at once [default: one more than there are cores, or as many as fit into the memory]
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Memory that the run may take, such as 4G or 800M: one compiler and one test at a time for each gigabyte [default: what
    /// is free]
    #[arg(long, value_name = "SIZE", value_parser = capacity::parse_memory)]
    memory: Option<u64>,
}

impl CargoOptions {
    fn args(&self) -> Vec<String> {
        let mut args = Vec::new();
        let switches = [
            (self.release, "--release"),
            (self.all_features, "--all-features"),
            (self.no_default_features, "--no-default-features"),
            (self.locked, "--locked"),
            (self.offline, "--offline"),
        ];
        args.extend(switches.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
        args.extend(self.profile.iter().flat_map(|p| ["--profile".to_owned(), p.clone()]));
        args.extend(self.features.iter().flat_map(|f| ["--features".to_owned(), f.clone()]));
        args.extend(self.jobs.iter().flat_map(|n| ["--jobs".to_owned(), n.to_string()]));
        args
    }

    /// The packages that these options and cargo's own arguments choose, and what is left of the latter.
    fn selection(&self, rest: Vec<String>) -> (Selection, Vec<String>) {
        let mut selection =
            Selection { packages: self.packages.clone(), workspace: self.workspace, exclude: self.exclude.clone() };
        let rest = selection.take(rest);
        (selection, rest)
    }

    /// Adds the number of jobs where nobody else has chosen it. Not as `--jobs`, of which cargo takes one only.
    fn with_jobs(&self, mut args: Vec<String>, workspace: &Workspace) -> Vec<String> {
        if self.memory.is_some() || (self.jobs.is_none() && !workspace.chooses_jobs()) {
            let jobs = capacity::compilers(self.memory);
            args.extend(["--config".to_owned(), format!("build.jobs={jobs}")]);
        }
        args
    }

    fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| capacity::jobs(self.memory))
    }
}

/// How tests are run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Running tests")]
struct TestOptions {
    /// Seconds after which a test program is ended and counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Test programs that run at once [default: the number of cores, or as many as fit into the memory]
    #[arg(long, value_name = "N")]
    test_jobs: Option<usize>,
    /// Start emulators directly instead of through a private binfmt_misc
    #[arg(long)]
    no_binfmt: bool,
    /// Let tests write into the workspace and the temporary folder themselves, as snapshots that are to be updated; rows of a
    /// package take turns then
    #[arg(long)]
    no_isolation: bool,
}

/// What both commands that run tests take.
#[derive(Args)]
struct TestArguments {
    /// A suite of suites.toml, or `all`; may be repeated. One whose tools are missing is an error
    #[arg(long = "suite", value_name = "NAME", help_heading = "Running tests")]
    suites: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    #[command(flatten)]
    tests: TestOptions,
    #[command(flatten)]
    report: ReportOptions,
    /// More arguments for cargo, and after another `--` for the test programs
    #[arg(last = true, value_name = "CARGO ARGS")]
    rest: Vec<String>,
}

/// Build the workspace for some targets
#[derive(Args)]
pub struct Build {
    /// Names or triples of targets
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    #[command(flatten)]
    report: ReportOptions,
    /// More arguments for `cargo build`
    #[arg(last = true, value_name = "CARGO ARGS")]
    rest: Vec<String>,
}

/// Build the workspace's tests for some targets and run them
///
/// What runs, and with which features and variables, is what `cargo test` would run in a shell of each target.
/// What follows `--` goes to cargo, and what follows a second `--` to the test programs:
///
///     cargo cross-flake test aarch64-linux s390x-linux -- --test io -- --nocapture
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Test {
    /// Names or triples of targets
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    with: TestArguments,
}

/// Build and test the workspace for every target of the table
///
/// A workspace chooses among the rows with `[workspace.metadata.cross-flake] targets = ["aarch64-linux", …]`, and a package
/// with the same key under `[package.metadata.cross-flake]`. Bare-metal rows are for the packages that list them.
///
/// What is not cargo's is in suites.toml: every suite whose tools are here runs, too, and the others are named. `--suite all` makes a
/// missing tool an error.
///
/// Exits with 0 only if every target was built and every test passed, with 1 if one failed or was skipped, and with 2 if
/// there was nothing to run.
#[derive(Args)]
pub struct TestAllTargets {
    #[command(flatten)]
    with: TestArguments,
    /// Run cargo's tests alone
    #[arg(long, conflicts_with = "suites", help_heading = "Running tests")]
    no_suites: bool,
}

/// Build a program for a target and run it
#[derive(Args)]
pub struct Run {
    /// Name or triple of the target
    target: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    /// The program, where there are several and none is the package's `default-run`
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// An example instead of a program
    #[arg(long, value_name = "NAME", conflicts_with = "bin")]
    example: Option<String>,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// What cargo gets, and what the test programs get.
fn split(rest: &[String]) -> (Vec<String>, Vec<String>) {
    let mut parts = rest.splitn(2, |arg| arg == "--");
    let part = |p: Option<&[String]>| p.unwrap_or_default().to_vec();
    (part(parts.next()), part(parts.next()))
}

impl Build {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let targets = find_targets(&workspace, &self.targets)?;
        let (selection, rest) = self.cargo.selection(self.rest);
        let request = Request {
            tests: false,
            selection,
            cargo_args: self.cargo.with_jobs([self.cargo.args(), rest].concat(), &workspace),
            test_args: Vec::new(),
            timeout: Duration::ZERO,
            jobs: 1,
            binfmt: false,
            isolation: false,
            suites: Vec::new(),
        };
        finish(&self.place, &workspace, &targets, &request, &self.report, &events())
    }
}

impl Test {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.with.place.workspace()?;
        let targets = find_targets(&workspace, &self.targets)?;
        let suites = self.with.suites(&workspace, &targets)?;
        self.with.finish(&workspace, &targets, suites, &events())
    }
}

impl TestAllTargets {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.with.place.workspace()?;
        let (selection, _) = self.with.cargo.selection(split(&self.with.rest).0);
        let (targets, not) = workspace.all_targets(&selection)?;
        if targets.is_empty() {
            bail!("no target is for any package of {}", workspace.root().display());
        }
        let events = events();
        if !not.is_empty() {
            let names: Vec<&str> = not.iter().map(|t| t.name.as_str()).collect();
            events.note(&format!(
                "not for this workspace: {} (no package lists them under [package.metadata.cross-flake])",
                names.join(", ")
            ));
        }
        let suites = if self.no_suites || !self.with.suites.is_empty() {
            self.with.suites(&workspace, &targets)?
        } else {
            present_suites(&workspace, &targets, &events)?
        };
        self.with.finish(&workspace, &targets, suites, &events)
    }
}

impl TestArguments {
    /// The suites that were asked for by name.
    fn suites(&self, workspace: &Workspace, targets: &[Target]) -> Result<Vec<Chosen>> {
        if self.suites.is_empty() {
            return Ok(Vec::new());
        }
        let all = Suites::load(workspace.root(), &workspace.table)?;
        let suites = match self.suites.iter().any(|name| name == "all") {
            true => all.all().to_vec(),
            false => all.find(&self.suites)?,
        };
        for suite in &suites {
            if let [first, ..] = all.missing(suite, targets).as_slice() {
                bail!("suite `{}`: {first}", suite.name);
            }
        }
        Ok(suites.into_iter().map(|suite| Chosen { suite, unavailable: None }).collect())
    }

    fn finish(
        &self,
        workspace: &Workspace,
        targets: &[Target],
        suites: Vec<Chosen>,
        events: &Events,
    ) -> Result<ExitCode> {
        let (cargo_rest, test_args) = split(&self.rest);
        let (selection, cargo_rest) = self.cargo.selection(cargo_rest);
        let request = Request {
            tests: true,
            selection,
            cargo_args: self.cargo.with_jobs([self.cargo.args(), cargo_rest].concat(), workspace),
            test_args,
            timeout: Duration::from_secs(self.tests.timeout),
            jobs: self.tests.test_jobs.unwrap_or_else(|| self.cargo.jobs()),
            binfmt: !self.tests.no_binfmt,
            isolation: !self.tests.no_isolation,
            suites,
        };
        finish(&self.place, workspace, targets, &request, &self.report, events)
    }
}

/// Every suite of the workspace; one whose tools are missing is named, and skipped.
fn present_suites(workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Chosen>> {
    let all = Suites::load(workspace.root(), &workspace.table)?;
    let chosen = |suite: &Suite| {
        let missing = all.missing(suite, targets);
        for tool in &missing {
            events.note(&format!("suite {} is skipped: {tool}", suite.name));
        }
        let unavailable = missing.first().map(ToString::to_string);
        Chosen { suite: suite.clone(), unavailable }
    };
    Ok(all.all().iter().map(chosen).collect())
}

/// Sets up, builds, tests and reports.
///
/// # Errors
/// What keeps the run from taking place, or a report from being written.
fn finish(
    place: &Place,
    workspace: &Workspace,
    targets: &[Target],
    request: &Request,
    options: &ReportOptions,
    events: &Events,
) -> Result<ExitCode> {
    options.check()?;
    for target in targets {
        if workspace.packages_for(target, &request.selection)?.is_empty() {
            bail!(
                "no package of {} is for {target}\nname one with -p, or list \"{target}\" in its \
                 [package.metadata.cross-flake] targets",
                workspace.root().display()
            );
        }
    }
    let provider = place.provider(workspace)?;
    announce(events, &provider.missing(workspace, targets, events)?);
    let names: Vec<String> = targets.iter().map(|t| t.name.clone()).collect();
    events.send(Event::Targets { names: &names });
    for name in &names {
        events.send(Event::Phase { target: name, phase: Phase::SettingUp });
    }
    let prepared = prepare(&*provider, workspace, targets, events)?;
    signals::check()?;
    let environments: Vec<&Environment> = prepared.iter().filter_map(|row| row.environment.as_ref().ok()).collect();
    stale::remove(workspace, &environments, &request.cargo_args, events)?;
    options.finish(&engine::run(workspace, request, &prepared, provider.name(), events)?)
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// The target cannot be had here, or cargo cannot be started.
    pub fn run(self) -> Result<ExitCode> {
        let (workspace, target, environment) = one_environment(&self.place, &self.target)?;
        if environment.runner.is_none() {
            let reason = target.reason.as_deref().unwrap_or("it has no runner");
            bail!(
                "programs for {target} cannot run here: {reason}\n`{} build {target}` builds them",
                settings::program()
            );
        }
        let (selection, _) = self.cargo.selection(Vec::new());
        let has_it = |package: &&Package| {
            package.targets.iter().any(|t| match &self.example {
                Some(example) => t.is_example() && t.name == *example,
                None => t.is_bin() && self.bin.as_ref().is_none_or(|name| t.name == *name),
            })
        };
        let packages: Vec<_> = workspace.packages_for(&target, &selection)?.into_iter().filter(has_it).collect();
        let mut command: Command = cargo_in(&[&environment])?;
        command.arg("run").args(["--target", &target.triple]).args(self.cargo.args());
        match packages.as_slice() {
            [one] => command.args(["--package", &spec_of(one)]),
            [] => bail!("the workspace has no such program for {target}"),
            // Cargo knows about `default-run`, and lists them else.
            many if many.iter().any(|package| package.default_run.is_some()) => &mut command,
            many => {
                let programs = many.iter().flat_map(|p| p.targets.iter().filter(|t| t.is_bin() || t.is_example()));
                let names: Vec<&str> = programs.map(|t| t.name.as_str()).collect();
                bail!("the workspace has several programs: choose with --bin one of {}", names.join(", "))
            }
        };
        command.args(self.bin.iter().flat_map(|name| ["--bin", name]));
        command.args(self.example.iter().flat_map(|name| ["--example", name]));
        command.current_dir(&workspace.folder).arg("--").args(&self.args);
        let status = command.status().context("cannot start cargo")?;
        Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
    }
}
