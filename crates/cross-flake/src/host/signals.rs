//! Ctrl-C, SIGTERM and SIGHUP: the run ends at its next step, with nothing left behind. And the end of processes that cross-flake has
//! inherited.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::getpid;
use signal_hook::iterator::Signals;

use cross_flake_runner as runner;

/// The stack that a program's first thread has nearly everywhere (`ulimit -s`); std gives others a quarter of that.
const FIRST_STACK: usize = 8 << 20;

static RECEIVED: AtomicI32 = AtomicI32::new(0);
/// Ctrl-C is for a program that this one has started.
static LEAVES_INTERRUPTS: AtomicBool = AtomicBool::new(false);

/// Does the work in a thread of its own, turns the signals into a failure of [`check`] meanwhile, and reaps what cross-flake inherits.
/// To be called by the first thread, once, before any other is started.
///
/// Every process that cross-flake started is ended at once by a signal, so that whoever waits for one goes on, drops what it holds and
/// comes to [`check`]. A second signal ends cross-flake where it stands.
///
/// Orphans below cross-flake become children of its first thread (`find_alive_thread` in Linux' kernel/exit.c). That thread starts no
/// process by itself, so it can wait for all of its own (`__WNOTHREAD`, wait(2)) and take no exit code from another thread.
///
/// # Errors
/// No handler can be installed, or no thread be started.
pub fn watch<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let ending = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let is_heeded = |signal: &Signal| *signal != Signal::SIGHUP || !runner::is_ignored(*signal);
    let heeded = ending.into_iter().filter(is_heeded).chain([Signal::SIGCHLD]);
    // nohup goes on to count. Shells without job control have what they start in the background ignore Ctrl-C, but other things send
    // that signal, too.
    //
    // By handlers, which no child inherits: signals that are blocked here would be so in every test. An inherited SIG_IGN of SIGCHLD, by
    // which the kernel would reap all children itself, gives way as well.
    let mut signals = Signals::new(heeded.map(|signal| signal as i32)).context("cannot heed signals")?;
    // What a killed child leaves behind stays below cross-flake.
    prctl::set_child_subreaper(true).context("cannot adopt orphans")?;
    let (done, result) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("command".to_owned())
        .stack_size(FIRST_STACK)
        .spawn(move || {
            // The receiver is there for as long as this thread is.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
            let _ = kill(getpid(), Signal::SIGCHLD);
        })
        .context("cannot start a thread")?;
    loop {
        for signal in signals.wait() {
            match signal {
                libc::SIGCHLD => reap(),
                libc::SIGINT if LEAVES_INTERRUPTS.load(Ordering::SeqCst) => {}
                signal if RECEIVED.swap(signal, Ordering::SeqCst) != 0 => std::process::exit(128 + signal),
                _ => drop(std::thread::spawn(end_descendants)),
            }
        }
        if let Ok(result) = result.try_recv() {
            return result.or_else(|panic| resume_unwind(panic));
        }
    }
}

/// Reaps those children of this thread that have ended.
fn reap() {
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WNOTHREAD;
    while waitpid(None, Some(flags)).is_ok_and(|status| status != WaitStatus::StillAlive) {}
}

/// Ends every process below this program, politely first, for as long as it lives itself: a thread that has not heard of the
/// signal yet may still start one.
fn end_descendants() {
    let mut signal = Signal::SIGTERM;
    loop {
        for pid in runner::descendants(&[]) {
            // It may have ended meanwhile.
            let _ = kill(pid, signal);
        }
        std::thread::sleep(Duration::from_millis(200));
        signal = Signal::SIGKILL;
    }
}

/// Leaves Ctrl-C to a program that this one has started, as a debugger, from now on.
pub fn leave_interrupts() {
    LEAVES_INTERRUPTS.store(true, Ordering::SeqCst);
}

/// The exit code for a signal that came, if one did.
pub fn exit_code() -> Option<u8> {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => None,
        signal => u8::try_from(128 + signal).ok(),
    }
}

/// Goes on unless a signal came.
///
/// # Errors
/// A signal came.
pub fn check() -> Result<()> {
    if exit_code().is_some() {
        bail!("interrupted");
    }
    Ok(())
}
