//! Builds a workspace for many targets in as few cargo invocations as their packages and features allow, and runs test
//! programs meanwhile.

pub mod archive;
pub mod build;
mod check;
mod collect;
pub mod corrections;
pub mod diagnostics;
mod doctests;
pub mod features;
pub mod job;
mod judge;
pub mod kept;
pub mod last;
pub mod libtest;
pub mod nextest;
pub mod objects;
pub mod part;
pub mod programs;
mod queue;
pub mod reasons;
pub mod recorder;
pub mod rooms;
pub mod shard;
pub mod stale;
pub mod suites;
mod timings;
pub mod units;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use cargo_metadata::Package;

use crate::cache::Cache;
use crate::environment::Environment;
use crate::events::{Event, Events, Phase};
use crate::host::signals;
use crate::outcome::{BuiltProgram, Outcome, ProgramResult, Report};
use crate::provider::Prepared;
use crate::targets::{Level, Target};
use crate::workspace::{Selection, Workspace, spec_of};
use cross_flake_runner::RunnerKind;

use archive::{Archive, Packing, Places, Programs};
use build::{BuildRequest, Mode, Ready, seconds_since};
use collect::Collector;
use diagnostics::Merged;
pub use judge::{judge_programs, skipped};

use job::{Ended, Job, Owner, StepId};
use judge::outcome;
use kept::Kept;
use nextest::Nextest;
use part::Part;
use programs::Limits;
use queue::Queue;
use recorder::Recorder;
use rooms::Rooms;
use timings::Timings;

/// The variable that tells qemu which processor to play.
pub const CPU: &str = "QEMU_CPU";

/// Has the oldest processor played that the row promises.
pub fn on_floor(row: &mut Prepared) {
    let Ok(Environment { runner: Some(runner), .. }) = &mut row.environment else { return };
    if let (RunnerKind::QemuUser, Some(cpu)) = (runner.kind, &row.target.floor_cpu) {
        runner.env.insert(CPU.to_owned(), cpu.clone());
        runner.label = format!("{}, {cpu}", runner.label);
    }
}

/// The order for a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The work.
    pub mode: Mode,
    /// Packages that the user chose.
    pub selection: Selection,
    /// Arguments for cargo.
    pub cargo_args: Vec<String>,
    /// Arguments for the test programs, or for clippy.
    pub test_args: Vec<String>,
    /// The time that one test program has.
    pub timeout: Duration,
    /// The number of test programs that run at once.
    pub jobs: usize,
    /// The private binfmt namespace may be entered.
    pub binfmt: bool,
    /// Gives each row and package directories of its own.
    pub isolation: bool,
    /// Has qemu play the oldest processor that each row promises.
    pub floor: bool,
    /// Suites to run beside cargo's tests.
    pub suites: Vec<suites::Chosen>,
    /// The test programs and suites that are run; others are built alone.
    pub part: Part,
    /// The directory of objects for programs; see [`objects`].
    pub objects: Option<PathBuf>,
    /// Test programs of which nothing has changed since they passed are not run; see [`kept`].
    pub cached: bool,
    /// Where test programs come from or go to.
    pub programs: Programs,
    /// nextest runs the tests of programs that it can run, with these arguments.
    pub nextest: Option<Vec<String>>,
}

impl Request {
    /// An order to cargo alone, with nothing to run.
    pub fn without_tests(mode: Mode, selection: Selection, cargo_args: Vec<String>) -> Request {
        Request {
            mode,
            selection,
            cargo_args,
            test_args: Vec::new(),
            timeout: Duration::ZERO,
            jobs: 1,
            binfmt: false,
            isolation: false,
            floor: false,
            suites: Vec::new(),
            part: Part::All,
            objects: None,
            cached: false,
            programs: Programs::Cargo,
            nextest: None,
        }
    }

    /// Returns the order to cargo for these packages.
    pub fn order(&self, packages: &[&Package]) -> BuildRequest {
        BuildRequest {
            mode: self.mode,
            packages: packages.iter().map(|package| spec_of(package)).collect(),
            cargo_args: self.cargo_args.clone(),
            test_args: self.test_args.clone(),
            objects: self.objects.clone(),
            beside: BTreeMap::new(),
        }
    }

