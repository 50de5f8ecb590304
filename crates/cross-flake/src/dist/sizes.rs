//! What other settings of a profile would make of the programs: each is built once more with them, elsewhere.

use std::fs;

use anyhow::{Context, Result, bail};

use super::release::Release;
use crate::engine::{self, Request};
use crate::events::Events;
use crate::outcome::Status;
use crate::provider::Prepared;

/// A choice: its name in the table, and settings of the profile.
struct Choice {
    name: &'static str,
    settings: &'static [&'static str],
}

/// One by one, then all (The Cargo Book, "Profiles").
const CHOICES: [Choice; 6] = [
    Choice { name: "as it is", settings: &[] },
    Choice { name: "strip", settings: &["strip=\"symbols\""] },
    Choice { name: "opt-level = \"z\"", settings: &["opt-level=\"z\""] },
    Choice { name: "panic = \"abort\"", settings: &["panic=\"abort\""] },
    Choice { name: "lto, one unit", settings: &["lto=\"fat\"", "codegen-units=1"] },
    Choice {
        name: "all of them",
        settings: &["strip=\"symbols\"", "opt-level=\"z\"", "panic=\"abort\"", "lto=\"fat\"", "codegen-units=1"],
    },
];

/// Builds the programs of a release with each choice, and returns the lines of a table with their sizes in bytes; the first is its head.
///
/// # Errors
/// Something cannot be built.
pub fn measure(
    release: &Release<'_>,
    request: &Request,
    rows: &[Prepared],
    provider: &str,
    events: &Events,
) -> Result<Vec<Vec<String>>> {
    let mut columns: Vec<Vec<(String, u64)>> = Vec::new();
    for choice in CHOICES {
        events.note(&format!("building with {}", choice.name));
        let folder = release.workspace.metadata.target_directory.join("sizes").join(columns.len().to_string());
        let mut request = request.clone();
        let setting = |setting: &&str| ["--config".to_owned(), format!("profile.{}.{setting}", release.profile)];
        request.cargo_args.extend(choice.settings.iter().flat_map(setting));
        request.cargo_args.extend(["--target-dir".to_owned(), folder.to_string()]);
        let report = engine::run(release.workspace, &request, rows, provider, &Events::none())?;
        let mut sizes = Vec::new();
        for outcome in &report.targets {
            if outcome.status != Status::Linked {
                let said = outcome.build_output.as_deref().or(outcome.reason.as_deref()).unwrap_or_default();
                bail!("{} cannot be built with {}\n{said}", outcome.name, choice.name);
            }
            for program in &outcome.built {
                let bytes = fs::metadata(&program.file).context("a program that was built")?.len();
                sizes.push((format!("{} {}", outcome.name, program.name), bytes));
            }
        }
        columns.push(sizes);
    }
    let head = ["program"].into_iter().chain(CHOICES.iter().map(|choice| choice.name)).map(str::to_owned);
    let mut lines: Vec<Vec<String>> = vec![head.collect()];
    for (line, (name, usual)) in columns[0].iter().enumerate() {
        let cell = |(choice, column): (usize, &Vec<(String, u64)>)| {
            let bytes = column.get(line).map_or(0, |(_, bytes)| *bytes);
            if choice == 0 { bytes.to_string() } else { format!("{bytes} ({:+} %)", percent(bytes, *usual)) }
        };
        lines.push([name.clone()].into_iter().chain(columns.iter().enumerate().map(cell)).collect());
    }
    Ok(lines)
}

/// The difference in whole percents.
fn percent(bytes: u64, usual: u64) -> i64 {
    let (bytes, usual) = (i128::from(bytes), i128::from(usual.max(1)));
    i64::try_from((bytes - usual) * 100 / usual).unwrap_or(i64::MAX)
}
