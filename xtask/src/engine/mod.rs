//! Builds a workspace for many targets in as few cargo invocations as there are sets of packages, and runs test
//! programs as they appear.

pub mod build;
mod doctests;
pub mod libtest;
mod queue;
pub mod rooms;
pub mod suites;
pub mod tests;
mod timings;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cargo_metadata::{Artifact, BuildScript, Package, PackageId, TargetKind};

use crate::environment::Environment;
use crate::events::{Event, Events, Phase};
use crate::inspect;
use crate::provider::Prepared;
use crate::report::{Outcome, Report, Status};
use crate::runner::RunnerKind;
use crate::signals;
use crate::targets::{Level, Target};
use crate::workspace::{Toolchain, Workspace};
use build::{BuildRequest, Built, Ready, seconds_since};
use libtest::Counts;
use queue::Queue;
use rooms::Rooms;
use suites::StepId;
use tests::{Job, JobResult, Limits, Program};
use timings::Timings;

/// What a run does.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whether test programs are built and run; else only what `cargo build` builds.
    pub tests: bool,
    /// Packages that the user named with `-p`.
    pub packages: Vec<String>,
    /// Arguments for cargo.
    pub cargo_args: Vec<String>,
    /// Arguments for the test programs.
    pub test_args: Vec<String>,
    /// How long one test program may run.
    pub timeout: Duration,
    /// How many test programs run at once.
    pub jobs: usize,
    /// Whether the private binfmt namespace may be entered.
    pub binfmt: bool,
    /// Gives each row and package folders of its own.
    pub isolation: bool,
    /// Suites to run beside cargo's tests.
    pub suites: Vec<suites::Chosen>,
}

impl Request {
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
    /// The reason in a line, and all that the compiler or the inspection said.
    build_failure: Option<(String, String)>,
    programs: Vec<JobResult>,
    steps: Vec<(StepId, JobResult)>,
    /// Programs that were linked and whose headers were read.
    inspected: usize,
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

    /// Whether its programs are started here.
    fn runs(&self, request: &Request) -> bool {
        request.tests && self.target.level == Level::Run
    }
}

/// The row of tests that belong to the build machine itself: proc-macro crates' own.
const HOST: usize = usize::MAX;
/// What that row is called.
const BUILD_MACHINE: &str = "build-machine";

/// The state of one run.
struct Run<'a> {
    workspace: &'a Workspace,
    request: &'a Request,
    rows: Vec<Row<'a>>,
    host: Mutex<Vec<JobResult>>,
    /// Crates compiled for the build machine.
    host_crates: AtomicUsize,
    /// The folder of std as a shared library, once a test needs it.
    host_std: OnceLock<PathBuf>,
    queue: Queue,
    past: Timings,
    events: &'a Events,
    start: Instant,
}

/// Builds (and tests) the workspace for every prepared row.
///
/// # Errors
/// What concerns the whole run, such as a cargo that cannot be started. What concerns one row is in its [`Outcome`].
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
            let packages = workspace.packages_for(&p.target, &request.packages)?;
            rows.push(Row { target: &p.target, environment, packages, progress: Mutex::default() });
        }
    }
    let (host, host_std) = (Mutex::default(), OnceLock::new());
    let (queue, past) = (Queue::default(), Timings::load(workspace));
    let (host_crates, start) = (AtomicUsize::new(0), Instant::now());
    let run = Run { workspace, request, rows, host, host_crates, host_std, queue, past, events, start };
    let rooms = if request.tests { Rooms::new(workspace, request.rooms())? } else { Rooms::none()? };
    if let (Some(reason), true) = (rooms.refused(), request.tests && request.jobs > 1) {
        events.note(&format!("rows of a package take turns: {reason}"));
    }
    let limits = Limits { timeout: request.timeout, jobs: request.jobs, binfmt: request.binfmt, rooms };
    std::thread::scope(|scope| {
        let workers = scope.spawn(|| tests::run_all(&run.queue, &limits, |result| run.end_job(result)));
        let built = {
            let _end = run.queue.closed_at_the_end();
            run.build_all()
        };
        workers.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
        built
    })?;
    signals::check()?;
    note_written(&limits.rooms, workspace, events);
    run.report(prepared, provider)
}

