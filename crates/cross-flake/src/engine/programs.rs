//! Test programs, run several at a time while cargo still builds others.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::CPU;
use super::job::{Ended, Job, Program};
use super::kept::{self, Kept};
use super::libtest;
use super::nextest::{self, Binary};
use super::queue::Queue;
use super::reasons;
use super::rooms::{OpenRoom, Rooms};
use crate::events::human_time;
use crate::host::signals;
use crate::outcome::{CaseResult, Counts, ProgramResult};
use cross_flake_runner::{self as runner, Entered, RunnerKind, RunnerSpec, Seen};

/// The time between two looks at a running test; a test that ends between two looks waits at most this long.
const POLL: Duration = Duration::from_millis(5);
/// The time that a test has to clean up, from SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// Limits of all jobs.
pub struct Limits {
    /// The time that one test program has.
    pub timeout: Duration,
    /// The number of programs that run at once.
    pub jobs: usize,
    /// The private binfmt namespace may be entered.
    pub binfmt: bool,
    /// Keeps programs from disturbing each other.
    pub rooms: Rooms,
    /// Results of earlier runs, if they are to count.
    pub kept: Option<Kept>,
}

impl Job {
    /// Returns the time that it has.
    fn timeout(&self, limits: &Limits) -> Duration {
        match self.program {
            Program::Step { timeout, .. } => timeout,
            _ => limits.timeout,
        }
    }
}

/// Runs the jobs of a queue until it is closed and empty; `on_end` hears of each.
///
/// A test program that failed in a room or while another ran is run once more as under `cargo test`: when nothing else runs, in the
/// machine's own directories; so is one whose emulator failed. If it passes then, [`ProgramResult::first`] says so. One that did not end is given up with the first of its
/// name that does not end then, either.
pub fn run_all(queue: &Queue, limits: &Limits, on_end: impl Fn(Ended) + Sync) {
    let again: Mutex<Vec<(Job, ProgramResult)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..limits.jobs.max(1) {
            scope.spawn(|| {
                while let Some(mut taken) = queue.next(|job| limits.rooms.has_one_for(job)) {
                    let result = run_or_keep(&mut taken.job, limits);
                    let differs = queue.ended(&taken) || limits.rooms.has_one_for(&taken.job);
                    let differs = differs || result.emulator.is_some();
                    if result.failure.is_some() && differs && taken.job.step.is_none() {
                        again.lock().unwrap_or_else(PoisonError::into_inner).push((taken.job, result));
                    } else {
                        on_end(taken.job.ended(result));
                    }
                }
            });
        }
    });
    let mut endless: Vec<String> = Vec::new();
    for (job, first) in again.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if signals::check().is_err() || (first.timed_out && endless.contains(&job.title)) {
            on_end(job.ended(first));
            continue;
        }
        let (mut second, _) = run_in(&job, limits, None, false);
        if second.timed_out {
            endless.push(job.title.clone());
        }
        if second.failure.is_none() {
            second.first = Some(Box::new(first));
        }
        on_end(job.ended(second));
    }
}

/// Runs one test program, in a room if there are any.
pub fn run(job: &Job, limits: &Limits) -> ProgramResult {
    run_in(job, limits, Some(&limits.rooms), false).0
}

/// The same, unless nothing has changed since an earlier run whose result is known.
fn run_or_keep(job: &mut Job, limits: &Limits) -> ProgramResult {
    let Some((kept, key)) = limits.kept.as_ref().and_then(|kept| Some((kept, kept.key(job)?))) else {
        return run(job, limits);
    };
    let found = kept.find(&key);
    let found = match found {
        Some((result, true)) => return result,
        Some((result, false)) => Some(result),
        None => None,
    };
    let begin = SystemTime::now();
    let (result, seen) = run_in(job, limits, Some(&limits.rooms), true);
    if let Some(found) = found {
        kept.compare(&found, &result);
    }
    if result.failure.is_none() {
        match seen {
            Some(seen) => kept.keep(&key, job, begin, &seen, &result),
            None => kept.never(job, "it cannot be watched here"),
        }
    }
    result
}

/// The same, in a room if there are some, and with what a program was seen to do if it is watched.
fn run_in(job: &Job, limits: &Limits, rooms: Option<&Rooms>, watch: bool) -> (ProgramResult, Option<Seen>) {
    let start = Instant::now();
    let mut result = ProgramResult::of(job.title.clone());
    let mut seen = None;
    match signals::check().and_then(|()| start_and_wait(job, limits, rooms, watch)) {
        Ok(mut end) => {
            seen = end.seen.take();
            let cpu = job.runner().and_then(|runner| runner.env.get(CPU));
            judge(&mut result, end, job.timeout(limits), cpu.map(String::as_str));
            if let (Some(_), Some(runner)) = (&result.failure, job.runner())
                && matches!(runner.kind, RunnerKind::QemuUser | RunnerKind::Wine)
            {
                result.emulator = reasons::of_emulator(&result.output).map(str::to_owned);
            }
        }
        Err(error) => result.failure = Some(format!("{error:#}")),
    }
    if let (Program::Step { output, .. }, None) = (&job.program, &result.failure)
        && let Err(error) = output.check()
    {
        result.failure = Some(format!("{error:#}"));
    }
    if result.failure.is_some() && result.counts.failed == 0 {
        result.counts.failed = 1;
    }
    if result.failure.is_none() {
        // Nobody asks for it, and it can be long.
        result.output.clear();
    }
    result.seconds = start.elapsed().as_secs_f64();
    (result, seen)
}

