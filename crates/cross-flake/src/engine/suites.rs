//! Suites in a run: a job for each step on each row that it is for, and what was built there read back.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result};

use super::job::{Job, Output, Owner, Program, StepId};
use super::{Request, Row, Run};
use crate::environment::path_with;
use crate::host::child::inherited;
use crate::outcome::{ProgramResult, Status, StepOutcome, SuiteOutcome};
use crate::suites::Suite;
use crate::targets::{Level, Target};
use cross_flake_runner::{RunnerKind, RunnerSpec};

/// A suite of a run.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The suite.
    pub suite: Suite,
    /// The missing tool that keeps it from being run on any row.
    pub unavailable: Option<String>,
}

/// Tells if the row has a step to run.
pub(super) fn any(row: &Row<'_>, run: &Run<'_>) -> bool {
    run.request.suites.iter().any(|chosen| applies(chosen, row.target, run.request))
}

fn applies(chosen: &Chosen, target: &Target, request: &Request) -> bool {
    let suite = &chosen.suite;
    chosen.unavailable.is_none() && suite.hole(target).is_none() && request.part.has_suite(&target.name, &suite.name)
}

/// A job for each step of each suite that is for this row.
///
/// # Errors
/// The environment cannot be formed, or the directory for what is built cannot be emptied.
pub(super) fn jobs(index: usize, row: &Row<'_>, run: &Run<'_>) -> Result<Vec<Job>> {
    let root = run.workspace.metadata.target_directory.as_std_path().join("cross-flake/suites");
    let mut shell: BTreeMap<OsString, OsString> = inherited();
    shell.extend(row.environment.scoped.iter().chain(&row.environment.shell).map(|(k, v)| (k.into(), v.into())));
    shell.insert("PATH".into(), path_with(&[row.environment])?);
    shell.insert("CROSS_FLAKE".into(), std::env::current_exe().context("cannot find this program itself")?.into());
    let mut jobs = Vec::new();
    let of_row = |(_, chosen): &(usize, &Chosen)| applies(chosen, row.target, run.request);
    for (suite_index, chosen) in run.request.suites.iter().enumerate().filter(of_row) {
        let suite = &chosen.suite;
        for (step_index, step) in suite.steps.iter().enumerate() {
            let Some(lines) = step.lines(suite.level(row.target)) else { continue };
            let out = root.join(&suite.name).join(&row.target.name).join(&step.name);
            // What an earlier run built must not be taken for this one's.
            if out.exists() {
                std::fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
            }
            let kept = root.join(&suite.name).join("kept");
            for folder in [&out, &kept] {
                std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            }
            let mut env = shell.clone();
            env.insert("OUT".into(), out.clone().into());
            env.insert("KEEP".into(), kept.into());
            jobs.push(Job {
                owner: Owner::Row(index),
                step: Some(StepId { suite: suite_index, step: step_index }),
                package: String::new(),
                title: format!("{}: {}", suite.name, step.name),
                harness: false,
                program: Program::Step {
                    lines: lines.to_owned(),
                    runner: direct(row.target),
                    timeout: Duration::from_secs(step.timeout),
                    output: Box::new(Output {
                        folder: out,
                        except: suite.for_build_machine.clone(),
                        target: row.target.clone(),
                        glibc: row.environment.glibc.clone(),
                    }),
                },
                args: Vec::new(),
                env,
                cwd: suite.folder.clone(),
            });
        }
    }
    Ok(jobs)
}

/// sh is the host's own; its runner ends what it leaves behind.
fn direct(target: &Target) -> RunnerSpec {
    RunnerSpec {
        // wine's shared processes outlive the program that brought them up.
        kind: target.runner.filter(|kind| *kind == RunnerKind::Wine).unwrap_or(RunnerKind::Native),
        ..RunnerSpec::of_this_machine(&target.name)
    }
}

/// Returns the ends of the suites on one row.
pub(super) fn outcomes(request: &Request, target: &Target, results: Vec<(StepId, ProgramResult)>) -> Vec<SuiteOutcome> {
    let mut by_suite: HashMap<usize, Vec<(StepId, ProgramResult)>> = HashMap::new();
    for (id, result) in results {
        by_suite.entry(id.suite).or_default().push((id, result));
    }
    let outcome = |(index, chosen): (usize, &Chosen)| {
        let mut results = by_suite.remove(&index).unwrap_or_default();
        results.sort_by_key(|(id, _)| id.step);
        let steps: Vec<StepOutcome> = results
            .iter()
            .map(|(id, result)| StepOutcome {
                name: chosen.suite.steps[id.step].name.clone(),
                failure: result.failure.clone(),
                seconds: result.seconds,
            })
            .collect();
        let failed = steps.iter().find_map(|step| Some(format!("{}: {}", step.name, step.failure.as_ref()?)));
        let (status, reason) = match (chosen.suite.hole(target), &chosen.unavailable, failed) {
            (Some(hole), _, _) => (None, Some(hole.to_owned())),
            (None, Some(tool), _) => (Some(Status::Skipped), Some(tool.clone())),
            (None, None, _) if !request.part.has_suite(&target.name, &chosen.suite.name) => {
                (None, request.part.of_row(&target.name))
            }
            (None, None, Some(failed)) => (Some(Status::Failed), Some(failed)),
            (None, None, None) if chosen.suite.level(target) == Level::Link => {
                (Some(Status::Linked), chosen.suite.why_only_linked(target).map(str::to_owned))
            }
            (None, None, None) => (Some(Status::Passed), None),
        };
        let seconds = steps.iter().map(|step| step.seconds).sum();
        let results = results.into_iter().map(|(_, result)| result).collect();
        SuiteOutcome { name: chosen.suite.name.clone(), status, reason, seconds, steps, results }
    };
    request.suites.iter().enumerate().map(outcome).collect()
}
