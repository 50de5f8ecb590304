//! Reports of several machines as one.

use std::collections::HashSet;

use anyhow::{Result, bail};

use crate::outcome::{Outcome, Report, Share, Status, SuiteOutcome, passed_alone};

/// Joins reports, each given with the name of its file. Those of shards must be all of one plan, others of different rows.
///
/// # Errors
/// A shard is missing or there twice, shards are of different plans, or a program or row is in two reports.
pub fn merge(reports: Vec<(String, Report)>) -> Result<Report> {
    check_shards(&reports)?;
    let mut merged = Report::default();
    let mut providers: Vec<String> = Vec::new();
    let mut order: Vec<String> = Vec::new();
    for (file, report) in reports {
        let is_part = report.shard.is_some();
        if let (Some(share), true) = (report.shard, order.is_empty()) {
            order = share.rows;
        }
        if !report.targets.is_empty() && !providers.contains(&report.provider) {
            providers.push(report.provider);
        }
        merged.crates += report.crates;
        merged.groups.extend(report.groups);
        merged.diagnostics.extend(report.diagnostics);
        for outcome in report.targets {
            match merged.targets.iter_mut().find(|known| known.name == outcome.name) {
                None => merged.targets.push(outcome),
                Some(known) if is_part => join(known, outcome, &file)?,
                Some(_) => bail!("{file}: {} is in another report as well", outcome.name),
            }
        }
    }
    if let Some(lost) = order.iter().find(|row| !merged.targets.iter().any(|outcome| outcome.name == **row)) {
        bail!("no shard has a report of {lost}");
    }
    // What is in no plan, the host's own tests, comes last.
    let place = |outcome: &Outcome| order.iter().position(|row| *row == outcome.name).unwrap_or(order.len());
    merged.targets.sort_by_key(place);
    merged.provider = providers.join(", ");
    Ok(merged)
}

fn check_shards(reports: &[(String, Report)]) -> Result<()> {
    let shards: Vec<(&str, &Share)> =
        reports.iter().filter_map(|(file, report)| Some((file.as_str(), report.shard.as_ref()?))).collect();
    let Some((first_file, first)) = shards.first() else { return Ok(()) };
    if let Some((file, _)) = reports.iter().find(|(_, report)| report.shard.is_none()) {
        bail!("{file} is of no shard, and {first_file} is");
    }
    let mut seen = HashSet::new();
    for (file, share) in &shards {
        if (share.of, &share.plan) != (first.of, &first.plan) {
            bail!(
                "{file} and {first_file} are parts of different plans\neach machine must be asked for the same targets and packages, \
                 and have the same target/cross-flake/timings.json, or none"
            );
        }
        if !seen.insert(share.number) {
            bail!("{file}: shard {}/{} is there twice", share.number, share.of);
        }
    }
    let missing: Vec<String> =
        (1..=first.of).filter(|number| !seen.contains(number)).map(|number| format!("{number}/{}", first.of)).collect();
    if !missing.is_empty() {
        bail!("no report of shard {}", missing.join(", "));
    }
    Ok(())
}

