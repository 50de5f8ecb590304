//! Ctrl-C, SIGTERM and SIGHUP: the run ends at its next step, with nothing left behind.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};

use crate::runner;

static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// Turns the signals into a failure of [`check`]. Call it before any other thread is started.
///
/// Every process that xtask started is ended at once, so that whoever waits for one goes on, drops what it holds and
/// comes to [`check`]. A second signal ends xtask where it stands.
///
/// # Errors
/// The signal mask cannot be set.
pub fn install() -> Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    // std clears the mask in every child that it starts.
    signals.thread_block().context("cannot block signals")?;
    // What a killed child leaves behind stays below xtask.
    prctl::set_child_subreaper(true).context("cannot adopt orphans")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            loop {
                let Ok(signal) = signals.wait() else { continue };
                if RECEIVED.swap(signal as i32, Ordering::SeqCst) != 0 {
                    std::process::exit(128 + signal as i32);
                }
                std::thread::spawn(end_descendants);
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// Ends every process below xtask, politely first, for as long as xtask itself lives: a thread that has not heard of the
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
