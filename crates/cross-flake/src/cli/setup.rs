//! `cargo cross-flake setup`.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Place, announce, find_targets, print_json};
use crate::events::{Event, Events, View};
use crate::provider::{Download, Prepared};
use crate::report::live;
use crate::targets::Target;

/// Fetch and build what targets need, and nothing else
///
/// With --json, stdout is one document: `downloads`, each with `name`, `from` and `bytes`, the lists of packages
/// among them, and `bytes`, their sum; `steps`, each with `name`, `start` and `seconds` since the command was started, and
/// `success`; `seconds` of the whole; and `targets`, each with `name`, `triple`, `ready`, and the `reason` where it is not.
/// With --dry-run nothing is fetched but the lists, and `ready` says what is there already.
#[derive(Args)]
pub struct Setup {
    /// Names, triples or patterns of targets, `common` or `all` [default: all that `test-all-targets` means]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Say what would be fetched, and how large it is, without doing it
    #[arg(long)]
    dry_run: bool,
    /// Print what was fetched, and what took how long, as JSON
    #[arg(long)]
    json: bool,
}

/// The document that `--json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    provider: String,
    /// Downloads that were to be made.
    pub downloads: Vec<Download>,
    /// Its size.
    pub bytes: u64,
    /// In the order in which they ended.
    steps: Vec<Step>,
    seconds: f64,
    /// All that were named.
    pub targets: Vec<Row>,
}

impl Document {
    /// The steps that did not fail: what came in the place of the others is a step of its own.
    pub fn done(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.success)
    }
}

/// A step that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The work that was done.
    pub name: String,
    /// Seconds from the start of the command to that of the step.
    pub start: f64,
    /// Seconds that it took.
    pub seconds: f64,
    success: bool,
}

/// A target afterwards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    name: String,
    triple: String,
    ready: bool,
    reason: Option<String>,
}

/// Shows the steps, and remembers them.
#[derive(Clone)]
struct Recorder {
    view: Arc<Box<dyn View>>,
    start: Instant,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl View for Recorder {
    fn event(&self, event: &Event<'_>) {
        if let Event::SetupDone { step, time, success, .. } = event {
            let start = (self.start.elapsed().saturating_sub(*time)).as_secs_f64();
            let step = Step { name: (*step).to_owned(), start, seconds: time.as_secs_f64(), success: *success };
            self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        }
        self.view.event(event);
    }
}

impl Setup {
    /// Runs the command.
    ///
    /// # Errors
    /// Something keeps every target from being set up.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let targets = match self.targets.as_slice() {
            [] => workspace.all_targets(&Default::default(), &Default::default())?.0,
            names => find_targets(&workspace, names)?,
        };
        let provider = self.place.provider(&workspace)?;
        let recorder = Recorder { view: Arc::new(live::view()), start: Instant::now(), steps: Arc::default() };
        let events = Events::to(recorder.clone());
        let missing = provider.missing(&workspace, &targets, &events)?;
        announce(&events, &missing);
        let row =
            |name: &str, triple: &str, ready, reason| Row { name: name.into(), triple: triple.into(), ready, reason };
        let rows: Vec<Row> = if self.dry_run {
            let row = |t: &Target| row(&t.name, &t.triple, provider.is_ready(&workspace, t), None);
            targets.iter().map(row).collect()
        } else {
            let prepared = provider.prepare(&workspace, &targets, &events)?;
            let row = |p: Prepared| {
                row(&p.target.name, &p.target.triple, p.environment.is_ok(), p.environment.err().map(|r| r.to_string()))
            };
            prepared.into_iter().map(row).collect()
        };
        // A provider that knows no sizes says so itself.
        if self.dry_run && missing.is_empty() && rows.iter().all(|row| row.ready) {
            events.note("nothing to fetch");
        }
        let mut failures: Vec<(&str, Vec<&str>)> = Vec::new();
        for row in &rows {
            let Some(reason) = row.reason.as_deref() else { continue };
            match failures.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(&row.name),
                None => failures.push((reason, vec![&row.name])),
            }
        }
        for (reason, names) in &failures {
            eprintln!("{}: {reason}", names.join(", "));
        }
        let code = ExitCode::from(u8::from(!failures.is_empty()));
        if self.json {
            print_json(&Document {
                provider: provider.name().to_owned(),
                bytes: missing.iter().map(|d| d.bytes).sum(),
                downloads: missing,
                steps: recorder.steps.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                seconds: recorder.start.elapsed().as_secs_f64(),
                targets: rows,
            })?;
        }
        Ok(code)
    }
}
