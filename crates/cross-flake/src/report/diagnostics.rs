//! Diagnostics of the compiler, for people and for editors. Where one is not about every row, it names its rows.

use anyhow::Result;
use serde_json::{Value, json};

use crate::outcome::{Diagnostic, Report, Status};

/// The rows of a diagnostic, unless it is about all that were compiled.
fn about<'a>(diagnostic: &'a Diagnostic, report: &Report) -> Option<&'a [String]> {
    let compiled = report.targets.iter().filter(|outcome| outcome.status != Status::Skipped).count();
    let rows = &diagnostic.rows[..];
    (!rows.is_empty() && rows.len() < compiled).then_some(rows)
}

/// The text of rustc, with a note of the same form that names the rows.
fn rendered(diagnostic: &Diagnostic, rows: Option<&[String]>) -> String {
    let text = diagnostic.message["message"]["rendered"].as_str().unwrap_or_default();
    let Some(rows) = rows else { return text.to_owned() };
    let plain = anstream::adapter::strip_str(text).to_string();
    // Notes stand in the column behind that of the arrow.
    let column = plain.lines().find_map(|line| line.find("--> ")).map_or(2, |column| column + 1);
    let indentation = " ".repeat(column);
    // An empty line of code stands before the first note.
    let is_first = !plain.lines().any(|line| line.trim_start().starts_with("= "));
    let gap = if is_first { format!("{indentation}|\n") } else { String::new() };
    format!("{}\n{gap}{indentation}= note: on {}\n\n", text.trim_end(), rows.join(", "))
}

/// Returns what cargo would print on a terminal, each diagnostic once.
pub(super) fn for_people(report: &Report) -> String {
    report.diagnostics.iter().map(|diagnostic| rendered(diagnostic, about(diagnostic, report))).collect()
}

/// Returns cargo's messages, one a line, as `--message-format json` has them.
///
/// # Errors
/// Never in practice: each was read from JSON.
pub(super) fn for_editors(report: &Report) -> Result<String> {
    let mut lines = String::new();
    let mut add = |message: &Value| -> Result<()> {
        lines.push_str(&serde_json::to_string(message)?);
        lines.push('\n');
        Ok(())
    };
    for diagnostic in &report.diagnostics {
        let rows = about(diagnostic, report);
        let mut message = diagnostic.message.clone();
        let text = anstream::adapter::strip_str(&rendered(diagnostic, rows)).to_string();
        message["message"]["rendered"] = text.into();
        if let (Some(rows), Some(children)) = (rows, message["message"]["children"].as_array_mut()) {
            // As rustc writes a note without a place. Editors show it with the diagnostic.
            children.push(json!({
                "message": format!("on {}", rows.join(", ")),
                "code": null,
                "level": "note",
                "spans": [],
                "children": [],
                "rendered": null,
            }));
        }
        add(&message)?;
    }
    let success = report.targets.iter().all(|outcome| outcome.status == Status::Checked);
    add(&json!({ "reason": "build-finished", "success": success }))?;
    Ok(lines)
}
