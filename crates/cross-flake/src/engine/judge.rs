//! The outcome of a row, made once from all that ran for it.

use std::collections::HashSet;
use std::sync::PoisonError;

use anyhow::{Context, Result, bail};

use super::build::Mode;
use super::last::LastRun;
use super::timings::BUILD;
use super::{BUILD_MACHINE, Progress, Request, Row, Run, suites};
use crate::environment::Environment;
use crate::events::Event;
use crate::outcome::{Counts, Outcome, ProgramResult, Report, Status, passed_alone};
use crate::provider::Prepared;
use crate::targets::{Level, Target};
use crate::workspace::Workspace;
use cross_flake_runner::RunnerKind;

pub(super) fn outcome(row: &Row<'_>, progress: &mut Progress, request: &Request) -> Outcome {
    let mut outcome = skipped(row.target, "");
    outcome.reason = None;
    outcome.status = if request.mode.only_checks() { Status::Checked } else { Status::Linked };
    outcome.crates = progress.compiled;
    outcome.build_seconds = progress.built;
    outcome.std = row.environment.std;
    outcome.built = std::mem::take(&mut progress.artifacts);
    let programs = std::mem::take(&mut progress.programs);
    let ran = !programs.is_empty();
    if !request.mode.only_checks() {
        judge_programs(&mut outcome, programs, row.environment);
    }
    if let Some((reason, output)) = progress.build_failure.take() {
        outcome.status = Status::Failed;
        outcome.reason = Some(reason);
        outcome.build_output = Some(output).filter(|output| !output.is_empty());
    } else if row.target.level == Level::Link && outcome.status == Status::Linked {
        outcome.reason.clone_from(&row.target.reason);
    } else if !ran && request.runs_tests() {
        outcome.reason = Some(match request.part.of_row(&row.target.name) {
            None => "there is no test program for it".to_owned(),
            Some(part) => format!("no test program ran: {part}"),
        });
    }
    if let Some(part) = request.part.of_row(&row.target.name).filter(|_| ran && outcome.status != Status::Failed) {
        let reason = outcome.reason.take().map(|reason| format!("; {reason}")).unwrap_or_default();
        outcome.reason = Some(part + &reason);
    }
    outcome.suites = suites::outcomes(request, row.target, std::mem::take(&mut progress.steps));
    let failed = outcome.suites.iter().find(|suite| suite.status == Some(Status::Failed));
    if let (Some(failed), true) = (failed, outcome.status != Status::Failed) {
        outcome.reason = Some(format!("{}: {}", failed.name, failed.reason.clone().unwrap_or_default()));
        outcome.status = Status::Failed;
    }
    outcome
}

/// Completes an outcome with what ran; without a program it stays as it is.
pub fn judge_programs(outcome: &mut Outcome, programs: Vec<ProgramResult>, environment: &Environment) {
    if let Some(runner) = &environment.runner {
        outcome.runner.clone_from(&runner.label);
        // The namespace is there for every kind of runner; only Linux programs are started by it.
        outcome.binfmt = runner.kind == RunnerKind::QemuUser && programs.iter().any(|p| p.binfmt == Some(true));
    }
    if programs.is_empty() {
        return;
    }
    for program in &programs {
        outcome.tests.add(program.counts);
        outcome.run_seconds += program.seconds;
    }
    let failed = programs.iter().find_map(|p| Some(format!("{}: {}", p.title, p.failure.as_ref()?)));
    let kept = programs.iter().filter(|program| program.kept).count();
    outcome.status = match (&failed, outcome.tests.passed) {
        (Some(_), _) => Status::Failed,
        (None, 0) => Status::Linked,
        (None, _) if kept > 0 => Status::Kept,
        (None, _) => Status::Passed,
    };
    let no_test = "no test ran: its test programs hold none, or all were ignored or filtered out";
    outcome.reason = failed.or_else(|| match outcome.status {
        Status::Linked => Some(no_test.to_owned()),
        _ => passed_alone(&programs),
    });
    if outcome.status == Status::Kept && kept < programs.len() {
        let more = outcome.reason.take().map(|reason| format!("; {reason}")).unwrap_or_default();
        outcome.reason = Some(format!("{kept} of {} test programs{more}", programs.len()));
    }
    outcome.programs = programs;
}