/// Adds a row's other part.
fn join(known: &mut Outcome, other: Outcome, file: &str) -> Result<()> {
    let titles: HashSet<&str> = known.all_programs().map(|program| program.title.as_str()).collect();
    if let Some(twice) = other.all_programs().find(|program| titles.contains(program.title.as_str())) {
        bail!("{file}: {} of {} is in another shard as well", twice.title, other.name);
    }
    // The worse of the two is that of the row, and tests that passed are more than none.
    let rank = |status: Status| match status {
        Status::Failed => 5,
        Status::Skipped => 4,
        Status::Kept => 3,
        Status::Passed => 2,
        Status::Linked => 1,
        Status::Checked => 0,
    };
    if rank(other.status) > rank(known.status) {
        known.status = other.status;
        known.reason = other.reason;
        known.runner = other.runner;
    }
    known.binfmt |= other.binfmt;
    known.tests.add(other.tests);
    known.crates += other.crates;
    known.build_seconds = known.build_seconds.max(other.build_seconds);
    known.run_seconds += other.run_seconds;
    known.build_output = known.build_output.take().or(other.build_output);
    known.programs.extend(other.programs);
    if known.suites.is_empty() {
        known.suites = other.suites;
    } else {
        let ran = |suite: &&SuiteOutcome| suite.status.is_some();
        for suite in &mut known.suites {
            let theirs = other.suites.iter().filter(ran).find(|theirs| theirs.name == suite.name);
            if let Some(theirs) = theirs.filter(|_| suite.status.is_none()) {
                *suite = theirs.clone();
            }
        }
    }
    if known.status == Status::Passed {
        known.reason = passed_alone(&known.programs);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, status: &str, programs: &[&str]) -> serde_json::Value {
        let program = |title: &&str| {
            serde_json::json!({
                "title": title, "counts": { "passed": 1, "failed": 0, "ignored": 0 }, "cases": [], "failure": null,
                "seconds": 1.0, "binfmt": true, "timed_out": false,
            })
        };
        serde_json::json!({
            "name": name, "triple": name, "status": status, "runner": "qemu", "binfmt": false,
            "tests": { "passed": programs.len(), "failed": 0, "ignored": 0 }, "crates": 1, "build_seconds": 2.0,
            "run_seconds": 1.0, "reason": "other shards have the rest of it", "suites": [],
            "programs": programs.iter().map(program).collect::<Vec<_>>(),
        })
    }

    fn report(shard: Option<(usize, usize, &str)>, targets: &[serde_json::Value]) -> (String, Report) {
        let shard = shard.map(
            |(number, of, plan)| serde_json::json!({ "number": number, "of": of, "plan": plan, "rows": ["a", "b"] }),
        );
        let file = shard.as_ref().map_or("whole.json".to_owned(), |shard| format!("{}.json", shard["number"]));
        let json = serde_json::json!({
            "provider": "portable", "crates": 1, "groups": [], "targets": targets, "shard": shard
        });
        (file, Report::read(&json.to_string()).unwrap())
    }

    #[test]
    fn parts_of_a_row_become_the_row() {
        let second = report(Some((2, 2, "x")), &[outcome("b", "passed", &["q"]), outcome("a", "passed", &["p2"])]);
        let first =
            report(Some((1, 2, "x")), &[outcome("a", "passed", &["p1"]), outcome("build-machine", "passed", &[])]);
        let merged = merge(vec![second, first]).unwrap();
        let rows: Vec<(&str, usize)> = merged.targets.iter().map(|row| (row.name.as_str(), row.tests.passed)).collect();
        assert_eq!(rows, [("a", 2), ("b", 1), ("build-machine", 0)]);
        assert_eq!(merged.targets[0].reason, None);
        assert!(merged.shard.is_none());
        // A part in which nothing ran takes nothing from one in which tests passed, and gives nothing to one that failed.
        for (other, expected) in [("linked", Status::Passed), ("failed", Status::Failed), ("skipped", Status::Skipped)]
        {
            let first = report(Some((1, 2, "x")), &[outcome("a", "passed", &["p"]), outcome("b", "passed", &["p"])]);
            let second = report(Some((2, 2, "x")), &[outcome("a", other, &[])]);
            assert_eq!(merge(vec![first, second]).unwrap().targets[0].status, expected, "{other}");
        }
    }

    #[test]
    fn reports_that_do_not_belong_together_are_refused() {
        let a = || outcome("a", "passed", &["p"]);
        let both = || [a(), outcome("b", "passed", &["p"])];
        let refused = |reports: Vec<(String, Report)>, why: &str| {
            let error = merge(reports).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        let first = || report(Some((1, 2, "x")), &both());
        refused(vec![first()], "no report of shard 2/2");
        refused(vec![first(), first()], "1.json: shard 1/2 is there twice");
        refused(vec![first(), report(Some((2, 2, "y")), &[])], "2.json and 1.json are parts of different plans");
        refused(vec![first(), report(Some((2, 2, "x")), &[a()])], "2.json: p of a is in another shard as well");
        refused(vec![first(), report(None, &[])], "whole.json is of no shard, and 1.json is");
        refused(vec![report(Some((1, 1, "x")), &[a()])], "no shard has a report of b");
        refused(vec![report(None, &[a()]), report(None, &[a()])], "whole.json: a is in another report as well");
        assert_eq!(merge(vec![first(), report(Some((2, 2, "x")), &[])]).unwrap().targets.len(), 2);
        let others = vec![report(None, &[a()]), report(None, &[outcome("b", "passed", &["p"])])];
        assert_eq!(merge(others).unwrap().summary(), "2 passed");
    }
}
