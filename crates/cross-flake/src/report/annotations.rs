//! Annotations of GitHub Actions: a line of a job's log that shows an error beside the code (GitHub Docs, "Workflow commands").

use std::env;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::engine::reasons;
use crate::outcome::{CaseResult, Outcome, Report, Status};

/// Writes errors and warnings as annotations, if this is a job of GitHub Actions.
pub(super) fn write(report: &Report) {
    if env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return;
    }
    let repository = env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let here = env::current_dir().unwrap_or_default();
    for line in lines(report, |file| in_repository(file, &here, repository.as_deref())) {
        eprintln!("{line}");
    }
}

/// The path from the repository of a file that the compiler named; `None` if it is none of the repository.
fn in_repository(file: &str, here: &Path, repository: Option<&Path>) -> Option<String> {
    let path = here.join(file);
    let relative = path.strip_prefix(repository.unwrap_or(here)).ok()?;
    path.is_file().then(|| relative.display().to_string())
}

/// An error or a warning, whichever rows have it.
#[derive(PartialEq, Eq, Hash)]
struct Finding {
    level: &'static str,
    /// File and line.
    place: Option<(String, String)>,
    title: String,
    text: String,
}

/// One line for each finding, with the rows that have it.
fn lines(report: &Report, path: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings: IndexMap<Finding, Vec<&str>> = IndexMap::new();
    let mut add = |rows: &[&'_ str], level, place: Option<(String, String)>, title: String, text: String| {
        let place = place.and_then(|(file, line)| Some((path(&file)?, line)));
        let known = findings.entry(Finding { level, place, title, text }).or_default();
        known.extend(rows.iter().map(|row| report.targets.iter().find(|o| o.name == **row).map_or("", |o| &o.name)));
    };
    for diagnostic in &report.diagnostics {
        let of_rustc = &diagnostic.message["message"];
        let level = match of_rustc["level"].as_str() {
            Some("warning") => "warning",
            Some(level) if level.starts_with("error") => "error",
            _ => continue,
        };
        let primary = of_rustc["spans"].as_array().into_iter().flatten().find(|span| span["is_primary"] == true);
        let place =
            primary.and_then(|span| Some((span["file_name"].as_str()?.to_owned(), span["line_start"].to_string())));
        let rows: Vec<&str> = diagnostic.rows.iter().map(String::as_str).collect();
        let title = of_rustc["code"]["code"].as_str().unwrap_or("rustc").to_owned();
        add(&rows, level, place, title, of_rustc["message"].as_str().unwrap_or_default().to_owned());
    }
    for outcome in report.targets.iter().filter(|outcome| outcome.status == Status::Failed) {
        for (title, text) in failures(outcome, report) {
            let (text, place) = with_place(&text);
            add(&[&outcome.name], "error", place, title, text);
        }
    }
    findings.iter().map(|(finding, rows)| line(finding, rows)).collect()
}

/// What failed on a row, each with its reason.
fn failures(outcome: &Outcome, report: &Report) -> Vec<(String, String)> {
    let mut failures = Vec::new();
    for program in outcome.all_programs() {
        let Some(failure) = &program.failure else { continue };
        let failed = program.cases.iter().filter(|case| case.result == CaseResult::Failed);
        let before = failures.len();
        failures.extend(failed.map(|case| {
            let reason = reasons::of_test(&program.output, &case.name).unwrap_or_else(|| "failed".to_owned());
            (format!("{}: {}", program.title, case.name), reason)
        }));
        if failures.len() == before {
            failures.push((program.title.clone(), failure.clone()));
        }
    }
    // Errors of a row that was only checked stand among the diagnostics.
    if failures.is_empty() && report.diagnostics.iter().all(|diagnostic| !diagnostic.rows.contains(&outcome.name)) {
        let place = outcome.build_output.as_deref().and_then(arrow).unwrap_or_default();
        failures.push(("build".to_owned(), outcome.reason.clone().unwrap_or_default() + &place));
    }
    failures
}

