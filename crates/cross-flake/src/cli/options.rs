//! Options of the commands that build, and the run itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::{Place, announce, prepare};
use crate::engine::archive::{Archive, Programs};
use crate::engine::build::Mode;
use crate::engine::last::{Failures, LastRun};
use crate::engine::part::Part;
use crate::engine::shard::{Shard, ShardId};
use crate::engine::suites::Chosen;
use crate::engine::{self, Request, stale};
use crate::environment::Environment;
use crate::events::{Event, Events, Phase};
use crate::host::{capacity, signals};
use crate::outcome::Report;
use crate::report::ReportOptions;
use crate::suites::Suites;
use crate::targets::{Level, RowSelection, Target};
use crate::workspace::{Selection, Workspace};

/// Options that choose targets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Choosing targets")]
pub(super) struct RowOptions {
    /// Take these targets: names, triples, patterns such as 'thumb*', `common` or `all`; separated by commas [default: those that the workspace
    /// lists, else the common ones]
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    rows: Vec<String>,
    /// Take those of this tier of Rust's alone, of all or of --rows; may be repeated
    #[arg(long = "tier", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    tiers: Vec<u8>,
    /// Leave these targets out: names, triples or patterns, separated by commas
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    except: Vec<String>,
}

impl RowOptions {
    /// The rows that the options mean.
    pub(super) fn selection(&self) -> RowSelection {
        RowSelection { rows: self.rows.clone(), tiers: self.tiers.clone(), except: self.except.clone() }
    }
}

/// Options for cargo.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Passed on to cargo")]
pub(super) struct CargoOptions {
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
    /// Tells if nobody has asked cargo for anything; the number of jobs and the memory are about tests as well.
    fn is_default(&self) -> bool {
        CargoOptions { jobs: None, memory: None, ..self.clone() } == CargoOptions::default()
    }

    /// The profile that was chosen.
    pub(super) fn profile(&self) -> Option<String> {
        self.profile.clone().or_else(|| self.release.then(|| "release".to_owned()))
    }

    pub(super) fn args(&self) -> Vec<String> {
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
    pub(super) fn selection(&self, rest: Vec<String>) -> (Selection, Vec<String>) {
        let mut selection = Selection {
            packages: self.packages.clone(),
            workspace: self.workspace,
            exclude: self.exclude.clone(),
            only: None,
        };
        let rest = selection.take(rest);
        (selection, rest)
    }

    /// The same for another call of this program, with this profile and another number of jobs.
    pub(super) fn again(&self, profile: &str) -> Vec<String> {
        // Not one more than there are cores, which is the usual number.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = if self.jobs == Some(cores) { cores + 1 } else { cores };
        let again =
            CargoOptions { jobs: Some(jobs), release: false, profile: Some(profile.to_owned()), ..self.clone() };
        let each = |option: &str, specs: &[String]| -> Vec<String> {
            specs.iter().flat_map(|spec| [option.to_owned(), spec.clone()]).collect()
        };
        let workspace = self.workspace.then(|| "--workspace".to_owned()).into_iter().collect();
        [again.args(), each("--package", &self.packages), each("--exclude", &self.exclude), workspace].concat()
    }

    /// Adds the number of jobs where nobody else has chosen it. Not as `--jobs`, of which cargo takes one only.
    pub(super) fn with_jobs(&self, mut args: Vec<String>, workspace: &Workspace) -> Vec<String> {
        if self.memory.is_some() || (self.jobs.is_none() && !workspace.chooses_jobs()) {
            let jobs = capacity::compilers(self.memory);
            args.extend(["--config".to_owned(), format!("build.jobs={jobs}")]);
        }
        args
    }

    pub(super) fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| capacity::jobs(self.memory))
    }
}

/// Seconds that a test program has where nobody says another number.
pub(super) const TIMEOUT: u64 = 300;

/// Options for tests.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Running tests")]
pub(super) struct TestOptions {
    /// Seconds after which a test program is ended and counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT)]
    timeout: u64,
    /// Test programs that run at once [default: the number of cores, or as many as fit into the memory]
    #[arg(long, value_name = "N")]
    test_jobs: Option<usize>,
    /// Start emulators directly instead of through a private binfmt_misc
    #[arg(long)]
    no_binfmt: bool,
    /// Run the tests on the oldest processor that each target promises (`floor-cpu`), which qemu plays even where the machine runs its
    /// programs itself; targets that promise none are left out
    #[arg(long)]
    floor: bool,
    /// Let tests write into the workspace and the temporary directory themselves, as snapshots that are to be updated; rows of a
    /// package take turns then
    #[arg(long)]
    no_isolation: bool,
    /// Do not run test programs of which nothing has changed since they passed: neither they, nor their runner, arguments and variables, nor
    /// what they were seen to read. The report says `passed (kept)`. What uses the network or the date, or leaves something behind, and what
    /// wine runs, is run every time; so is one kept result in twenty, and if that is not what it was, all are dropped
    #[arg(long)]
    cached: bool,
    /// Run only the test programs and suites that failed in the last run of each target, and build only targets that have any. A
    /// target that did not compile runs whole
    #[arg(long)]
    rerun_failed: bool,
    /// Run the second of five parts, say, so that five machines share the work: each builds few targets, and by the times of earlier
    /// runs, in target/cross-flake/timings.json, all take about as long. `report merge` makes one report of theirs
    #[arg(long, value_name = "K/N", conflicts_with = "rerun_failed")]
    shard: Option<ShardId>,
    /// Build nothing: run the test programs of this file, which `archive` has written, on their targets in it. Sources are read in this
    /// checkout; of the set-up, only what runs programs is fetched
    #[arg(long, value_name = "FILE")]
    from_archive: Option<PathBuf>,
    /// Who runs the tests in a test program
    #[arg(long, value_enum, value_name = "RUNNER", default_value_t, conflicts_with_all = ["cached", "from_archive"])]
    runner: TestRunner,
}

