//! Documentation tests: `cargo test --doc`, for the packages that have any.

use std::ffi::OsString;

use anyhow::Result;
use cargo_metadata::Package;

use super::build::{SELECTION, command_in, given};
use super::tests::{Job, Program};
use super::{Request, Row, Run};

/// Whether the row has documentation tests to run.
pub fn any(row: &Row<'_>, request: &Request) -> bool {
    !given(&request.cargo_args, SELECTION) && row.packages.iter().any(|p| has_doctests(p))
}

/// A job for each package that has documentation tests.
pub fn jobs(index: usize, row: &Row<'_>, run: &Run<'_>) -> Result<Vec<Job>> {
    let environments: Vec<_> = run.rows.iter().map(|r| r.environment).collect();
    let mut jobs = Vec::new();
    for package in row.packages.iter().filter(|p| has_doctests(p)) {
        // The same variables as in the build, or cargo would build everything again.
        let mut command = command_in("cargo", &environments)?;
        command.args(["test", "--doc", "--quiet", "--manifest-path"]).arg(&package.manifest_path);
        command.args(["--package", package.name.as_str(), "--target", &row.target.triple]);
        command.args(&run.request.cargo_args).arg("--").args(&run.request.test_args);
        let line = std::iter::once(command.get_program()).chain(command.get_args()).map(OsString::from).collect();
        let env = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_string_lossy().into_owned(), value?.to_owned())))
            .collect();
        jobs.push(Job {
            row: index,
            step: None,
            title: format!("{} doctests", package.name),
            program: Program::Doctests { command: line, runner: row.environment.runner.clone() },
            args: Vec::new(),
            env,
            cwd: package.manifest_path.parent().map(|p| p.as_std_path().to_owned()).unwrap_or_default(),
            library_path: Vec::new(),
        });
    }
    Ok(jobs)
}

/// Whether a library of the package may have documentation tests: rustdoc costs a second for one that has none, so
/// its sources are searched for the marks of a code block first.
fn has_doctests(package: &Package) -> bool {
    package.targets.iter().filter(|t| t.doctest && !t.is_proc_macro()).any(|target| {
        let folder = target.src_path.parent().map(|p| p.as_std_path().to_owned()).unwrap_or_default();
        let mut todo = vec![folder];
        while let Some(path) = todo.pop() {
            if path.is_dir() {
                todo.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
            } else if path.extension().is_some_and(|e| e == "rs")
                && std::fs::read_to_string(&path).is_ok_and(|text| is_marked(&text))
            {
                return true;
            }
        }
        false
    })
}

/// Fences, indented blocks, and documentation that comes from elsewhere (a macro, a file).
fn is_marked(text: &str) -> bool {
    ["```", "~~~", "///     ", "//!     ", "doc = ", "doc="].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_are_seen_in_every_form() {
        for text in
            ["/// ```\n/// f();\n/// ```", "//! ~~~", "///     f();", "#![doc = include_str!(\"../README.md\")]"]
        {
            assert!(is_marked(text), "{text}");
        }
        assert!(!is_marked("/// Adds `a` and `b`.\nfn add() {}"));
    }
}
