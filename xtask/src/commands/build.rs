//! `cargo xtask build`, `test`, `test-all-targets` and `run`.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{Place, announce, events, find_targets, one_environment};
use crate::engine::build::command_in;
use crate::engine::suites::Chosen;
use crate::engine::{self, Request};
use crate::events::{Event, Events, Phase};
use crate::machine;
use crate::report::ReportOptions;
use crate::signals;
use crate::suites::{Suite, Suites};
use crate::targets::Target;
use crate::workspace::Workspace;

/// What is passed on to cargo as it is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Passed on to cargo")]
struct CargoOptions {
    /// Build this package; may be repeated [default: all that are for the target]
    #[arg(short, long = "package", value_name = "SPEC")]
    packages: Vec<String>,
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
    #[arg(long, value_name = "SIZE", value_parser = machine::parse_memory)]
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

    /// Adds the number of jobs where nobody else has chosen it. Not as `--jobs`, of which cargo takes one only.
    fn with_jobs(&self, mut args: Vec<String>, workspace: &Workspace) -> Vec<String> {
        if self.memory.is_some() || (self.jobs.is_none() && !workspace.chooses_jobs()) {
            let jobs = machine::compilers(self.memory);
            args.extend(["--config".to_owned(), format!("build.jobs={jobs}")]);
        }
        args
    }

    fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| machine::jobs(self.memory))
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
/// Test programs run under the emulator of their target as soon as they are built.
/// What follows `--` goes to cargo, and what follows a second `--` to the test programs:
///
///     cargo xtask test aarch64-linux s390x-linux -- --test io -- --nocapture
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
    /// The program, where the workspace has several
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
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
        let request = Request {
            tests: false,
            packages: self.cargo.packages.clone(),
            cargo_args: self.cargo.with_jobs([self.cargo.args(), self.rest].concat(), &workspace),
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
        let (targets, not) = workspace.all_targets()?;
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
        let request = Request {
            tests: true,
            packages: self.cargo.packages.clone(),
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
        if workspace.packages_for(target, &request.packages)?.is_empty() {
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
    let prepared = provider.prepare(workspace, targets, events)?;
    signals::check()?;
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
            bail!("programs for {target} cannot run here: {reason}\n`cargo xtask build {target}` builds them");
        }
        let packages = workspace.packages_for(&target, &self.cargo.packages)?;
        let programs: Vec<_> = packages
            .iter()
            .flat_map(|p| p.targets.iter().filter(|t| t.is_bin()).map(move |t| (p, t)))
            .filter(|(_, t)| self.bin.as_ref().is_none_or(|name| t.name == *name))
            .collect();
        let (package, program) = match programs.as_slice() {
            [one] => one,
            [] => bail!("the workspace has no such program for {target}"),
            many => {
                let names: Vec<&str> = many.iter().map(|(_, t)| t.name.as_str()).collect();
                bail!("the workspace has several programs: choose with --bin one of {}", names.join(", "))
            }
        };
        let mut command: Command = command_in("cargo", &[&environment])?;
        command.arg("run").args(["--package", package.name.as_str(), "--bin", &program.name]);
        command.args(["--target", &target.triple]).args(self.cargo.args());
        command.arg("--manifest-path").arg(workspace.root().join("Cargo.toml"));
        command.arg("--").args(&self.args);
        let status = command.status().context("cannot start cargo")?;
        Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
    }
}