/// A process at its end, with its output.
struct End {
    status: ExitStatus,
    /// All that it had printed when its time was over, if that came.
    timed_out: Option<String>,
    output: String,
    binfmt: Option<bool>,
    expects_result: bool,
    is_nextest: bool,
    /// What it was seen to do, if it was watched.
    seen: Option<Seen>,
}

/// Tells if libtest is asked for something else than to run tests and print their results.
fn prints_no_result(args: &[String]) -> bool {
    let other = ["--list", "--help", "-h", "--format", "--logfile"];
    args.iter().any(|arg| other.contains(&arg.split('=').next().unwrap_or_default()))
}

/// The processor as a variable: rustdoc and nextest start the runner by its name, for which it is the row's usual one.
fn processor(job: &Job) -> Option<(&String, &String)> {
    let (Program::Doctests { runner: Some(runner), .. } | Program::Nextest { runner: Some(runner), .. }) = &job.program
    else {
        return None;
    };
    runner.env.get_key_value(CPU).filter(|_| !job.env.contains_key(OsStr::new(CPU)))
}

/// The start of a command by which a runner starts a program; the file is for what it is told.
fn with_runner(runner: &RunnerSpec, binfmt: bool, file: &tempfile::NamedTempFile) -> Result<Command> {
    serde_json::to_writer(file.as_file(), runner).context("cannot describe the runner")?;
    let mut command = Command::new(std::env::current_exe().context("cannot find this program itself")?);
    command.arg("runner");
    if !binfmt {
        command.arg("--no-binfmt");
    }
    command.arg(file.path()).arg("--");
    Ok(command)
}

fn start_and_wait(job: &Job, limits: &Limits, rooms: Option<&Rooms>, watch: bool) -> Result<End> {
    let folder = limits.rooms.folder();
    // For appending only: a program may move its position in an inherited file (under qemu-i386 one does, by 4 GB), and that
    // must not leave a hole.
    let output = tempfile::Builder::new().append(true).tempfile_in(folder);
    let output = output.context("cannot make a temporary file for a test's output")?;
    let status_file = tempfile::NamedTempFile::new_in(folder).context("cannot make a temporary file")?;
    // Must be there until the runner has read it.
    let mut spec_file = None;
    let mut through = |runner: &RunnerSpec, binfmt: bool| -> Result<Command> {
        with_runner(runner, binfmt, spec_file.insert(tempfile::NamedTempFile::new_in(folder)?))
    };
    let machines = RunnerSpec::of_this_machine(&job.title);
    // Must be there until the job has ended.
    let mut room = None;
    let mut open = |runner: &RunnerSpec| -> Result<()> {
        room = rooms.map(|rooms| rooms.open(job, runner)).transpose().context("cannot make a room")?.flatten();
        Ok(())
    };
    let mut command = match &job.program {
        Program::Test { file, runner } => {
            let runner = runner.as_ref().unwrap_or(&machines);
            open(runner)?;
            let mut command = through(runner, limits.binfmt)?;
            command.arg(file).args(&job.args);
            command
        }
        Program::Step { lines, runner, .. } => {
            let mut command = through(runner, false)?;
            command.args(["sh", "-e", "-u", "-c", lines]);
            command
        }
        Program::Doctests { command: line, runner } => {
            open(runner.as_ref().unwrap_or(&machines))?;
            let mut command = Command::new(&line[0]);
            command.args(&line[1..]);
            command
        }
        Program::Nextest { binary, runner } => {
            open(runner.as_ref().unwrap_or(&machines))?;
            let mut command =
                binary.start(spec_file.insert(tempfile::NamedTempFile::new_in(folder)?).path(), &job.args)?;
            command.current_dir(&binary.folder);
            command
        }
    };
    let watch = watch.then(|| tempfile::NamedTempFile::new_in(folder)).transpose()?;
    furnish(&mut command, job, status_file.path(), watch.as_ref().map(|file| file.path()));
    let is_nextest = matches!(job.program, Program::Nextest { .. });
    if let Some(room) = &room {
        let later = is_nextest || matches!(job.program, Program::Doctests { .. });
        if later { room.enter_later(&mut command)? } else { room.enter(&mut command) }
    }
    let copy = |file: &File| file.try_clone().context("cannot share a file");
    let mut child = command
        .stdout(copy(output.as_file())?)
        .stderr(copy(output.as_file())?)
        .spawn()
        .with_context(|| format!("cannot start {}", job.title))?;
    let (status, timed_out) = wait(&mut child, output.path(), job.timeout(limits))?;
    let root = room.as_ref().map_or_else(|| PathBuf::from("/"), OpenRoom::root);
    let seen = watch.and_then(|file| kept::seen_in(file.path(), &root));
    if let (Some(room), Some(rooms)) = (room, rooms) {
        rooms.close(job, room);
    }
    let text = std::fs::read(output.path()).context("cannot read a test's output")?;
    // Empty if the runner had no part in it.
    let entered = std::fs::read(status_file.path()).unwrap_or_default();
    let entered = serde_json::from_slice::<runner::Status>(&entered).ok().map(|s| s.entered);
    Ok(End {
        status,
        timed_out: timed_out.map(|text| String::from_utf8_lossy(&text).into_owned()),
        output: String::from_utf8_lossy(&text).into_owned(),
        binfmt: entered.map(|e| e == Entered::Binfmt),
        expects_result: job.harness && !prints_no_result(&job.args),
        is_nextest,
        seen,
    })
}

