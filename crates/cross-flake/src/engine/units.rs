//! Cargo's unit graph: which crates a command would compile, for what, and upon which others.
//!
//! The graph is unstable (The Cargo Book, "Unstable features", `unit-graph`), and a stable cargo gives it to whoever says so.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// The graph, as far as it matters here.
#[derive(Deserialize)]
pub struct Graph {
    version: u32,
    /// The crates, each as often as it is compiled in another way.
    pub units: Vec<Unit>,
}

impl Graph {
    /// The places of the programs of a package.
    pub fn programs_of(&self, id: &str) -> impl Iterator<Item = usize> {
        let is_program = move |unit: &Unit| unit.pkg_id == id && unit.target.kind.iter().any(|kind| kind == "bin");
        self.units.iter().enumerate().filter(move |(_, unit)| is_program(unit)).map(|(index, _)| index)
    }
}

/// One call of the compiler, or of a build script.
#[derive(Deserialize)]
pub struct Unit {
    /// The package's id.
    pub pkg_id: String,
    /// The triple; none for the host.
    pub platform: Option<String>,
    /// The package's target that is meant.
    pub target: UnitTarget,
    /// The settings of the compiler.
    #[serde(default)]
    pub profile: Profile,
    /// The features of the package that are on.
    pub features: Vec<String>,
    /// The units that it needs.
    #[serde(default)]
    pub dependencies: Vec<Needed>,
}

/// A target of a package, in cargo's sense of the word.
#[derive(Deserialize)]
pub struct UnitTarget {
    /// `lib`, `bin`, `custom-build` and others.
    pub kind: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its first source file.
    #[serde(default)]
    pub src_path: String,
}

/// Settings of the compiler.
#[derive(Default, Deserialize)]
pub struct Profile {
    #[serde(default)]
    debuginfo: Value,
}

impl Profile {
    /// Tells if programs get debug information.
    pub fn has_debug_information(&self) -> bool {
        !(self.debuginfo.is_null() || self.debuginfo == 0 || self.debuginfo == "none")
    }
}

/// A unit that another one needs.
#[derive(Deserialize)]
pub struct Needed {
    /// Its place in the graph.
    pub index: usize,
}

/// The version of the unit graph that is known here.
const VERSION: u32 = 1;

/// Asks cargo for the graph of this command of its.
///
/// # Errors
/// Cargo cannot be started, cannot resolve the workspace, or has another graph than the one that is known.
pub fn graph_of(command: &mut Command) -> Result<Graph> {
    command.args(["--unit-graph", "-Zunstable-options"]).env("RUSTC_BOOTSTRAP", "1");
    command.stdin(Stdio::null());
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    read(&output.stdout)
}

/// Reads a graph.
///
/// # Errors
/// It is of another version.
pub fn read(json: &[u8]) -> Result<Graph> {
    let graph: Graph = serde_json::from_slice(json).context("cannot read cargo's unit graph")?;
    if graph.version != VERSION {
        bail!("cargo's unit graph has version {}, and {VERSION} is known here", graph.version);
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_the_graph_is_refused() {
        let error = read(br#"{"version": 2, "units": []}"#).err().unwrap();
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
