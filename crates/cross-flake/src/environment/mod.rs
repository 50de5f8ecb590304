//! The environment of one target: the document that providers make and everything else consumes. What is in it stands in
//! `data/environment.toml` and `data/runners.toml`, which both providers read.

mod fill;
pub mod runners;
pub mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::targets::Target;
use cross_flake_runner::RunnerSpec;
pub use fill::Values;
pub use variables::markdown;

/// The origin of the libraries that Rust brings for a target.
pub use crate::outcome::StdOrigin;

/// The version of the document's form.
pub const SCHEMA: u32 = 1;

/// Variables, `PATH` and runner for one target, as `cargo cross-flake env TARGET --json` prints it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The provider that made it.
    pub provider: String,
    /// The row's name.
    pub target: String,
    /// The Rust triple.
    pub triple: String,
    /// Variables with the triple in their name: those of all targets fit into one process.
    pub scoped: BTreeMap<String, String>,
    /// Variables of a shell that is inside this one target.
    pub shell: BTreeMap<String, String>,
    /// Directories for the front of `PATH`.
    pub path: Vec<PathBuf>,
    /// Inputs of builds that no variable names: a word for people, and a key that changes with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The oldest glibc that its programs promise to run with.
    pub glibc: Option<String>,
    /// The origin of Rust's std, as far as the provider tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<StdOrigin>,
    /// The start of its programs; `None` for a row of level `link`.
    pub runner: Option<RunnerSpec>,
    /// Flags for rustc that one run adds to those of `scoped`; no document has any.
    #[serde(skip)]
    pub flags: Vec<String>,
}

impl Environment {
    /// Returns an empty environment for this row.
    pub fn new(provider: &str, target: &Target) -> Environment {
        Environment {
            schema: SCHEMA,
            provider: provider.to_owned(),
            target: target.name.clone(),
            triple: target.triple.clone(),
            scoped: BTreeMap::new(),
            shell: BTreeMap::new(),
            path: Vec::new(),
            inputs: BTreeMap::new(),
            glibc: None,
            std: None,
            runner: None,
            flags: Vec::new(),
        }
    }

    /// Lets the variables of whoever calls win over scoped ones, and gives the names of those that did. `own` is the directory of the
    /// cache: values that name it come from a shell of ours.
    pub fn let_caller_win(&mut self, own: &str, caller: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut won = Vec::new();
        for (name, value) in &mut self.scoped {
            let Some(callers) = caller(name).filter(|callers| !callers.is_empty() && callers != value) else {
                continue;
            };
            if name.ends_with("_RUNNER") || callers.contains(own) {
                continue;
            }
            if name.ends_with("_RUSTFLAGS") {
                // What a shell of ours has added already is not added again.
                if !callers.contains(value.as_str()) {
                    *value = format!("{value} {callers}");
                } else {
                    *value = callers;
                }
                continue;
            }
            *value = callers;
            won.push(name.clone());
        }
        won
    }

    /// Returns lines that a POSIX shell can `eval`.
    pub fn to_shell(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.scoped.iter().chain(&self.shell) {
            out.push_str(&format!("export {name}={}\n", quote(value)));
        }
        let path: Vec<String> = self.path.iter().map(|p| quote(&p.to_string_lossy())).collect();
        if !path.is_empty() {
            out.push_str(&format!("export PATH={}:\"$PATH\"\n", path.join(":")));
        }
        out
    }
}

fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Returns `PATH` with these directories in front of what the process has; each once.
///
/// # Errors
/// A directory with a colon in its name cannot stand in `PATH`.
pub fn path_with(environments: &[&Environment]) -> Result<OsString> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let ours = environments.iter().flat_map(|e| e.path.iter().cloned());
    for folder in ours.chain(std::env::split_paths(&inherited)) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    std::env::join_paths(folders).context("a directory with a colon in its name cannot stand in PATH")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Table;

    #[test]
    fn variables_of_the_caller_win_unless_they_are_ours() {
        let table = Table::built_in().unwrap();
        let mut environment = Environment::new("portable", &table.rows()[0]);
        let names = ["CC_x", "CXX_x", "CARGO_TARGET_X_RUNNER", "CARGO_TARGET_X_RUSTFLAGS", "AR_x"];
        for name in names {
            environment.scoped.insert(name.into(), "ours".into());
        }
        let caller = |name: &str| match name {
            "CC_x" => Some("/opt/cc".to_owned()),
            "CXX_x" => Some("/cache/bin/other-c++".to_owned()),
            "AR_x" => Some(String::new()),
            "CARGO_TARGET_X_RUNNER" | "CARGO_TARGET_X_RUSTFLAGS" => Some("theirs".to_owned()),
            _ => None,
        };
        assert_eq!(environment.let_caller_win("/cache", caller), ["CC_x"]);
        let values = names.map(|name| environment.scoped[name].as_str());
        assert_eq!(values, ["/opt/cc", "ours", "ours", "ours theirs", "ours"]);
    }

    #[test]
    fn shell_lines_survive_quotes_and_spaces() {
        let table = Table::built_in().unwrap();
        let mut environment = Environment::new("portable", &table.rows()[0]);
        environment.shell.insert("CC".into(), "/a b/it's $HOME/cc".into());
        environment.path.push("/a b/bin".into());
        let script = format!("{}printf '%s|%s' \"$CC\" \"${{PATH%%:*}}\"", environment.to_shell());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "/a b/it's $HOME/cc|/a b/bin");
    }
}
