//! Events of a run, as a stream that views draw, write or ignore.

use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Outcome;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step of the set-up goes on: `Unpacking zig 0.17.0`.
    Setup {
        /// Names the step: another event with it takes the place of this one.
        key: &'a str,
        /// Says what it does.
        text: &'a str,
    },
    /// A step of the set-up has ended.
    SetupDone {
        /// Names the step, as in [`Event::Setup`].
        key: &'a str,
        /// Says what it did, with the time or the failure.
        text: &'a str,
        /// Says what it did, alone.
        step: &'a str,
        /// From its start to its end.
        time: Duration,
        /// Its end was no failure.
        success: bool,
    },
    /// A long step of the set-up has come so far: `std for aarch64-linux (3 of 22)`.
    Reached {
        /// The part that is done.
        text: &'a str,
    },
    /// The rows that take part in the run.
    Targets {
        /// Their names.
        names: &'a [String],
    },
    /// A row does something else now.
    Phase {
        /// Its name.
        target: &'a str,
        /// Its work.
        phase: Phase,
    },
    /// A row has ended.
    Finished {
        /// Its end.
        outcome: &'a Outcome,
        /// Seconds since the run began.
        seconds: f64,
    },
    /// Something people should know that is not an error.
    Note {
        /// The note.
        text: &'a str,
    },
}

/// The work of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its tools are being fetched or built.
    SettingUp,
    /// Cargo builds it; so many crates are done.
    Building {
        /// Crates finished for this row.
        crates: usize,
    },
    /// Its tests run.
    Testing {
        /// Test programs finished.
        done: usize,
        /// Test programs known so far.
        known: usize,
    },
}

/// Draws, writes or ignores events. Called from several threads.
pub trait View: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event<'_>);
}

/// A stream of events, to one view.
#[derive(Clone)]
pub struct Events(Arc<dyn View>);

impl Events {
    /// Sends events to this view.
    pub fn to(view: impl View + 'static) -> Events {
        Events(Arc::new(view))
    }

    /// Tells nobody.
    pub fn none() -> Events {
        struct Nobody;
        impl View for Nobody {
            fn event(&self, _: &Event<'_>) {}
        }
        Events::to(Nobody)
    }

    /// Tells of one event.
    pub fn send(&self, event: Event<'_>) {
        self.0.event(&event);
    }

    /// Tells people something.
    pub fn note(&self, text: &str) {
        self.send(Event::Note { text });
    }

    /// Runs a step of the set-up between its two events.
    ///
    /// # Errors
    /// The error of the step.
    pub fn step<T>(&self, key: &str, doing: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.send(Event::Setup { key, text: doing });
        let start = std::time::Instant::now();
        let result = work();
        let (time, success) = (start.elapsed(), result.is_ok());
        let text = if success { format!("{doing} ({})", human_time(time)) } else { format!("{doing}: failed") };
        self.send(Event::SetupDone { key, text: &text, step: doing, time, success });
        result
    }
}

/// `7.2 s`, `3 min 4 s`.
pub fn human_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 90.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// `380 MB`, `1.2 kB`: decimal units, as download sizes are given.
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..10_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
