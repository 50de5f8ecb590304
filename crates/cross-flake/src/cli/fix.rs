//! `fix`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::check::{CheckArguments, Checked};
use super::events;
use crate::engine::build::Mode;
use crate::engine::corrections::{Changed, Correction, of_report};
use crate::events::Events;
use crate::host::git::git;
use crate::outcome::{Report, Status};
use crate::workspace::Workspace;

/// As often is corrected what a correction has brought to light; cargo's number.
const ROUNDS: usize = 4;

/// Correct what the compiler can correct by itself, for all targets at once
///
/// `cargo fix` looks at one target, and what is unused there another may need. Here a correction stays only if no target has an
/// error that it did not have before; those that were left alone are named, with the targets that want them. Files of the workspace are changed,
/// and nothing else. As for `check`, `-- --all-targets` means tests as well.
#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  cargo cross-flake fix\n  cargo cross-flake fix --clippy windows-x64 aarch64-linux -- --all-targets"
)]
pub struct Fix {
    /// Correct what clippy can correct as well
    #[arg(long)]
    clippy: bool,
    /// Change files although git does not have them as they are, or there is no git
    #[arg(long)]
    allow_dirty: bool,
    #[command(flatten)]
    with: CheckArguments,
}

impl Fix {
    /// Runs the command.
    ///
    /// # Errors
    /// Files are not as git has them, or something keeps a check from taking place.
    pub fn run(self) -> Result<ExitCode> {
        let mode = if self.clippy { Mode::Clippy } else { Mode::Check };
        let checked = match self.with.prepare(mode)? {
            Checked::Nothing(report) => return self.with.finish(&report),
            Checked::Ready(checked) => checked,
        };
        let workspace = &checked.workspace;
        if !self.allow_dirty {
            is_clean(workspace)?;
        }
        let mut left: Vec<Correction> = Vec::new();
        let mut report = checked.check(&events())?;
        let corrections =
            |report: &Report| of_report(report, workspace.root(), workspace.metadata.target_directory.as_std_path());
        for _ in 0..ROUNDS {
            let found = corrections(&report);
            let wanted: Vec<&Correction> =
                found.iter().filter(|one| !left.iter().any(|left| one.is_like(left))).collect();
            if wanted.is_empty() {
                break;
            }
            let (after, kept) = self.round(&wanted, &report, workspace, || checked.check(&Events::none()))?;
            left.extend(
                wanted.iter().filter(|one| !kept.iter().any(|kept| kept.is_like(one))).map(|one| (*one).clone()),
            );
            report = after;
            if kept.is_empty() {
                break;
            }
        }
        for correction in corrections(&report).iter().filter(|one| left.iter().any(|left| one.is_like(left))) {
            let rows: Vec<&str> = correction.rows.iter().map(String::as_str).collect();
            eprintln!(
                "left alone, for another target would not compile: {} (on {})",
                correction.describe(),
                rows.join(", ")
            );
        }
        self.with.finish(&report)
    }

    /// Applies as many corrections as leave every target as sound as it was. Gives the report after them, and those that stay.
    ///
    /// All are tried together, and where that breaks a target, halves of them are, down to each alone.
    fn round<'a>(
        &self,
        wanted: &[&'a Correction],
        before: &Report,
        workspace: &Workspace,
        check: impl Fn() -> Result<Report>,
    ) -> Result<(Report, Vec<&'a Correction>)> {
        let mut kept: Vec<&Correction> = Vec::new();
        let mut last = (before.clone(), Changed::default());
        // Last in, first out: what all targets want is tried before what single ones do.
        let (agreed, single): (Vec<_>, Vec<_>) = wanted.iter().copied().partition(|one| one.is_agreed);
        let mut groups = match agreed.is_empty() || single.is_empty() {
            true => vec![wanted.to_vec()],
            false => vec![single, agreed, wanted.to_vec()],
        };
        let parts = groups.len();
        while let Some(group) = groups.pop() {
            let new: Vec<_> =
                group.iter().copied().filter(|one| !kept.iter().any(|kept| std::ptr::eq(*kept, *one))).collect();
            if new.is_empty() {
                continue;
            }
            // Places are those of the report before, so all of it is applied to the files as they were then.
            last.1.take_back()?;
            let trial = [kept.clone(), new.clone()].concat();
            let changed = Changed::apply(&trial)?;
            let after = check().inspect_err(|_| drop(changed.take_back()))?;
            if failed(&after).is_subset(&failed(before)) {
                (kept, last) = (trial, (after, changed));
                continue;
            }
            changed.take_back()?;
            last.1 = Changed::apply(&kept)?;
            let (one, other) = new.split_at(new.len() / 2);
            if (new.len() < wanted.len() || parts == 1) && new.len() > 1 {
                groups.extend([other.to_vec(), one.to_vec()]);
            }
        }
        for (file, count) in &last.1.counts {
            let file = file.strip_prefix(workspace.root()).unwrap_or(file);
            eprintln!(
                "corrected {} ({count} {})",
                file.display(),
                if *count == 1 { "correction" } else { "corrections" }
            );
        }
        // The last check may have been of something that was taken back.
        let report = if kept.is_empty() { before.clone() } else { check()? };
        Ok((report, kept))
    }
}

/// The targets with errors.
fn failed(report: &Report) -> BTreeSet<&str> {
    let failed = report.targets.iter().filter(|outcome| outcome.status == Status::Failed);
    failed.map(|outcome| outcome.name.as_str()).collect()
}

/// Refuses what `cargo fix` refuses: a change that nobody could take back.
fn is_clean(workspace: &Workspace) -> Result<()> {
    let Ok(changed) = git(workspace.root(), &["status", "--porcelain"]) else {
        bail!("there is no git repository to take changes back from: --allow-dirty makes them all the same");
    };
    if !changed.is_empty() {
        let files: Vec<&str> = changed.lines().take(3).map(|line| line.get(3..).unwrap_or(line)).collect();
        let more = if changed.lines().count() > files.len() { " and others" } else { "" };
        bail!("not committed: {}{more}; commit them, or take --allow-dirty", files.join(", "));
    }
    Ok(())
}