/// A choice of who runs the tests in a test program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum TestRunner {
    /// The program itself
    #[default]
    Libtest,
    /// cargo-nextest, each in a process of its own: arguments after a second `--` are nextest's, such as `-E 'test(io)'`, and so
    /// are its profiles. Documentation tests, WebAssembly and boards are run as without it
    Nextest,
}

/// Options of both commands that run tests.
#[derive(Args)]
pub(super) struct TestArguments {
    /// More arguments for cargo, and after another `--` for the test programs
    #[arg(last = true, value_name = "CARGO ARGS")]
    pub(super) rest: Vec<String>,
    /// A suite of suites.toml, or `all`; may be repeated. One whose tools are missing is an error
    #[arg(long = "suite", value_name = "NAME", help_heading = "Running tests")]
    pub(super) suites: Vec<String>,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) cargo: CargoOptions,
    #[command(flatten)]
    pub(super) tests: TestOptions,
    #[command(flatten)]
    pub(super) report: ReportOptions,
}

/// Parts the arguments for cargo from those for the test programs.
pub(super) fn split(rest: &[String]) -> (Vec<String>, Vec<String>) {
    let mut parts = rest.splitn(2, |arg| arg == "--");
    let part = |p: Option<&[String]>| p.unwrap_or_default().to_vec();
    (part(parts.next()), part(parts.next()))
}