/// Gives a command the job's variables, with the files to which the runner writes, and its directory.
fn furnish(command: &mut Command, job: &Job, status: &Path, watch: Option<&Path>) {
    command.env_clear().envs(&job.env).env(runner::STATUS_VARIABLE, status);
    command.envs(processor(job));
    command.envs(matches!(job.program, Program::Nextest { .. }).then(Binary::variable));
    command.envs(watch.map(|file| (runner::WATCH_VARIABLE, file)));
    if command.get_current_dir().is_none() {
        command.current_dir(&job.cwd);
    }
    command.stdin(Stdio::null());
}

/// Waits for the end of a program, and ends it when its time is over; gives what it had printed by then, if that came.
fn wait(child: &mut Child, output: &Path, timeout: Duration) -> Result<(ExitStatus, Option<Vec<u8>>)> {
    let start = Instant::now();
    let mut timed_out: Option<Vec<u8>> = None;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a test")? {
            return Ok((status, timed_out));
        }
        if timed_out.is_none() && start.elapsed() > timeout {
            timed_out = Some(std::fs::read(output).context("cannot read a test's output")?);
            // The runner ends every process that the test has started; see `runner`.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        }
        if timed_out.is_some() && start.elapsed() > timeout + GRACE {
            let _ = child.kill();
        }
        std::thread::sleep(POLL);
    }
}

/// Judges the end of a process.
fn judge(result: &mut ProgramResult, end: End, timeout: Duration, cpu: Option<&str>) {
    // What a test still says while it is ended is not its own doing: a child that it waits for is ended, too.
    let parse = if end.is_nextest { nextest::parse } else { libtest::parse };
    let parsed = parse(end.timed_out.as_ref().unwrap_or(&end.output));
    let output = if end.is_nextest { nextest::without_events(&end.output) } else { end.output };
    result.timed_out = end.timed_out.is_some();
    result.binfmt = end.binfmt;
    result.failure = if end.timed_out.is_some() {
        let known = if parsed.announced == 0 { String::new() } else { format!(" of {}", parsed.announced) };
        let (time, ended) = (human_time(timeout), parsed.cases.len());
        Some(format!("still running after {time}, which --timeout allows; {ended}{known} tests had ended"))
    } else if !end.status.success() {
        let failed: Vec<&str> =
            parsed.cases.iter().filter(|c| c.result == CaseResult::Failed).map(|c| c.name.as_str()).collect();
        Some(match failed.as_slice() {
            [] => beyond(cpu, end.status).or_else(|| reasons::of_program(&output)).unwrap_or_else(|| how(end.status)),
            [one] => format!("{one} failed{}", because(&output, one)),
            [first, rest @ ..] => format!("{first} and {} more failed{}", rest.len(), because(&output, first)),
        })
    } else if parsed.unfinished {
        Some("ended before its last test, with exit code 0".to_owned())
    } else if parsed.counts.is_none() && end.expects_result {
        Some("ran no test: it ended with exit code 0 and printed no `test result`".to_owned())
    } else {
        None
    };
    // A harness of its own prints no counts: the program as a whole is one test then.
    result.counts =
        parsed.counts.unwrap_or(Counts { passed: usize::from(result.failure.is_none()), ..Counts::default() });
    result.cases = parsed.cases;
    result.output = output;
}

/// Returns the reason for which a program ended that has an instruction too many for the processor that qemu plays.
fn beyond(cpu: Option<&str>, status: ExitStatus) -> Option<String> {
    let cpu = cpu.filter(|_| status.code() == Some(128 + Signal::SIGILL as i32))?;
    Some(format!("ended by {}: it has an instruction that {cpu} does not have", Signal::SIGILL))
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        // The runner reports death by a signal as shells do.
        Some(code) if code > 128 => match Signal::try_from(code - 128) {
            Ok(signal) => format!("ended by {signal}"),
            Err(_) => format!("exit code {code}"),
        },
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    }
}

/// Returns the words of a test's panic, to be put behind its name.
fn because(output: &str, test: &str) -> String {
    reasons::of_test(output, test).map(|cause| format!(": {cause}")).unwrap_or_default()
}
