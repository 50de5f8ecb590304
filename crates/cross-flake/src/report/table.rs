//! The table at the end of a run.

use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use owo_colors::{OwoColorize, Stream, Style};

use crate::outcome::{Outcome, Report, Status};

/// Returns the way in which a row's tests ran: `qemu-aarch64 10.0.2 by binfmt`, `linked only`.
pub fn how(outcome: &Outcome) -> String {
    match outcome.status {
        Status::Linked => "linked only".to_owned(),
        Status::Checked => "checked only".to_owned(),
        _ if outcome.binfmt => format!("{} by binfmt", outcome.runner),
        _ => outcome.runner.clone(),
    }
}

/// A number of tests, or a dash where none could run.
pub fn ran(outcome: &Outcome, tests: usize) -> String {
    match outcome.status {
        Status::Linked | Status::Checked | Status::Skipped => "-".to_owned(),
        Status::Passed | Status::Kept | Status::Failed => tests.to_string(),
    }
}

/// A plain table with aligned columns, no lines.
pub fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    table
}

/// A table for markdown, of its lines; the first is the head.
pub fn markdown(lines: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(lines.first().cloned().unwrap_or_default());
    table.add_rows(lines.iter().skip(1).cloned());
    table
}

/// The names of a report's columns but for the last, the status: those of numbers first, then one for each suite.
pub fn columns(report: &Report) -> Vec<&str> {
    let mut names = vec!["target", "triple", "how", "passed", "failed", "ignored", "build s", "run s"];
    // What belongs to the host itself has none.
    names.extend(report.targets.first().into_iter().flat_map(|o| &o.suites).map(|suite| suite.name.as_str()));
    names
}

/// Returns a row's values for [`columns`].
pub fn cells(outcome: &Outcome, columns: usize) -> Vec<String> {
    let o = outcome;
    let mut cells = vec![
        o.name.clone(),
        o.triple.clone(),
        how(o),
        ran(o, o.tests.passed),
        ran(o, o.tests.failed),
        ran(o, o.tests.ignored),
        format!("{:.1}", o.build_seconds),
        format!("{:.1}", o.run_seconds),
    ];
    cells.extend(o.suites.iter().map(|suite| suite.status.map_or("-".to_owned(), |status| status.to_string())));
    cells.resize(columns, "-".to_owned());
    cells
}

/// The table of a report.
pub fn render(report: &Report) -> String {
    let columns = columns(report);
    let mut table = plain(&[&columns[..], &["status"]].concat());
    for o in &report.targets {
        let mut row = cells(o, columns.len());
        row.push(match &o.reason {
            Some(reason) if o.status != Status::Linked => {
                format!("{}: {}", o.status, reason.lines().next().unwrap_or_default())
            }
            _ => o.status.to_string(),
        });
        table.add_row(row);
    }
    for column in 3..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // Colour goes onto whole lines afterwards, so that it cannot disturb the columns.
    let mut lines: Vec<String> = table.to_string().lines().map(|l| l.trim_end().to_owned()).collect();
    for (line, outcome) in lines.iter_mut().skip(1).zip(&report.targets) {
        let style = style(outcome.status);
        *line = line.if_supports_color(Stream::Stdout, |l| l.style(style)).to_string();
    }
    lines.join("\n")
}

/// The colour of a status.
pub fn style(status: Status) -> Style {
    match status {
        Status::Passed | Status::Kept => Style::new().green(),
        Status::Linked | Status::Checked => Style::new().cyan(),
        Status::Failed => Style::new().red(),
        Status::Skipped => Style::new().yellow(),
    }
}

/// `aarch64-linux: passed, 21 tests, 12.3 s (qemu-aarch64 10.0.2 by binfmt)`.
pub fn finished(outcome: &Outcome, seconds: f64) -> String {
    let style = style(outcome.status);
    let status = outcome.status.to_string();
    let status = status.if_supports_color(Stream::Stderr, |s| s.style(style));
    let tests = match outcome.tests.passed + outcome.tests.failed {
        0 => String::new(),
        _ if outcome.tests.failed > 0 => {
            format!(", {} of {} tests failed", outcome.tests.failed, outcome.tests.passed + outcome.tests.failed)
        }
        1 => ", 1 test".to_owned(),
        n => format!(", {n} tests"),
    };
    let reason = outcome.reason.as_deref().and_then(|r| r.lines().next()).map(|r| format!(": {r}")).unwrap_or_default();
    format!("{}: {status}{tests}, {seconds:.1} s ({}){reason}", outcome.name, how(outcome))
}
