//! The time that something takes, the part of the machine that it uses meanwhile, and the spread of a few such figures.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use cross_flake::host::capacity;
use cross_flake::host::signals;
use cross_flake_runner as runner;

use super::processes::{
    KINDS, Kind, Process, below, head, is_runner, kind_below, machine_busy, memory_of, page_size, processes,
};

/// The time between two looks at the processes.
const LOOK: Duration = Duration::from_millis(100);
/// The time between two looks at the shares of pages, where there is no other reason for one.
const SHARES: Duration = Duration::from_millis(500);
/// The time that leftovers of a sample, such as a wineserver, have to end by themselves.
const LINGER: Duration = Duration::from_secs(10);
/// The ticks in which Linux tells CPU time, whatever its own clock: USER_HZ, times(2).
const TICKS_PER_SECOND: f64 = 100.0;
/// Points that a timeline has at most: as many as its plot has pixels for.
const POINTS: usize = 400;

/// The part of the machine that one sample used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds by the clock.
    pub wall: f64,
    /// CPU seconds of everything that was started.
    pub cpu: f64,
    /// Those of cargo and xtask themselves, as far as the last look at each process saw them.
    pub own_cpu: f64,
    /// Those of the sampler. Older samples have them among the next.
    #[serde(default)]
    pub sampler_cpu: f64,
    /// CPU seconds of everything else on the machine meanwhile, which should be next to none.
    pub others_cpu: f64,
    /// The most memory that all processes had at once, each page counted once.
    pub peak_bytes: u64,
}

/// Cores that other programs keep busy in a sample that says nothing.
pub const DISTURBED: f64 = 0.15;

impl Usage {
    /// Returns true if something else took too much of the machine.
    pub fn is_disturbed(&self) -> bool {
        self.others_cpu > DISTURBED * self.wall
    }
}

/// Busy cores over time, by what kept them busy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Cores of the machine.
    pub cores: usize,
    /// One after the other.
    pub points: Vec<Point>,
}

impl Timeline {
    /// Returns CPU seconds by the order of [`Kind`]. A process that lived for less than a look counts as [`Kind::Other`].
    pub fn cpu(&self) -> [f64; KINDS] {
        let mut cpu = [0.0; KINDS];
        let mut before = 0.0;
        for point in &self.points {
            for (sum, busy) in cpu.iter_mut().zip(point.busy) {
                *sum += busy * (point.seconds - before);
            }
            before = point.seconds;
        }
        cpu
    }
}

/// Busy cores between the point before and this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds since the start.
    pub seconds: f64,
    /// By the order of [`Kind`].
    pub busy: [f64; KINDS],
}

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle, or between the two there.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Returns the spread of some figures, and `None` where there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Spread { median, min, max })
    }
}

/// The output of a command that has ended.
pub struct Said {
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
    /// True if it ended with code 0.
    pub success: bool,
}

impl Said {
    /// Returns the output of a command that succeeded.
    ///
    /// # Errors
    /// It failed; the error holds the end of what it said.
    pub fn checked(self, what: &str) -> Result<Said> {
        if self.success {
            return Ok(self);
        }
        let said = format!("{}\n{}", self.stdout.trim(), self.stderr.trim());
        let lines: Vec<&str> = said.trim().lines().collect();
        bail!("{what} failed\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
    }
}

/// Starts a command and waits for it. Its output goes to files: a wineserver that outlives it would keep a pipe open.
///
/// # Errors
/// It cannot be started, or a signal came.
pub fn output(command: &mut Command) -> Result<Said> {
    let file = || tempfile::tempfile().context("cannot make a temporary file");
    let (stdout, stderr) = (file()?, file()?);
    let copy = |file: &fs::File| file.try_clone().context("cannot share a file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(copy(&stdout)?)
        .stderr(copy(&stderr)?)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let status = child.wait().context("cannot wait for a child")?;
    signals::check()?;
    let text = |mut file: fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).context("cannot read a temporary file")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Said { stdout: text(stdout)?, stderr: text(stderr)?, success: status.success() })
}

/// Does some work, of which nothing is left afterwards, and says what the processes that it started used.
///
/// # Errors
/// The error of the work.
pub fn measure<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Usage, Timeline)> {
    let (before, busy) = (cpu_of(UsageWho::RUSAGE_CHILDREN)?, machine_busy());
    let sampler_before = cpu_of(UsageWho::RUSAGE_SELF)?;
    let done = AtomicBool::new(false);
    let (result, wall, busy, sampler) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut sampler = Sampler::new();
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                sampler.look();
            }
            sampler
        });
        let start = Instant::now();
        let result = work();
        let wall = start.elapsed().as_secs_f64();
        let busy = machine_busy().saturating_sub(busy) as f64 / TICKS_PER_SECOND;
        done.store(true, Ordering::Relaxed);
        (result, wall, busy, sampler.join())
    });
    settle();
    signals::check()?;
    let result = result?;
    let sampler = sampler.map_err(|_| anyhow::anyhow!("the sampler panicked"))?;
    let cpu = cpu_of(UsageWho::RUSAGE_CHILDREN)? - before;
    let sampler_cpu = cpu_of(UsageWho::RUSAGE_SELF)? - sampler_before;
    let others_cpu = (busy - cpu - sampler_cpu).max(0.0);
    let own_cpu = sampler.own_seconds();
    let usage = Usage { wall, cpu, own_cpu, sampler_cpu, others_cpu, peak_bytes: sampler.peak };
    Ok((result, usage, Timeline { cores: capacity::cores(), points: thinned(sampler.points, POINTS) }))
}

