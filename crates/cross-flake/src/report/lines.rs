//! Progress where stderr is no terminal, as in the log of a CI service: a line for each thing that ends, and now and then
//! one that says what goes on, for minutes of silence look like a program that hangs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::table::finished;
use crate::events::{Event, Phase, View, human_time};

/// The longest silence while something goes on.
const SILENCE: Duration = Duration::from_secs(15);

/// The view.
pub struct Lines {
    progress: Arc<Mutex<Progress>>,
    start: Instant,
}

impl Lines {
    /// A view that also writes when nothing happens.
    pub fn new() -> Lines {
        let lines = Lines { progress: Arc::default(), start: Instant::now() };
        let (progress, start) = (Arc::downgrade(&lines.progress), lines.start);
        // It ends with the view.
        std::thread::spawn(move || {
            while let Some(progress) = Weak::upgrade(&progress) {
                let line = progress.lock().unwrap_or_else(PoisonError::into_inner).tick(start.elapsed());
                line.into_iter().for_each(|line| eprintln!("{line}"));
                drop(progress);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        lines
    }
}

impl View for Lines {
    fn event(&self, event: &Event<'_>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        // In the order of the events.
        progress.take(event, self.start.elapsed()).into_iter().for_each(|line| eprintln!("{line}"));
    }
}

/// The work that goes on. Times are since the start.
#[derive(Default)]
struct Progress {
    /// Steps of the set-up by their keys: what each says of itself, and since when it has been going on.
    steps: BTreeMap<String, (String, Duration)>,
    rows: BTreeMap<String, Phase>,
    /// When the last line was written.
    last: Duration,
}

impl Progress {
    /// Takes an event, and gives the line that it is worth.
    fn take(&mut self, event: &Event<'_>, now: Duration) -> Option<String> {
        let line = match event {
            Event::Setup { key, text } => {
                let (said, _) = self.steps.entry((*key).to_owned()).or_insert_with(|| (String::new(), now));
                (*text).clone_into(said);
                None
            }
            Event::SetupDone { key, text, .. } => {
                self.steps.remove(*key);
                Some((*text).to_owned())
            }
            Event::Reached { text } | Event::Note { text } => Some((*text).to_owned()),
            Event::Phase { target, phase } => {
                self.rows.insert((*target).to_owned(), *phase);
                None
            }
            Event::Finished { outcome, seconds } => {
                self.rows.remove(&outcome.name);
                Some(finished(outcome, *seconds))
            }
            Event::Targets { .. } => None,
        };
        if line.is_some() {
            self.last = now;
        }
        line
    }

    /// A line of what goes on, if nothing was said for long.
    fn tick(&mut self, now: Duration) -> Option<String> {
        if now.saturating_sub(self.last) < SILENCE {
            return None;
        }
        let steps = self.steps.values().map(|(text, since)| format!("{text}, for {}", human_time(now - *since)));
        let line = steps.chain(self.rows()).collect::<Vec<_>>().join("; ");
        if line.is_empty() {
            return None;
        }
        self.last = now;
        Some(format!("still {line}"))
    }

    /// Describes the work of the rows: each by its name where they are few, else what they do together.
    fn rows(&self) -> Vec<String> {
        let (mut building, mut testing) = (Vec::new(), Vec::new());
        for (row, phase) in &self.rows {
            match *phase {
                Phase::SettingUp => {}
                Phase::Building { crates } => building.push((row.as_str(), crates, 0)),
                Phase::Testing { done, known } => testing.push((row.as_str(), done, known)),
            }
        }
        let rows = |rows: &[(&str, usize, usize)]| match rows {
            [one, rest @ ..] if rest.len() < 3 => {
                rest.iter().fold(one.0.to_owned(), |names, row| format!("{names}, {}", row.0))
            }
            many => format!("{} targets", many.len()),
        };
        let sum = |rows: &[(&str, usize, usize)]| rows.iter().fold((0, 0), |(a, b), row| (a + row.1, b + row.2));
        let mut lines = Vec::new();
        if !building.is_empty() {
            lines.push(format!("building {}, {} crates done", rows(&building), sum(&building).0));
        }
        if !testing.is_empty() {
            let (done, known) = sum(&testing);
            lines.push(format!("testing {}, {done} of {known} programs done", rows(&testing)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_long_step_says_where_it_is_and_a_short_one_only_its_end() {
        let mut progress = Progress::default();
        let done = |text| Event::SetupDone { key: "std", text, step: "", time: at(1), success: true };
        assert_eq!(progress.take(&Event::Setup { key: "std", text: "building std" }, at(0)), None);
        assert_eq!(progress.tick(at(14)), None);
        assert_eq!(progress.tick(at(15)).as_deref(), Some("still building std, for 15.0 s"));
        assert_eq!(progress.tick(at(16)), None);
        assert_eq!(progress.take(&Event::Setup { key: "std", text: "building std: 9 crates done" }, at(20)), None);
        assert_eq!(progress.tick(at(29)), None);
        assert_eq!(progress.take(&Event::Setup { key: "wine", text: "fetching wine" }, at(29)), None);
        let both = "still building std: 9 crates done, for 30.0 s; fetching wine, for 1.0 s";
        assert_eq!(progress.tick(at(30)).as_deref(), Some(both));
        // A line of another kind is one, too.
        let reached = Event::Reached { text: "std for aarch64-linux (1 of 2)" };
        assert_eq!(progress.take(&reached, at(40)).as_deref(), Some("std for aarch64-linux (1 of 2)"));
        assert_eq!(progress.tick(at(50)), None);
        assert_eq!(progress.take(&done("building std (50 s)"), at(50)).as_deref(), Some("building std (50 s)"));
        assert_eq!(progress.tick(at(65)).as_deref(), Some("still fetching wine, for 36.0 s"));
        let wine = Event::SetupDone { key: "wine", text: "", step: "", time: at(1), success: false };
        progress.take(&wine, at(66));
        assert_eq!(progress.tick(at(600)), None, "nothing goes on");
    }

    #[test]
    fn rows_count_their_crates_and_programs_together() {
        let mut progress = Progress::default();
        let mut phase = |target: &str, phase| progress.take(&Event::Phase { target, phase }, at(0));
        for row in ["a", "b", "c", "d"] {
            assert_eq!(phase(row, Phase::SettingUp), None);
            phase(row, Phase::Building { crates: 10 });
        }
        phase("e", Phase::Testing { done: 1, known: 4 });
        let line = "still building 4 targets, 40 crates done; testing e, 1 of 4 programs done";
        assert_eq!(progress.tick(at(15)).as_deref(), Some(line));
    }
}