    /// Tells if test programs are run.
    pub fn runs_tests(&self) -> bool {
        self.mode == Mode::Test && !matches!(self.programs, Programs::To(_))
    }

    /// Returns the reason for which test programs are to have no rooms, if there is one.
    fn rooms(&self) -> std::result::Result<(), &'static str> {
        match (self.isolation, self.binfmt) {
            (false, _) => Err("--no-isolation"),
            (_, false) => Err("--no-binfmt"),
            (true, true) => Ok(()),
        }
    }
}

/// One row while it is being worked on.
struct Row<'a> {
    target: &'a Target,
    environment: &'a Environment,
    packages: Vec<&'a Package>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Crates that are there, and of these the ones that were compiled in this run.
    crates: usize,
    compiled: usize,
    known: usize,
    built: f64,
    /// Its share of the time that cargo took.
    cargo: f64,
    /// The reason in a line, and all that the compiler or the inspection said.
    build_failure: Option<(String, String)>,
    programs: Vec<ProgramResult>,
    steps: Vec<(StepId, ProgramResult)>,
    /// Programs that were linked and whose headers were read.
    inspected: usize,
    /// The programs of a build without tests.
    artifacts: Vec<BuiltProgram>,
    /// No more test programs will come.
    closed: bool,
    outcome: Option<Outcome>,
}

impl Progress {
    /// Jobs that have ended.
    fn ended(&self) -> usize {
        self.programs.len() + self.steps.len()
    }
}

impl Row<'_> {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells if its programs are started here.
    fn runs(&self, request: &Request) -> bool {
        request.mode == Mode::Test && self.target.level == Level::Run
    }
}

/// The row of tests that belong to the host itself, those of proc-macro crates.
const BUILD_MACHINE: &str = "build-machine";

/// The state of one run.
struct Run<'a> {
    workspace: &'a Workspace,
    request: &'a Request,
    rows: Vec<Row<'a>>,
    host: Mutex<Vec<ProgramResult>>,
    /// Crates compiled for the host.
    host_crates: AtomicUsize,
    /// Diagnostics of the compiler, where they are all that is asked for.
    diagnostics: Mutex<Merged>,
    /// Programs that are run, so that none is twice, by row.
    started: Mutex<HashSet<(Owner, PathBuf)>>,
    /// Programs that are to be written into a file instead.
    packing: Option<Mutex<Packing>>,
    nextest: Option<Nextest>,
    recorder: Recorder,
    queue: Queue,
    past: Timings,
    events: &'a Events,
    start: Instant,
}

/// Builds (and tests) the workspace for every prepared row.
///
/// # Errors
/// A failure of the whole run, such as a cargo that cannot be started. That of one row is in its [`Outcome`].
pub fn run(
    workspace: &Workspace,
    request: &Request,
    prepared: &[Prepared],
    provider: &str,
    events: &Events,
) -> Result<Report> {
    let mut rows = Vec::new();
    for p in prepared {
        if let Ok(environment) = &p.environment {
            let packages = workspace.packages_for(&p.target, &request.selection)?;
            rows.push(Row { target: &p.target, environment, packages, progress: Mutex::default() });
        }
    }
    let recorder = Recorder::install(&Cache::locate()?)?;
    let run = Run {
        workspace,
        request,
        rows,
        host: Mutex::default(),
        host_crates: AtomicUsize::new(0),
        diagnostics: Mutex::default(),
        started: Mutex::default(),
        packing: matches!(request.programs, Programs::To(_)).then(|| Mutex::new(Packing::new(workspace))),
        nextest: request.nextest.as_ref().map(|args| Nextest::find(workspace, args)).transpose()?,
        recorder,
        queue: Queue::default(),
        past: Timings::load(workspace),
        events,
        start: Instant::now(),
    };
    let tests = request.runs_tests();
    let rooms = if tests { Rooms::new(workspace, request.rooms())? } else { Rooms::none()? };
    if let (Some(reason), true) = (rooms.refused(), tests && request.jobs > 1) {
        events.note(&format!("rows of a package take turns: {reason}"));
    }
    let kept = request.cached.then(|| Kept::open(workspace));
    let limits = Limits { timeout: request.timeout, jobs: request.jobs, binfmt: request.binfmt, rooms, kept };
    let groups = std::thread::scope(|scope| {
        let workers = scope.spawn(|| programs::run_all(&run.queue, &limits, |result| run.end_job(result)));
        let built = {
            let _end = run.queue.closed_at_the_end();
            run.build_all()
        };
        workers.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
        built
    });
    signals::check()?;
    let groups = groups?;
    limits.rooms.note_written(workspace, events);
    for line in limits.kept.as_ref().map_or(Ok(Vec::new()), Kept::end)? {
        events.note(&line);
    }
    if let (Programs::To(file), Some(packing)) = (&request.programs, run.packing()) {
        packing.write(workspace, file)?.iter().for_each(|line| events.note(line));
    }
    run.report(prepared, provider, groups)
}

