//! The end of a program, and of all that it left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use std::{fs, iter, thread};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::status_mask;

/// The time that killed processes have to end. Only one in uninterruptible sleep takes longer than an instant.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// Returns true if whoever started this process has it ignore a signal, as nohup does.
pub fn is_ignored(signal: Signal) -> bool {
    status_mask("SigIgn") & 1 << (signal as i32 - 1) != 0
}

/// Returns SIGCHLD, and the signals that end a program politely but for those that the caller ignores, as nohup does.
pub(super) fn watched_signals() -> SigSet {
    let ending = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
    let heeded = ending.into_iter().filter(|signal| !is_ignored(*signal));
    heeded.chain([Signal::SIGCHLD]).collect()
}

/// Waits until the child ends or a signal asks the runner to, reaping orphans meanwhile.
pub(super) fn wait_for(child: Pid, watched: &SigSet) -> nix::Result<i32> {
    loop {
        match watched.wait()? {
            Signal::SIGCHLD => loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code),
                    Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                        return Ok(128 + signal as i32);
                    }
                    Ok(WaitStatus::StillAlive) | Err(_) => break,
                    Ok(_) => {}
                }
            },
            signal => return Ok(128 + signal as i32),
        }
    }
}

/// Kills and reaps all descendants but the `spared`. For a process that is about to end and adopts orphans.
pub fn sweep(spared: &[&str]) {
    let deadline = Instant::now() + SWEEP_LIMIT;
    loop {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return,
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let doomed = descendants(spared);
        if doomed.is_empty() {
            return;
        }
        for pid in &doomed {
            // It may have ended meanwhile.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        if Instant::now() > deadline {
            return eprintln!("cross-flake-runner: these processes would not end: {doomed:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Returns all living descendants. The orphans among them are our children, because we are their subreaper.
pub fn descendants(spared: &[&str]) -> Vec<Pid> {
    // proc_pid_stat(5): `pid (name) state parent …`, and the name may hold anything.
    let parse = |stat: String| {
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut rest = rest.split(' ');
        let doomed = rest.next()? != "Z" && !spared.contains(&name);
        Some((pid.parse::<i32>().ok()?, (rest.next()?.parse::<i32>().ok()?, doomed)))
    };
    let processes: HashMap<i32, (i32, bool)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| parse(fs::read_to_string(entry.ok()?.path().join("stat")).ok()?))
        .collect();
    let parent = |pid: &i32| processes.get(pid).map(|(parent, _)| *parent);
    let own = getpid().as_raw();
    // Bounded, because numbers are reused while we read.
    let ours = |pid: i32| iter::successors(parent(&pid), parent).take(processes.len()).any(|pid| pid == own);
    processes.iter().filter(|(pid, (_, doomed))| *doomed && ours(**pid)).map(|(pid, _)| Pid::from_raw(*pid)).collect()
}
