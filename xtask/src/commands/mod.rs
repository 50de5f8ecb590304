//! One file for each command, and what several of them have in common.

pub mod bench;
pub mod build;
pub mod clean;
pub mod conformance;
pub mod doctor;
pub mod env;
pub mod inspect;
pub mod list;
pub mod room;
pub mod runner;
pub mod setup;
pub mod shell;
pub mod sysroot;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::cache::Cache;
use crate::environment::Environment;
use crate::events::{Events, human_bytes};
use crate::provider::{self, Choice, Download, Prepared, Provider};
use crate::report::live;
use crate::stale;
use crate::targets::Target;
use crate::workspace::Workspace;

/// Which workspace, and who provides its environments.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The Cargo.toml of the workspace [default: the one of the current folder]
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Who makes the environments
    #[arg(long, value_enum, default_value_t)]
    pub provider: Choice,
}

impl Place {
    /// Reads the workspace.
    ///
    /// # Errors
    /// See [`Workspace::load`].
    pub fn workspace(&self) -> Result<Workspace> {
        Workspace::load(self.manifest_path.as_deref())
    }

    /// The provider that was chosen.
    ///
    /// # Errors
    /// See [`provider::choose`].
    pub fn provider(&self, workspace: &Workspace) -> Result<Box<dyn Provider>> {
        provider::choose(self.provider, workspace)
    }
}

/// The rows of these names or triples, each once, in the order given.
///
/// # Errors
/// An unknown name.
pub fn find_targets(workspace: &Workspace, names: &[String]) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for name in names {
        let row = workspace.table.find(name)?;
        if !targets.iter().any(|t| t.name == row.name) {
            targets.push(row.clone());
        }
    }
    Ok(targets)
}

/// Progress on standard error.
pub fn events() -> Events {
    Events::to(live::view())
}

/// Tells what a set-up is going to fetch, before it does.
pub fn announce(events: &Events, missing: &[Download]) {
    if missing.is_empty() {
        return;
    }
    let total = missing.iter().map(|d| d.bytes).sum();
    events.note(&format!("fetching {} into {}:", human_bytes(total), cache_name()));
    for download in missing {
        events.note(&format!("  {:>8}  {} ({})", human_bytes(download.bytes), download.name, download.from));
    }
}

/// Sets targets up, after telling what has to be fetched for them.
///
/// # Errors
/// What keeps every target from being set up.
pub fn set_up(
    provider: &dyn Provider,
    workspace: &Workspace,
    targets: &[Target],
    events: &Events,
) -> Result<Vec<Prepared>> {
    announce(events, &provider.missing(workspace, targets, events)?);
    prepare(provider, workspace, targets, events)
}

/// Sets targets up, and lets scoped variables of the caller's own win over ours; each of those is named.
///
/// # Errors
/// What keeps every target from being set up.
fn prepare(
    provider: &dyn Provider,
    workspace: &Workspace,
    targets: &[Target],
    events: &Events,
) -> Result<Vec<Prepared>> {
    let mut prepared = provider.prepare(workspace, targets, events)?;
    let cache = cache_name();
    for row in &mut prepared {
        let Ok(environment) = &mut row.environment else { continue };
        let won = environment.let_caller_win(&cache, |name| std::env::var(name).ok());
        if !won.is_empty() {
            events.note(&format!("{}: {} of your environment stays", row.target, won.join(", ")));
        }
    }
    Ok(prepared)
}

fn cache_name() -> String {
    Cache::locate().map_or_else(|_| "the cache".to_owned(), |c| c.root().display().to_string())
}

/// Sets one target up and gives its environment.
///
/// # Errors
/// The target cannot be had here; the error is the reason.
pub fn one_environment(place: &Place, name: &str) -> Result<(Workspace, Target, Environment)> {
    let workspace = place.workspace()?;
    let target = workspace.table.find(name)?.clone();
    let provider = place.provider(&workspace)?;
    let prepared = set_up(&*provider, &workspace, std::slice::from_ref(&target), &events())?;
    match prepared.into_iter().next().map(|p| p.environment) {
        Some(Ok(environment)) => {
            stale::remove(&workspace, &[&environment], &[], &events())?;
            Ok((workspace, target, environment))
        }
        Some(Err(reason)) => bail!("{target} cannot be had here: {reason}"),
        None => bail!("{target} cannot be had here"),
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// Never in practice.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
