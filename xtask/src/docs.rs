//! `cargo xtask docs`: the parts of documents that the program itself knows.
//!
//! Such a part is generated text in a document that is otherwise written by hand, between two markers, or a whole document:
//!
//! ```text
//! <!-- begin: targets -->
//! …
//! <!-- end: targets -->
//! ```
//!
//! [`PARTS`] lists them all: one more part is one more line there. A unit test holds the documents to the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use cross_flake::cache::write_whole;
use cross_flake::cli;
use cross_flake::targets::Table;

/// Write the generated parts of the documents
///
/// These are the tables of docs/targets.md, docs/environment.md and docs/runs.md, and docs/cli.md.
#[derive(Args)]
pub struct Docs {
    /// Write nothing: fail if a document differs from what would be written
    #[arg(long)]
    check: bool,
}

/// A generated part of a document.
struct Part {
    /// The document, relative to the repository.
    file: &'static str,
    /// The name in the two markers around the part. `None` where the whole document is generated.
    marker: Option<&'static str>,
    /// The generator of the text.
    generate: fn() -> Result<String>,
}

/// All generated parts.
const PARTS: &[Part] = &[
    Part { file: "docs/cli.md", marker: None, generate: commands },
    Part {
        file: "docs/environment.md",
        marker: Some("variables"),
        generate: || Ok(cross_flake::environment::markdown()),
    },
    Part { file: "docs/runs.md", marker: Some("runs"), generate: crate::runs::markdown },
    Part { file: "docs/targets.md", marker: Some("targets"), generate: targets },
];