/// The outcome of a row for which nothing was done.
pub fn skipped(target: &Target, reason: &str) -> Outcome {
    Outcome {
        name: target.name.clone(),
        triple: target.triple.clone(),
        status: Status::Skipped,
        runner: "none".to_owned(),
        binfmt: false,
        std: None,
        tests: Counts::default(),
        crates: 0,
        build_seconds: 0.0,
        run_seconds: 0.0,
        reason: Some(reason.to_owned()),
        programs: Vec::new(),
        suites: Vec::new(),
        build_output: None,
        built: Vec::new(),
    }
}

pub(super) fn host_outcome(workspace: &Workspace, programs: Vec<ProgramResult>) -> Outcome {
    let mut tests = Counts::default();
    for program in &programs {
        tests.add(program.counts);
    }
    let failed = programs.iter().find_map(|p| Some(format!("{}: {}", p.title, p.failure.as_ref()?)));
    Outcome {
        name: BUILD_MACHINE.to_owned(),
        triple: workspace.toolchain.host.clone(),
        status: match failed {
            Some(_) => Status::Failed,
            None if programs.iter().any(|program| program.kept) => Status::Kept,
            None => Status::Passed,
        },
        runner: "native".to_owned(),
        binfmt: false,
        std: None,
        tests,
        crates: 0,
        build_seconds: 0.0,
        run_seconds: programs.iter().map(|p| p.seconds).sum(),
        reason: failed.or_else(|| passed_alone(&programs)),
        programs,
        suites: Vec::new(),
        build_output: None,
        built: Vec::new(),
    }
}

impl Run<'_> {
    /// Forms the report of the whole run.
    pub(super) fn report(self, prepared: &[Prepared], provider: &str, groups: Vec<Vec<String>>) -> Result<Report> {
        let mut targets = Vec::new();
        let mut rows = self.rows.iter();
        for p in prepared {
            let outcome = match &p.environment {
                Err(reason) => {
                    let outcome = skipped(&p.target, &reason.to_string());
                    self.events.send(Event::Finished { outcome: &outcome, seconds: 0.0 });
                    outcome
                }
                Ok(_) => rows.next().and_then(|row| row.progress().outcome.take()).context("a row did not finish")?,
            };
            targets.push(outcome);
        }
        let host = self.host.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !host.is_empty() {
            targets.push(host_outcome(self.workspace, host));
        }
        for outcome in &targets {
            let mut titles = HashSet::new();
            if let Some(twice) = outcome.all_programs().find(|program| !titles.insert(&program.title)) {
                bail!("cross-flake ran {} twice for {}, which is an error of its own", twice.title, outcome.name);
            }
        }
        let ran = targets.iter().flat_map(|outcome| {
            let ran = outcome.all_programs().filter(|result| !result.kept);
            ran.map(|result| (outcome.name.as_str(), result.title.as_str(), result.seconds))
        });
        let built = self.rows.iter().filter(|_| self.request.mode == Mode::Test).map(|row| {
            let name = row.target.name.as_str();
            (name, BUILD, row.progress().cargo.max(self.past.of(name, BUILD).unwrap_or_default()))
        });
        let ran: Vec<_> = ran.chain(built).collect();
        self.past.keep(ran.into_iter())?;
        if self.request.runs_tests() {
            LastRun::load(self.workspace).keep(&targets)?;
        }
        let diagnostics = self.diagnostics.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Report {
            provider: provider.to_owned(),
            crates: self.host_crates.into_inner(),
            groups,
            targets,
            shard: self.request.part.share(),
            diagnostics: diagnostics.with_names(|row| self.rows[row].target.name.clone()),
        })
    }
}