impl TestArguments {
    /// Returns the targets as the run wants them: with `--floor` those that promise a processor.
    pub(super) fn targets(&self, targets: Vec<Target>, events: &Events) -> Result<Vec<Target>> {
        if !self.tests.floor {
            return Ok(targets);
        }
        if std::env::var_os("QEMU_CPU").is_some() {
            bail!("--floor says which processor qemu plays, and so does QEMU_CPU, which is set: unset one of them");
        }
        let (mut with, without): (Vec<Target>, Vec<Target>) =
            targets.into_iter().partition(|target| target.floor_cpu.is_some() && target.level == Level::Run);
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(|target| target.name.as_str()).collect();
            events.note(&format!("no processor is promised for {}: --floor leaves them out", names.join(", ")));
        }
        if with.is_empty() {
            bail!("--floor: no processor is promised for any of these targets");
        }
        with.iter_mut().for_each(|target| target.always_emulated = true);
        Ok(with)
    }

    /// Tells if programs come from an archive.
    pub(super) fn is_from_archive(&self) -> bool {
        self.tests.from_archive.is_some()
    }

    /// Returns those of these targets that an archive has programs for, or all if no program comes from one. `named` are targets that
    /// somebody asked for by name.
    ///
    /// # Errors
    /// The file is no archive, or it lacks what was asked for.
    pub(super) fn in_archive(&self, targets: Vec<Target>, named: bool) -> Result<Vec<Target>> {
        let Some(file) = &self.tests.from_archive else { return Ok(targets) };
        let archive = Archive::open(file)?;
        if !self.cargo.is_default() || !split(&self.rest).0.is_empty() || !self.suites.is_empty() {
            bail!("{} says what was built: options for cargo and suites belong to `archive`", file.display());
        }
        let (there, not): (Vec<Target>, Vec<Target>) =
            targets.into_iter().partition(|target| archive.contents.rows.contains_key(&target.name));
        if there.is_empty() || (named && !not.is_empty()) {
            let names = |rows: Vec<&str>| rows.join(", ");
            bail!(
                "{} has programs for {}, and none for {}",
                file.display(),
                names(archive.contents.rows.keys().map(String::as_str).collect()),
                names(not.iter().map(|target| target.name.as_str()).collect())
            );
        }
        Ok(there)
    }

    /// Puts the programs of an archive in their places, if they come from one.
    fn unpack(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Programs> {
        let Some(file) = &self.tests.from_archive else { return Ok(Programs::Cargo) };
        let archive = Archive::open(file)?;
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        archive.unpack(workspace, &names)?.iter().for_each(|line| events.note(line));
        Ok(Programs::From(Box::new(archive)))
    }

    /// The suites that were asked for by name.
    pub(super) fn suites(&self, workspace: &Workspace, targets: &[Target]) -> Result<Vec<Chosen>> {
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

    /// The programs to be run, and the rows that have any.
    fn part(&self, workspace: &Workspace, targets: &[Target], suites: &[Chosen]) -> Result<(Vec<Target>, Part)> {
        if let Some(id) = self.tests.shard {
            let (selection, _) = self.cargo.selection(split(&self.rest).0);
            let shard = Shard::plan(id, workspace, targets, &selection, suites)?;
            let own = targets.iter().filter(|target| shard.has_row(&target.name));
            return Ok((own.cloned().collect(), Part::Shard(shard)));
        }
        if !self.tests.rerun_failed {
            return Ok((targets.to_vec(), Part::All));
        }
        let last = LastRun::load(workspace);
        let never: Vec<&str> = targets.iter().map(|t| t.name.as_str()).filter(|name| last.of(name).is_none()).collect();
        if !never.is_empty() {
            bail!("no run of {} is known here: leave --rerun-failed out", never.join(", "));
        }
        let has_failed = |failures: Option<&Failures>| failures.is_some_and(|failures| !failures.is_empty());
        let failed = targets.iter().filter(|target| has_failed(last.of(&target.name)));
        let mut failed: Vec<Target> = failed.cloned().collect();
        if failed.is_empty() && has_failed(last.of_host()) {
            // The host's own tests are built beside any row.
            failed.extend(targets.first().cloned());
        }
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        if failed.is_empty() {
            eprintln!("nothing failed in the last run of {}", names.join(", "));
        }
        Ok((failed, Part::Failed(last.into_rows())))
    }

    pub(super) fn finish(
        &self,
        workspace: &Workspace,
        targets: &[Target],
        suites: Vec<Chosen>,
        events: &Events,
    ) -> Result<ExitCode> {
        let (targets, part) = self.part(workspace, targets, &suites)?;
        if targets.is_empty() {
            // Everything that is asked to report does.
            let provider = self.place.provider(workspace)?.name().to_owned();
            return self.report.finish(&Report { provider, shard: part.share(), ..Report::default() });
        }
        let (cargo_rest, test_args) = split(&self.rest);
        let (selection, cargo_rest) = self.cargo.selection(cargo_rest);
        let (test_args, nextest) = match self.tests.runner {
            TestRunner::Libtest => (test_args, None),
            TestRunner::Nextest => (Vec::new(), Some(test_args)),
        };
        let request = Request {
            mode: Mode::Test,
            selection,
            cargo_args: self.cargo.with_jobs([self.cargo.args(), cargo_rest].concat(), workspace),
            test_args,
            timeout: Duration::from_secs(self.tests.timeout),
            jobs: self.tests.test_jobs.unwrap_or_else(|| self.cargo.jobs()),
            binfmt: !self.tests.no_binfmt,
            isolation: !self.tests.no_isolation,
            floor: self.tests.floor,
            suites,
            part,
            objects: None,
            cached: self.tests.cached,
            programs: self.unpack(workspace, &targets, events)?,
            nextest,
        };
        finish(&self.place, workspace, &targets, &request, &self.report, events)
    }
}

/// Sets up, builds, tests and reports.
///
/// # Errors
/// Something keeps the run from taking place, or a report from being written.
pub(super) fn finish(
    place: &Place,
    workspace: &Workspace,
    targets: &[Target],
    request: &Request,
    options: &ReportOptions,
    events: &Events,
) -> Result<ExitCode> {
    options.check()?;
    options.finish(&carry_out(place, workspace, targets, request, events)?)
}

/// Sets up and does the work.
///
/// # Errors
/// Something keeps the run from taking place.
pub(super) fn carry_out(
    place: &Place,
    workspace: &Workspace,
    targets: &[Target],
    request: &Request,
    events: &Events,
) -> Result<Report> {
    for target in targets {
        if workspace.packages_for(target, &request.selection)?.is_empty() {
            bail!(
                "no package of {} is for {target}\nname one with -p, or list \"{target}\" in its \
                 [package.metadata.cross-flake] targets",
                workspace.root().display()
            );
        }
    }
    let mut provider = place.provider(workspace)?;
    let builds = !matches!(request.programs, Programs::From(_));
    if !builds {
        provider.only_run();
    }
    announce(events, &provider.missing(workspace, targets, events)?);
    let names: Vec<String> = targets.iter().map(|t| t.name.clone()).collect();
    events.send(Event::Targets { names: &names });
    for name in &names {
        events.send(Event::Phase { target: name, phase: Phase::SettingUp });
    }
    let mut prepared = prepare(&*provider, workspace, targets, events)?;
    signals::check()?;
    if request.floor {
        prepared.iter_mut().for_each(engine::on_floor);
    }
    let environments: Vec<&Environment> = prepared.iter().filter_map(|row| row.environment.as_ref().ok()).collect();
    if builds {
        stale::remove(workspace, &environments, &request.cargo_args, events)?;
    }
    engine::run(workspace, request, &prepared, provider.name(), events)
}