impl Docs {
    /// Runs the command.
    ///
    /// # Errors
    /// A document cannot be read or written, lacks its markers, or differs where it is only checked.
    pub fn run(self) -> Result<ExitCode> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?;
        let stale = stale(repository, PARTS)?;
        if self.check && !stale.is_empty() {
            let files: Vec<&str> = stale.keys().copied().collect();
            bail!("not what the program says: {}\n`cargo xtask docs` writes them", files.join(", "));
        }
        for (file, text) in &stale {
            write_whole(&repository.join(file), text.as_bytes(), false)?;
            println!("{file}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the documents that differ from what their generators say, each with the text that it should have.
fn stale(repository: &Path, parts: &[Part]) -> Result<BTreeMap<&'static str, String>> {
    let mut documents: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for part in parts {
        let failed = || format!("cannot generate a part of {}", part.file);
        if !documents.contains_key(part.file) {
            let text = match fs::read_to_string(repository.join(part.file)) {
                // A document that is generated as a whole need not be there.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && part.marker.is_none() => String::new(),
                result => result.with_context(|| format!("cannot read {}", part.file))?,
            };
            documents.insert(part.file, (text.clone(), text));
        }
        let Some((_, new)) = documents.get_mut(part.file) else { continue };
        let text = (part.generate)().with_context(failed)?;
        *new = match part.marker {
            Some(marker) => replace(new, marker, &text).with_context(failed)?,
            None => text,
        };
    }
    Ok(documents.into_iter().filter(|(_, (old, new))| old != new).map(|(file, (_, new))| (file, new)).collect())
}

/// Returns a document with another text between the two markers of this name.
fn replace(document: &str, marker: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin: {marker} -->\n"), format!("<!-- end: {marker} -->"));
    let (before, rest) = document.split_once(&begin).with_context(|| format!("there is no line {}", begin.trim()))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("there is no line {end} after {}", begin.trim()))?;
    Ok(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

/// Returns the table of targets.
fn targets() -> Result<String> {
    Ok(cli::list::markdown(Table::built_in()?.rows()))
}

/// The beginning of docs/cli.md.
const INTRODUCTION: &str = "\
# The commands

`cargo xtask docs` writes this page from the program. In this repository the commands are called `cargo xtask …`, with Nix
`nix run github:cross-flake/cross-flake -- …`; they are the same.

The exit code is 0 if all is well, 1 if a target failed or was skipped (`--allow-skips` permits the latter), 2 if there was
nothing to run or the command line is wrong, and 130 or 143 after Ctrl-C or SIGTERM. `run` and `shell` end with the code of what
they have started. Progress goes to stderr, and results to stdout; with `--json` stdout is one document.

| variable | sets |
| --- | --- |
| `CROSS_FLAKE_CACHE` | the cache directory; `~/.cache/cross-flake` if it is not set |
| `CROSS_FLAKE_STD` | the origin of Rust's std: `rustup`, `source`, or `auto`, which is rustup and else the source |
| `CROSS_FLAKE_ARCHIVE` | the archive of packages, `URL SUITE…`; the machine's own if it is not set ([portable.md](portable.md)) |
| `CROSS_FLAKE_PACKAGES` | `whole`: Debian's large packages are fetched whole ([portable.md](portable.md)) |
| `CROSS_FLAKE_FLAKE` | the flake that makes environments for a workspace without one ([nix.md](nix.md)) |
| `CROSS_FLAKE_ROOT` | a directory from which a row's runner takes the loader and libraries of a program |
| `CROSS_FLAKE_CALLED` | the words for the program in messages, such as `cargo xtask` |
| `CI` | nothing is built incrementally, unless `CARGO_INCREMENTAL` says otherwise |
";

/// Returns the manual of all commands: docs/cli.md.
fn commands() -> Result<String> {
    // The width is the program's own widest, so that the page does not depend on the terminal.
    let program = clap::Command::new("cargo cross-flake").bin_name("cargo cross-flake").term_width(100);
    let mut program = cli::Command::augment_subcommands(program).disable_help_subcommand(true);
    program.build();
    let commands = || program.get_subcommands().filter(|command| !command.is_hide_set());

    let mut page = INTRODUCTION.to_owned();
    page += "\n| command | does |\n| --- | --- |\n";
    for command in commands() {
        let (name, about) = (command.get_name(), command.get_about().map(ToString::to_string).unwrap_or_default());
        writeln!(page, "| [`{name}`](#{name}) | {about} |")?;
    }
    for command in commands() {
        write_help(&mut page, command, command.get_name())?;
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            write_help(&mut page, below, &format!("{} {}", command.get_name(), below.get_name()))?;
        }
    }
    Ok(page)
}

/// Adds the manual of one command.
fn write_help(page: &mut String, command: &clap::Command, name: &str) -> Result<()> {
    let help = command.clone().render_long_help().to_string();
    let help: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_what_the_program_says() {
        Docs { check: true }.run().unwrap();
    }

    #[test]
    fn a_part_is_replaced_and_the_rest_kept() {
        let document = "a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb\n";
        let new = replace(document, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- begin: x -->\nnew\n<!-- end: x -->\nb\n");
        assert_eq!(replace(&new, "x", "new").unwrap(), new);
    }

    #[test]
    fn a_document_without_markers_is_an_error_that_names_them() {
        for document in ["", "<!-- begin: x -->\n"] {
            let error = replace(document, "x", "new").unwrap_err().to_string();
            assert!(error.contains("<!-- begin: x -->"), "{error}");
        }
    }

    #[test]
    fn several_parts_share_a_document() {
        let directory = tempfile::tempdir().unwrap();
        let text = "<!-- begin: x -->\n<!-- end: x -->\n<!-- begin: y -->\n1\n<!-- end: y -->\n";
        fs::write(directory.path().join("page.md"), text).unwrap();
        let part = |marker| Part { file: "page.md", marker: Some(marker), generate: || Ok("1".to_owned()) };
        let stale = stale(directory.path(), &[part("x"), part("y")]).unwrap();
        assert_eq!(stale["page.md"], text.replace("<!-- end: x", "1\n<!-- end: x"));
        let missing = Part { file: "missing.md", marker: None, generate: || Ok("all of it".to_owned()) };
        assert_eq!(super::stale(directory.path(), &[missing]).unwrap()["missing.md"], "all of it");
    }
}
