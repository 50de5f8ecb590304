//! `cargo xtask setup`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Place, announce, events, find_targets};

/// Fetch and build what targets need, and nothing else
#[derive(Args)]
pub struct Setup {
    /// Names or triples of targets [default: all that `test-all-targets` means]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Say what would be fetched, and how large it is, without doing it
    #[arg(long)]
    dry_run: bool,
}

impl Setup {
    /// Runs the command.
    ///
    /// # Errors
    /// What keeps every target from being set up.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let targets = match self.targets.as_slice() {
            [] => workspace.all_targets()?.0,
            names => find_targets(&workspace, names)?,
        };
        let provider = self.place.provider(&workspace)?;
        let events = events();
        let missing = provider.missing(&workspace, &targets, &events)?;
        announce(&events, &missing);
        if self.dry_run {
            // A provider that knows no sizes says so itself.
            if missing.is_empty() && targets.iter().all(|target| provider.is_ready(&workspace, target)) {
                events.note("nothing to fetch");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut failures: Vec<(String, Vec<String>)> = Vec::new();
        for prepared in provider.prepare(&workspace, &targets, &events)? {
            if let Err(reason) = prepared.environment {
                match failures.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, names)) => names.push(prepared.target.name),
                    None => failures.push((reason, vec![prepared.target.name])),
                }
            }
        }
        for (reason, names) in &failures {
            eprintln!("{}: {reason}", names.join(", "));
        }
        Ok(ExitCode::from(u8::from(!failures.is_empty())))
    }
}