impl<'a> Run<'a> {
    /// Builds group after group, then starts what needs all of cargo for itself. Gives the groups.
    fn build_all(&self) -> Result<Vec<Vec<String>>> {
        let mut groups = Vec::new();
        if let Programs::From(archive) = &self.request.programs {
            self.start_saved(archive)?;
            return Ok(groups);
        }
        for group in self.groups()? {
            signals::check()?;
            match self.request.mode.only_checks() {
                true => self.check_group(&group)?,
                false => self.build_group(&group)?,
            }
            groups.push(group.iter().map(|index| self.rows[*index].target.name.clone()).collect());
        }
        let mut steps = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            if row.progress().closed {
                continue;
            }
            let of_row = suites::jobs(index, row, self)?;
            row.progress().known += of_row.len();
            steps.extend(of_row);
            self.close(row);
        }
        // The first steps of a row wait for each other while zig compiles its C++ library: one row's beside another's.
        steps.sort_by_key(|job| job.step);
        for job in steps {
            self.start(job);
        }
        Ok(groups)
    }

    /// Starts what is in an archive.
    fn start_saved(&self, archive: &Archive) -> Result<()> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let (collector, places) = (Collector::new(self, &all), Places::of(self.workspace));
        archive.contents.programs.iter().try_for_each(|saved| collector.saved(saved, &places))?;
        self.rows.iter().for_each(|row| self.close(row));
        Ok(())
    }

    fn packing(&self) -> Option<MutexGuard<'_, Packing>> {
        self.packing.as_ref().map(|packing| packing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives a job to the workers.
    fn start(&self, job: Job) {
        let seconds = self.past.of(self.name_of(job.owner), &job.title);
        self.queue.push(job, seconds);
    }

    fn name_of(&self, owner: Owner) -> &str {
        match owner {
            Owner::Host => BUILD_MACHINE,
            Owner::Row(row) => &self.rows[row].target.name,
        }
    }

    /// Rows for one cargo invocation each: those that build the same packages with the same features. core has no `test` crate, so
    /// such rows stay apart from those with std.
    fn groups(&self) -> Result<Vec<Vec<usize>>> {
        let key = |row: &Row<'_>| {
            let ids: Vec<_> = row.packages.iter().map(|p| p.id.clone()).collect();
            (row.target.std, ids)
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            match groups.iter_mut().find(|group| key(&self.rows[group[0]]) == key(row)) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        let mut parted = Vec::new();
        for group in groups {
            let alone = |index: &usize| build::alone(self.workspace, &self.build_request(&group), self.ready(*index));
            let commands = group.iter().map(alone).collect::<Result<Vec<_>>>()?;
            match features::groups(self.workspace, commands) {
                Ok(parts) => parted.extend(parts.into_iter().map(|part| part.into_iter().map(|i| group[i]).collect())),
                // What cargo cannot resolve it says again when it is to build it.
                Err(error) => {
                    let reason = format!("{error:#}");
                    let reason = reason.lines().next().unwrap_or_default();
                    self.events.note(&format!("each target is built by itself: {reason}"));
                    parted.extend(group.into_iter().map(|index| vec![index]));
                }
            }
        }
        Ok(parted)
    }

    fn ready(&self, index: usize) -> Ready<'_> {
        let row = &self.rows[index];
        Ready { target: row.target, environment: row.environment }
    }

    /// Returns the order to cargo for the rows of one group.
    fn build_request(&self, group: &[usize]) -> BuildRequest {
        let mut request = self.request.order(&self.rows[group[0]].packages);
        let is_own = |index: &usize| self.rows[*index].target.triple == self.workspace.toolchain.host;
        if let Some(own) = (0..self.rows.len()).find(is_own).filter(|own| !group.contains(own)) {
            // The linker is for what the host starts, too: cargo knows no other. Runner and flags are for the row alone.
            let is_for_both = |name: &str| !name.starts_with("CARGO_") || name.ends_with("_LINKER");
            let variables = self.rows[own].environment.scoped.iter().filter(|(name, _)| is_for_both(name));
            request.beside = variables.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        request
    }

    fn build_group(&self, group: &[usize]) -> Result<()> {
        let request = self.build_request(group);
        let ready: Vec<Ready<'_>> = group.iter().map(|index| self.ready(*index)).collect();
        for row in &ready {
            self.events.send(Event::Phase { target: &row.target.name, phase: Phase::Building { crates: 0 } });
        }
        let mut collector = Collector::new(self, group);
        let start = Instant::now();
        let build = |ready: &[Ready<'_>], collector: &mut Collector<'_, '_>| {
            let end = build::build(self.workspace, &request, &self.recorder, ready, |built| collector.built(built))?;
            collector.check()?;
            signals::check()?;
            anyhow::Ok(end)
        };
        let end = build(&ready, &mut collector)?;
        let failed = |index: usize, stderr: String| {
            self.rows[index].progress().build_failure = Some((reasons::of_build(&stderr), stderr));
        };
        match group {
            [one] if !end.success => failed(*one, end.stderr),
            _ if end.success => {}
            // cargo's messages do not say for which triple a crate failed. What could be built is built, so asking once
            // more for each row alone costs little and gives that row's errors, and what another row's error has kept from being
            // built.
            many => {
                if request.mode == Mode::Test {
                    build::build_the_rest(self.workspace, &request, &ready, |built| collector.built(built))?;
                    signals::check()?;
                }
                for (index, ready) in many.iter().zip(&ready) {
                    let end = build(std::slice::from_ref(ready), &mut collector)?;
                    if !end.success {
                        failed(*index, end.stderr);
                    }
                }
            }
        }
        for index in group {
            let row = &self.rows[*index];
            row.progress().cargo = seconds_since(start) / group.len() as f64;
            if !suites::any(row, self) {
                self.close(row);
            }
        }
        Ok(())
    }

    fn end_job(&self, ended: Ended) {
        let Ended { owner, step, result } = ended;
        let Owner::Row(row) = owner else {
            self.host.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            return;
        };
        let row = &self.rows[row];
        let (done, known) = {
            let mut progress = row.progress();
            match step {
                Some(step) => progress.steps.push((step, result)),
                None => progress.programs.push(result),
            }
            (progress.ended(), progress.known)
        };
        self.events.send(Event::Phase { target: &row.target.name, phase: Phase::Testing { done, known } });
        self.finish(row);
    }

    fn close(&self, row: &Row<'_>) {
        row.progress().closed = true;
        self.finish(row);
    }

    /// Forms the row's outcome once nothing more can come for it.
    fn finish(&self, row: &Row<'_>) {
        let outcome = {
            let mut progress = row.progress();
            if !progress.closed || progress.ended() < progress.known || progress.outcome.is_some() {
                return;
            }
            let outcome = outcome(row, &mut progress, self.request);
            progress.outcome = Some(outcome.clone());
            outcome
        };
        self.events.send(Event::Finished { outcome: &outcome, seconds: seconds_since(self.start) });
    }
}