/// ` (src/lib.rs:3)`, from the arrow below an error of the compiler.
fn arrow(output: &str) -> Option<String> {
    let plain = anstream::adapter::strip_str(output).to_string();
    let mut lines = plain.lines().skip_while(|line| !line.starts_with("error"));
    let place = lines.find_map(|line| line.trim_start().strip_prefix("--> "))?;
    Some(format!(" ({})", place.rsplit_once(':')?.0))
}

/// Parts a reason from the file and line behind it.
fn with_place(reason: &str) -> (String, Option<(String, String)>) {
    let parts = reason.strip_suffix(')').and_then(|rest| {
        let (text, place) = rest.rsplit_once(" (")?;
        let (file, line) = place.rsplit_once(':')?;
        line.bytes().all(|byte| byte.is_ascii_digit()).then(|| (text.to_owned(), (file.to_owned(), line.to_owned())))
    });
    match parts {
        Some((text, place)) => (text, Some(place)),
        None => (reason.to_owned(), None),
    }
}

fn line(finding: &Finding, rows: &[&str]) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let place = finding.place.as_ref().map(|(file, line)| format!("file={},line={line},", property(file)));
    let on = if rows.is_empty() { String::new() } else { format!(" on {}", rows.join(", ")) };
    let title = property(&format!("{}{on}", finding.title));
    format!("::{} {}title={title}::{}", finding.level, place.unwrap_or_default(), escaped(&finding.text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_stands_beside_its_code_once_with_all_targets_that_have_it() {
        let output = "---- math::adds stdout ----\n\nthread 'math::adds' panicked at src/lib.rs:3:5:\n50% of\nmore\n";
        let row = |name: &str, status: &str, programs: serde_json::Value| {
            json!({
                "name": name, "triple": name, "status": status, "runner": "qemu", "binfmt": false,
                "tests": { "passed": 0, "failed": 1, "ignored": 0 }, "crates": 1, "build_seconds": 2.0, "run_seconds": 1.0,
                "reason": "error: wrong", "suites": [], "programs": programs,
                "build_output": "warning: odd\n --> src/odd.rs:1:1\nerror: wrong\n  --> src/main.rs:7:9\n",
            })
        };
        let failed = json!([{
            "title": "small", "counts": { "passed": 0, "failed": 1, "ignored": 0 }, "failure": "math::adds failed",
            "cases": [{ "name": "math::adds", "result": "failed" }], "output": output, "seconds": 1.0, "binfmt": true,
            "timed_out": false,
        }]);
        let targets = json!([
            row("arm", "failed", failed.clone()),
            row("s390x", "failed", failed),
            row("mips", "failed", json!([]))
        ]);
        let warning = json!({
            "rows": ["arm"],
            "message": { "message": {
                "level": "warning", "message": "unused", "code": null,
                "spans": [{ "is_primary": true, "file_name": "src/lib.rs", "line_start": 4 }],
            } },
        });
        let report =
            json!({ "provider": "p", "crates": 0, "groups": [], "targets": targets, "diagnostics": [warning] });
        let report = Report::read(&report.to_string()).unwrap();
        let in_folder = |file: &str| Some(format!("a,b/{file}"));
        assert_eq!(
            lines(&report, in_folder),
            [
                "::warning file=a%2Cb/src/lib.rs,line=4,title=rustc on arm::unused",
                "::error file=a%2Cb/src/lib.rs,line=3,title=small%3A math%3A%3Aadds on arm%2C s390x::50%25 of",
                "::error file=a%2Cb/src/main.rs,line=7,title=build on mips::error: wrong",
            ]
        );
        // A place that is not in the repository is none.
        let nowhere = lines(&report, |_| None);
        assert_eq!(nowhere[0], "::warning title=rustc on arm::unused");
    }

    #[test]
    fn a_file_is_named_from_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("rust");
        std::fs::create_dir(&here).unwrap();
        std::fs::write(here.join("lib.rs"), "").unwrap();
        assert_eq!(in_repository("lib.rs", &here, Some(folder.path())).as_deref(), Some("rust/lib.rs"));
        assert_eq!(in_repository("lib.rs", &here, None).as_deref(), Some("lib.rs"));
        assert_eq!(in_repository("other.rs", &here, None), None);
        assert_eq!(in_repository("/rustc/hash/core.rs", &here, None), None);
    }
}