/// Names the files that tests wrote into the workspace and that are not there.
fn note_written(rooms: &Rooms, workspace: &Workspace, events: &Events) {
    let written = rooms.written();
    let root = std::fs::canonicalize(workspace.root()).unwrap_or_default();
    let names: Vec<_> =
        written.iter().map(|file| file.strip_prefix(&root).unwrap_or(file).display().to_string()).collect();
    let (first, rest) = names.split_at(names.len().min(5));
    if !first.is_empty() {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        let first = first.join(", ");
        events
            .note(&format!("tests wrote into the workspace, and that is gone: {first}{more}; --no-isolation keeps it"));
    }
}

impl<'a> Run<'a> {
    /// Builds group after group, then starts what needs all of cargo for itself.
    fn build_all(&self) -> Result<()> {
        for group in self.groups() {
            signals::check()?;
            self.build_group(&group)?;
        }
        let mut steps = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            if row.progress().closed {
                continue;
            }
            let doctests = if self.has_doctests(row) { doctests::jobs(index, row, self)? } else { Vec::new() };
            let of_row = suites::jobs(index, row, self)?;
            row.progress().known += doctests.len() + of_row.len();
            for job in doctests {
                self.start(job);
            }
            steps.extend(of_row);
            self.close(row);
        }
        // The first steps of a row wait for each other while zig compiles its C++ library: one row's beside another's.
        steps.sort_by_key(|job| job.step);
        for job in steps {
            self.start(job);
        }
        Ok(())
    }

    /// Gives a job to the workers.
    fn start(&self, job: Job) {
        let seconds = self.past.of(self.name_of(job.row), &job.title);
        self.queue.push(job, seconds);
    }

    fn name_of(&self, row: usize) -> &str {
        self.rows.get(row).map_or(BUILD_MACHINE, |row| &row.target.name)
    }

    /// Rows that build the same packages; core has no `test` crate, so such rows stay apart from those with std.
    fn groups(&self) -> Vec<Vec<usize>> {
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
        groups
    }

    /// Where the compiler that builds here has std for the build machine as a shared library. The environments bring that
    /// compiler, and the workspace's own may be another.
    fn host_std(&self) -> &Path {
        self.host_std.get_or_init(|| {
            let folders = self.rows.iter().flat_map(|row| &row.environment.path);
            let rustc = folders.map(|folder| folder.join("rustc")).find(|rustc| rustc.exists());
            let toolchain = rustc.and_then(|rustc| Toolchain::at(&rustc).ok());
            let Toolchain { sysroot, host, .. } = toolchain.as_ref().unwrap_or(&self.workspace.toolchain);
            sysroot.join("lib/rustlib").join(host).join("lib")
        })
    }

    fn build_group(&self, group: &[usize]) -> Result<()> {
        let rows: Vec<&Row<'_>> = group.iter().map(|i| &self.rows[*i]).collect();
        let request = BuildRequest {
            tests: self.request.tests,
            packages: rows[0].packages.iter().map(|p| p.name.to_string()).collect(),
            cargo_args: self.request.cargo_args.clone(),
        };
        let ready: Vec<Ready<'_>> =
            rows.iter().map(|r| Ready { target: r.target, environment: r.environment }).collect();
        for row in &rows {
            self.events.send(Event::Phase { target: &row.target.name, phase: Phase::Building { crates: 0 } });
        }
        let mut gate = Gate::new(self, group);
        let end = build::build(self.workspace, &request, &ready, |built| gate.built(built))?;
        signals::check()?;
        if !end.success {
            // cargo's messages do not say for which triple a crate failed. What could be built is built, so asking once
            // more for each row alone costs little and gives that row's errors, and what another row's error has kept from being
            // built.
            for (row, ready) in rows.iter().zip(&ready) {
                signals::check()?;
                let end =
                    build::build(self.workspace, &request, std::slice::from_ref(ready), |built| gate.built(built))?;
                if !end.success {
                    row.progress().build_failure = Some((first_error(&end.stderr), end.stderr));
                }
            }
        }
        gate.open();
        for row in rows {
            if !self.has_doctests(row) && !suites::any(row, self) {
                self.close(row);
            }
        }
        Ok(())
    }

    fn has_doctests(&self, row: &Row<'_>) -> bool {
        row.runs(self.request) && row.progress().build_failure.is_none() && doctests::any(row, self.request)
    }

    fn end_job(&self, result: JobResult) {
        if result.row == HOST {
            self.host.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            return;
        }
        let row = &self.rows[result.row];
        let (done, known) = {
            let mut progress = row.progress();
            match result.step {
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

    fn report(self, prepared: &[Prepared], provider: &str) -> Result<Report> {
        let mut targets = Vec::new();
        let mut rows = self.rows.iter();
        for p in prepared {
            let outcome = match &p.environment {
                Err(reason) => {
                    let outcome = skipped(&p.target, reason);
                    self.events.send(Event::Finished { outcome: &outcome, seconds: 0.0 });
                    outcome
                }
                Ok(_) => rows.next().and_then(|row| row.progress().outcome.take()).context("a row did not finish")?,
            };
            targets.push(outcome);
        }
        let host = self.host.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !host.is_empty() {
            targets.push(host_outcome(self.workspace, host));
        }
        let ran = targets.iter().flat_map(|outcome| {
            outcome.all_programs().map(|result| (outcome.name.as_str(), result.title.as_str(), result.seconds))
        });
        self.past.keep(ran)?;
        Ok(Report { provider: provider.to_owned(), crates: self.host_crates.into_inner(), targets })
    }
}

/// Holds a test program back until the programs of its package exist.
///
/// cargo reports an integration test before the binary of the same package is linked, and `CARGO_BIN_EXE_<name>` in the
/// test is the path of that binary.
struct Gate<'r, 'a> {
    run: &'r Run<'a>,
    group: &'r [usize],
    /// Programs of a package for a row (the build machine is `HOST`).
    bins: HashMap<(usize, PackageId), BTreeMap<String, PathBuf>>,
    scripts: HashMap<(usize, PackageId), BuildScript>,
    waiting: Vec<(usize, Artifact)>,
    /// Files that cargo has reported; it does so again when it is asked again.
    seen: HashSet<PathBuf>,
}

impl<'r, 'a> Gate<'r, 'a> {
    fn new(run: &'r Run<'a>, group: &'r [usize]) -> Self {
        Gate { run, group, bins: HashMap::new(), scripts: HashMap::new(), waiting: Vec::new(), seen: HashSet::new() }
    }

    fn row_of(&self, file: &Path) -> usize {
        let folder = build::target_folder_of(self.run.workspace.metadata.target_directory.as_std_path(), file);
        let row =
            self.group.iter().copied().find(|i| folder.as_deref() == Some(self.run.rows[*i].target.triple.as_str()));
        row.unwrap_or(HOST)
    }

    fn built(&mut self, built: Built) {
        match built {
            Built::Script(script) => {
                let row = self.row_of(script.out_dir.as_std_path());
                self.scripts.insert((row, script.package_id.clone()), script);
            }
            Built::Artifact(artifact) => {
                let Some(file) = artifact.filenames.first() else { return };
                if !self.seen.insert(file.clone().into_std_path_buf()) {
                    return;
                }
                let row = self.row_of(file.as_std_path());
                if let Some(row) = self.run.rows.get(row) {
                    let crates = {
                        let mut progress = row.progress();
                        progress.crates += 1;
                        progress.compiled += usize::from(!artifact.fresh);
                        progress.built = seconds_since(self.run.start);
                        progress.crates
                    };
                    self.run.events.send(Event::Phase { target: &row.target.name, phase: Phase::Building { crates } });
                } else if !artifact.fresh {
                    self.run.host_crates.fetch_add(1, Ordering::Relaxed);
                }
                self.program(row, artifact);
            }
        }
    }

    fn program(&mut self, row: usize, artifact: Artifact) {
        let Some(file) = artifact.executable.clone() else { return };
        let is_script = artifact.target.is_custom_build();
        if let Some(row) = self.run.rows.get(row)
            && !is_script
        {
            let mut progress = row.progress();
            let floor = row.environment.glibc.as_deref();
            match inspect::check_for(file.as_std_path(), &row.target.triple, &row.target.name, floor) {
                Ok(()) => progress.inspected += 1,
                Err(error) => {
                    progress.build_failure = Some((error.lines().next().unwrap_or_default().to_owned(), error))
                }
            }
        }
        if artifact.profile.test {
            self.waiting.push((row, artifact));
        } else if artifact.target.is_bin() {
            let bins = self.bins.entry((row, artifact.package_id.clone())).or_default();
            bins.insert(artifact.target.name.clone(), file.into_std_path_buf());
        } else {
            return;
        }
        let (ready, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(row, test)| self.is_ready(*row, test));
        self.waiting = waiting;
        self.start(ready);
    }

    /// Only an integration test is given the paths of its package's binaries.
    fn is_ready(&self, row: usize, test: &Artifact) -> bool {
        if !test.target.is_test() {
            return true;
        }
        let package = self.run.workspace.package(&test.package_id);
        let expected = package.map_or(0, |p| p.targets.iter().filter(|t| t.is_bin()).count());
        self.bins.get(&(row, test.package_id.clone())).map_or(0, BTreeMap::len) >= expected
    }

    /// Cargo has ended: what still waits has a binary that was not asked for (`required-features`).
    fn open(mut self) {
        let rest = std::mem::take(&mut self.waiting);
        self.start(rest);
    }

    fn start(&self, tests: Vec<(usize, Artifact)>) {
        for (index, test) in tests {
            let Some(file) = test.executable.clone() else { continue };
            let runner = match self.run.rows.get(index) {
                Some(row) => {
                    let mut progress = row.progress();
                    if !row.runs(self.run.request) || progress.build_failure.is_some() {
                        continue;
                    }
                    progress.known += 1;
                    row.environment.runner.clone()
                }
                None => None,
            };
            let Some(package) = self.run.workspace.package(&test.package_id) else { continue };
            let folder = package.manifest_path.parent().map(|p| p.as_std_path().to_owned()).unwrap_or_default();
            let key = (index, test.package_id.clone());
            let mut env = package_env(package, self.bins.get(&key));
            let mut library_path = Vec::new();
            if let Some(script) = self.scripts.get(&key) {
                env.extend(script.env.iter().map(|(k, v)| (k.clone(), OsString::from(v))));
                env.insert("OUT_DIR".to_owned(), script.out_dir.clone().into());
            }
            if self.run.rows.get(index).is_none_or(|row| row.target.is_linux())
                && let Some(deps) = file.parent()
            {
                // Where cargo puts shared libraries of the workspace.
                library_path.push(deps.as_std_path().to_owned());
            }
            if index == HOST {
                // The tests of a proc-macro crate use std as a shared library.
                library_path.push(self.run.host_std().to_owned());
            }
            let job = Job {
                row: index,
                step: None,
                title: title(package, &test),
                program: Program::Test { file: file.into_std_path_buf(), runner },
                args: self.run.request.test_args.clone(),
                env,
                cwd: folder,
                library_path,
            };
            self.run.start(job);
        }
    }
}

/// `hello-zlib` for the library's own tests, `hello-zlib tests/io` for others.
fn title(package: &Package, test: &Artifact) -> String {
    let name = &test.target.name;
    match test.target.kind.first() {
        Some(TargetKind::Test) => format!("{} tests/{name}", package.name),
        Some(TargetKind::Bin) => format!("{} bin/{name}", package.name),
        Some(TargetKind::Example) => format!("{} examples/{name}", package.name),
        Some(TargetKind::Bench) => format!("{} benches/{name}", package.name),
        _ => package.name.to_string(),
    }
}

/// What cargo puts into the environment of a test program (The Cargo Book, "Environment variables cargo sets").
fn package_env(package: &Package, bins: Option<&BTreeMap<String, PathBuf>>) -> BTreeMap<String, OsString> {
    let version = &package.version;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let folder = package.manifest_path.parent().map(ToString::to_string).unwrap_or_default();
    let mut env: BTreeMap<String, OsString> = [
        ("CARGO_MANIFEST_DIR", folder),
        ("CARGO_MANIFEST_PATH", package.manifest_path.to_string()),
        ("CARGO_PKG_NAME", package.name.to_string()),
        ("CARGO_PKG_VERSION", version.to_string()),
        ("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
        ("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
        ("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
        ("CARGO_PKG_VERSION_PRE", version.pre.to_string()),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_DESCRIPTION", optional(&package.description)),
        ("CARGO_PKG_HOMEPAGE", optional(&package.homepage)),
        ("CARGO_PKG_REPOSITORY", optional(&package.repository)),
        ("CARGO_PKG_LICENSE", optional(&package.license)),
        ("CARGO_PKG_RUST_VERSION", package.rust_version.as_ref().map(ToString::to_string).unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect();
    for (name, path) in bins.into_iter().flatten() {
        env.insert(format!("CARGO_BIN_EXE_{name}"), path.into());
    }
    env
}

/// The first error of cargo's output, without colours; for a build script what the script itself said.
pub fn first_error(stderr: &str) -> String {
    let plain = anstream::adapter::strip_str(stderr).to_string();
    // What our compilers say of a library that is not there, in the midst of rustc's and the linker's words.
    if let Some(said) = plain.lines().find_map(|line| Some(line.split_once("cross-flake: ")?.1)) {
        return said.trim_end().to_owned();
    }
    let error = plain.lines().find(|l| l.starts_with("error")).unwrap_or("cargo failed and said nothing");
    if error.contains("custom build command") {
        let said = plain.lines().map(str::trim).find(|l| l.contains("error:") && !l.starts_with("error"));
        if let Some(said) = said {
            return format!("a build script failed: {}", said.trim_start_matches("cargo:warning="));
        }
    }
    error.to_owned()
}

fn outcome(row: &Row<'_>, progress: &mut Progress, request: &Request) -> Outcome {
    let mut outcome = skipped(row.target, "");
    outcome.reason = None;
    outcome.status = Status::Linked;
    outcome.crates = progress.compiled;
    outcome.build_seconds = progress.built;
    let programs = std::mem::take(&mut progress.programs);
    let ran = !programs.is_empty();
    judge_programs(&mut outcome, programs, row.environment);
    if let Some((reason, output)) = progress.build_failure.take() {
        outcome.status = Status::Failed;
        outcome.reason = Some(reason);
        outcome.build_output = Some(output);
    } else if row.target.level == Level::Link {
        outcome.reason.clone_from(&row.target.reason);
    } else if !ran && request.tests {
        outcome.reason = Some("there is no test program for it".to_owned());
    }
    outcome.suites = suites::outcomes(&request.suites, row.target, std::mem::take(&mut progress.steps));
    let failed = outcome.suites.iter().find(|suite| suite.status == Some(Status::Failed));
    if let (Some(failed), true) = (failed, outcome.status != Status::Failed) {
        outcome.reason = Some(format!("{}: {}", failed.name, failed.reason.clone().unwrap_or_default()));
        outcome.status = Status::Failed;
    }
    outcome
}

/// Completes an outcome with what ran; without a program it stays as it is.
pub fn judge_programs(outcome: &mut Outcome, programs: Vec<JobResult>, environment: &Environment) {
    if let Some(runner) = &environment.runner {
        outcome.runner.clone_from(&runner.label);
        // The namespace is there for every kind of runner; only Linux programs are started by it.
        outcome.binfmt = runner.kind == RunnerKind::QemuUser && programs.iter().any(|p| p.binfmt == Some(true));
    }
    if programs.is_empty() {
        return;
    }
    for program in &programs {
        outcome.tests.add(program.counts);
        outcome.run_seconds += program.seconds;
    }
    let failed = programs.iter().find_map(|p| Some(format!("{}: {}", p.title, p.failure.as_ref()?)));
    outcome.status = if failed.is_some() { Status::Failed } else { Status::Passed };
    outcome.reason = failed.or_else(|| tests::passed_alone(&programs));
    outcome.programs = programs;
}

/// The outcome of a row for which nothing was done.
pub fn skipped(target: &Target, reason: &str) -> Outcome {
    Outcome {
        name: target.name.clone(),
        triple: target.triple.clone(),
        status: Status::Skipped,
        runner: "none".to_owned(),
        binfmt: false,
        tests: Counts::default(),
        crates: 0,
        build_seconds: 0.0,
        run_seconds: 0.0,
        reason: Some(reason.to_owned()),
        programs: Vec::new(),
        suites: Vec::new(),
        build_output: None,
    }
}

fn host_outcome(workspace: &Workspace, programs: Vec<JobResult>) -> Outcome {
    let mut tests = Counts::default();
    for program in &programs {
        tests.add(program.counts);
    }
    let failed = programs.iter().find_map(|p| Some(format!("{}: {}", p.title, p.failure.as_ref()?)));
    Outcome {
        name: BUILD_MACHINE.to_owned(),
        triple: workspace.toolchain.host.clone(),
        status: if failed.is_some() { Status::Failed } else { Status::Passed },
        runner: "native".to_owned(),
        binfmt: false,
        tests,
        crates: 0,
        build_seconds: 0.0,
        run_seconds: programs.iter().map(|p| p.seconds).sum(),
        reason: failed.or_else(|| tests::passed_alone(&programs)),
        programs,
        suites: Vec::new(),
        build_output: None,
    }
}