/// Waits until everything that was started has ended, and ends it if it does not.
pub fn settle() {
    let start = Instant::now();
    loop {
        // Orphans are ours: xtask adopts them. No other child is being waited for now.
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {}
        if runner::descendants(&[]).is_empty() || start.elapsed() > LINGER || signals::check().is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    runner::sweep(&[]);
}

fn cpu_of(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who).context("getrusage")?;
    Ok((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6)
}

struct Sampler {
    start: Instant,
    last: Instant,
    busy: u64,
    /// Ticks of each process at the last look that saw it, and its kind.
    seen: HashMap<i32, (u64, Kind)>,
    /// Of processes whose numbers were given to others.
    own_gone: u64,
    peak: u64,
    /// The most that all processes had together, shared pages counted as often as they are shared.
    record: u64,
    /// The time of the last look at the shares.
    shares: Instant,
    /// Bytes of a page.
    page: u64,
    /// The name of this program, as Linux has it.
    own: String,
    points: Vec<Point>,
}

impl Sampler {
    fn new() -> Sampler {
        let now = Instant::now();
        Sampler {
            start: now,
            last: now,
            busy: machine_busy(),
            seen: HashMap::new(),
            own_gone: 0,
            peak: 0,
            record: 0,
            shares: now,
            page: page_size(),
            own: head("/proc/self/comm").unwrap_or_default().trim().to_owned(),
            points: Vec::new(),
        }
    }

    fn own_seconds(&self) -> f64 {
        let own = self.seen.values().filter(|(_, kind)| *kind == Kind::Own).map(|(ticks, _)| ticks).sum::<u64>();
        (own + self.own_gone) as f64 / TICKS_PER_SECOND
    }

    fn look(&mut self) {
        let all = processes();
        let ours: Vec<(i32, &Process)> = below(std::process::id().cast_signed(), &all);
        // The kernel takes 5 ms to tell the shares of a rustc of 200 MB, on this very machine's cores. They add up to no more than
        // what is in memory, and are largest about where that is.
        let bound: u64 = ours.iter().map(|(_, process)| process.pages * self.page).sum();
        if bound > self.record || bound > self.peak && self.shares.elapsed() > SHARES {
            let shares = ours.iter().map(|(pid, process)| memory_of(*pid, process.pages * self.page));
            self.peak = self.peak.max(shares.sum());
            self.record = self.record.max(bound);
            self.shares = Instant::now();
        }
        let mut spent = [0; KINDS];
        for (pid, process) in ours {
            let kind = kind_below(pid, &all, &self.own, |pid, name| is_runner(pid, name, &self.own));
            let before = match self.seen.insert(pid, (process.ticks, kind)) {
                Some((before, _)) if before <= process.ticks => before,
                Some((gone, Kind::Own)) => {
                    self.own_gone += gone;
                    0
                }
                _ => 0,
            };
            spent[kind as usize] += process.ticks - before;
        }
        let (now, busy) = (Instant::now(), machine_busy());
        let elapsed = (now - self.last).as_secs_f64() * TICKS_PER_SECOND;
        let whole = busy.saturating_sub(self.busy) as f64;
        let known: u64 = spent.iter().sum();
        let mut point = Point { seconds: (now - self.start).as_secs_f64(), busy: spent.map(|t| t as f64 / elapsed) };
        point.busy[Kind::Other as usize] += (whole - known as f64).max(0.0) / elapsed;
        self.points.push(point);
        (self.last, self.busy) = (now, busy);
    }
}

/// Returns at most so many points, each the mean of those that it stands for. At least two looks go into one, for the kernel
/// counts in hundredths of a second.
fn thinned(points: Vec<Point>, most: usize) -> Vec<Point> {
    let each = points.len().div_ceil(most).max(2);
    let round = |value: f64, digits: f64| (value * digits).round() / digits;
    let mean = |part: &[Point]| {
        let mut busy = [0.0; KINDS];
        for (kind, sum) in busy.iter_mut().enumerate() {
            *sum = round(part.iter().map(|p| p.busy[kind]).sum::<f64>() / part.len() as f64, 1e2);
        }
        Point { seconds: round(part.last().map_or(0.0, |p| p.seconds), 1e2), busy }
    };
    points.chunks(each).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_spread_the_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_timeline_is_added_up_by_kind() {
        let point = |seconds, rustc| Point { seconds, busy: [rustc, 0.5, 0.0, 0.0, 0.0] };
        let timeline = Timeline { cores: 2, points: vec![point(1.0, 2.0), point(3.0, 1.0)] };
        assert_eq!(timeline.cpu(), [4.0, 1.5, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_long_timeline_keeps_its_mean() {
        let point = |n: usize| Point { seconds: n as f64, busy: [(n % 2) as f64 * 2.0; KINDS] };
        let points = thinned((0..1000).map(point).collect(), 100);
        assert_eq!(points.len(), 100);
        assert!(points.iter().all(|p| p.busy == [1.0; KINDS]));
        assert_eq!(points[99].seconds, 999.0);
    }
}
