//! Live progress on a terminal: a line a target.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::lines::Lines;
use super::table::finished;
use crate::events::{Event, Phase, View};

/// Lines on a terminal that change in place.
pub struct Terminal {
    progress: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

/// The view that suits the stderr.
pub fn view() -> Box<dyn View> {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("TERM").is_some_and(|t| t != "dumb") {
        Box::new(Terminal { progress: MultiProgress::new(), bars: Mutex::default() })
    } else {
        Box::new(Lines::new())
    }
}

impl View for Box<dyn View> {
    fn event(&self, event: &Event<'_>) {
        self.as_ref().event(event);
    }
}

impl Terminal {
    fn bar(&self, key: &str) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        bars.entry(key.to_owned())
            .or_insert_with(|| {
                let style = ProgressStyle::with_template("{spinner} {prefix:22} {wide_msg}");
                let bar = self.progress.add(ProgressBar::new_spinner());
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            })
            .clone()
    }

    fn end(&self, key: &str, line: &str) {
        let bar = self.bars.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.progress.remove(&bar);
        }
        let _ = self.progress.println(line);
    }
}

impl View for Terminal {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Setup { key, text } => self.bar(key).set_message((*text).to_owned()),
            Event::SetupDone { key, text, .. } => self.end(key, text),
            Event::Targets { names } => {
                for name in *names {
                    let bar = self.bar(name);
                    bar.set_prefix(name.clone());
                    bar.set_message("waiting");
                }
            }
            Event::Phase { target, phase } => {
                let bar = self.bar(target);
                bar.set_prefix((*target).to_owned());
                bar.set_message(match phase {
                    Phase::SettingUp => "setting up".to_owned(),
                    Phase::Building { crates } => format!("building, {crates} crates done"),
                    Phase::Testing { done, known } => format!("testing, {done} of {known} programs done"),
                });
            }
            Event::Finished { outcome, seconds } => self.end(&outcome.name, &finished(outcome, *seconds)),
            // The step's own line counts on.
            Event::Reached { .. } => {}
            Event::Note { text } => {
                let _ = self.progress.println(text);
            }
        }
    }
}
