//! Suites: what a workspace builds and tests beside its cargo packages, by whatever build system, inside the shell of each target.
//!
//! `suites.toml` beside the workspace's `Cargo.toml` is the one place that says which suite runs on which row, and for each
//! row that is left out, why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::host::child::which;
use crate::targets::{Level, Table, Target};

/// The file's name.
pub const FILE: &str = "suites.toml";

/// All suites of a workspace, in the order of the file.
#[derive(Debug, Default)]
pub struct Suites {
    suites: Vec<Suite>,
    tools: BTreeMap<String, Tool>,
}

/// Something to build and test inside the shell of each target.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Suite {
    /// The key of its table, which is a column in the report.
    #[serde(skip)]
    pub name: String,
    /// The directory in which its commands start, relative to the file.
    pub folder: PathBuf,
    /// The only rows that it is for; every row if not given.
    #[serde(default)]
    rows: Option<Vec<String>>,
    /// The cause of its being for no other row.
    #[serde(default)]
    elsewhere: Option<String>,
    /// Rows that it is not for, by the reason.
    #[serde(default)]
    holes: BTreeMap<String, Vec<String>>,
    /// Rows of level `run` on which it is only built, by the reason.
    #[serde(default)]
    link: BTreeMap<String, Vec<String>>,
    /// Directories below a step's `$OUT` with programs of the host.
    #[serde(default)]
    pub for_build_machine: Vec<PathBuf>,
    /// Its steps, each by itself.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One way to build and test a suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// The name that people read.
    pub name: String,
    /// Programs that must be on `PATH`.
    #[serde(default)]
    needs: Vec<String>,
    /// Lines for sh, for rows of level `run`. What is built goes to the directory `$OUT`.
    pub test: String,
    /// The same for rows of level `link`; without it the step is for rows of level `run` only.
    #[serde(default)]
    pub build: Option<String>,
    /// Seconds that it may take. It builds, too, and the first C++ program of a target waits for its library to be compiled.
    #[serde(default = "step_timeout")]
    pub timeout: u64,
}

fn step_timeout() -> u64 {
    900
}

impl Step {
    /// The lines for a row of this level.
    pub fn lines(&self, level: Level) -> Option<&str> {
        match level {
            Level::Run => Some(&self.test),
            Level::Link => self.build.as_deref(),
        }
    }
}

/// A program that steps need.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tool {
    /// A command that prints the version.
    #[serde(default)]
    version: Option<String>,
    /// The oldest version that will do.
    #[serde(default)]
    oldest: Option<String>,
    /// The command that gets it.
    get: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tool: BTreeMap<String, Tool>,
    #[serde(default)]
    suite: toml::Table,
}

/// A program that a suite needs and that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTool {
    /// The program.
    pub name: String,
    /// The fault: it is not on `PATH`, or too old.
    pub what: String,
    /// The command that mends it.
    pub get: Option<String>,
}

impl std::fmt::Display for MissingTool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.what)?;
        self.get.as_ref().map_or(Ok(()), |get| write!(f, "; type: {get}"))
    }
}

impl Suites {
    /// Reads the workspace's file; a workspace without one has no suites.
    ///
    /// # Errors
    /// A malformed file, or one that names an unknown row.
    pub fn load(root: &Path, table: &Table) -> Result<Suites> {
        let path = root.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Suites::parse(&text, root, table).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Suites::default()),
            Err(error) => Err(anyhow!(error).context(format!("cannot read {}", path.display()))),
        }
    }

    fn parse(text: &str, root: &Path, table: &Table) -> Result<Suites> {
        let file: File = toml::from_str(text)?;
        let mut suites = Vec::new();
        for (name, fields) in file.suite {
            let mut suite: Suite =
                fields.try_into().map_err(|e: toml::de::Error| anyhow!("suite `{name}`: {}", e.message()))?;
            let of_suite = || format!("suite `{name}`");
            for rows in suite.rows.iter().chain(suite.holes.values()).chain(suite.link.values()) {
                table.select(rows).with_context(of_suite)?;
            }
            if suite.rows.is_some() != suite.elsewhere.is_some() {
                bail!("suite `{name}`: `rows` and `elsewhere` (why it is for no other row) go together");
            }
            if suite.steps.is_empty() {
                bail!("suite `{name}`: has no [[suite.{name}.step]]");
            }
            suite.folder = root.join(&suite.folder);
            if !suite.folder.is_dir() {
                bail!("suite `{name}`: there is no folder {}", suite.folder.display());
            }
            suite.name = name;
            suites.push(suite);
        }
        Ok(Suites { suites, tools: file.tool })
    }

    /// All of them.
    pub fn all(&self) -> &[Suite] {
        &self.suites
    }

    /// The suites of these names.
    ///
    /// # Errors
    /// An unknown name.
    pub fn find(&self, names: &[String]) -> Result<Vec<Suite>> {
        let known: Vec<&str> = self.suites.iter().map(|s| s.name.as_str()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            match known.as_slice() {
                [] => bail!("unknown suite `{unknown}`: the workspace has no {FILE}"),
                known => bail!("unknown suite `{unknown}`: {FILE} has {}", known.join(", ")),
            }
        }
        Ok(self.suites.iter().filter(|s| names.contains(&s.name)).cloned().collect())
    }

    /// Returns the tools that a suite needs for these rows and the host lacks.
    pub fn missing(&self, suite: &Suite, targets: &[Target]) -> Vec<MissingTool> {
        if !targets.iter().any(|target| suite.hole(target).is_none()) {
            return Vec::new();
        }
        let mut needs: Vec<&String> = suite.steps.iter().flat_map(|step| &step.needs).collect();
        needs.sort_unstable();
        needs.dedup();
        needs.into_iter().filter_map(|name| self.missing_tool(name)).collect()
    }

    /// Returns the tools that any suite needs for these rows and the host lacks, each with the suites that need it.
    pub fn missing_tools(&self, targets: &[Target]) -> Vec<(MissingTool, Vec<String>)> {
        let mut all: Vec<(MissingTool, Vec<String>)> = Vec::new();
        for suite in &self.suites {
            for tool in self.missing(suite, targets) {
                match all.iter_mut().find(|(known, _)| *known == tool) {
                    Some((_, suites)) => suites.push(suite.name.clone()),
                    None => all.push((tool, vec![suite.name.clone()])),
                }
            }
        }
        all
    }

    fn missing_tool(&self, name: &str) -> Option<MissingTool> {
        let tool = self.tools.get(name);
        let missing =
            |what: String| Some(MissingTool { name: name.to_owned(), what, get: tool.map(|tool| tool.get.clone()) });
        let Some(program) = which(name) else { return missing(format!("no `{name}` on PATH")) };
        let (Some(command), Some(oldest)) =
            (tool.and_then(|t| t.version.as_ref()), tool.and_then(|t| t.oldest.as_ref()))
        else {
            return None;
        };
        let said = Command::new("sh").args(["-c", command]).output().ok();
        let said = said.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        match version_in(&said) {
            Some(version) if Some(version.as_slice()) < version_in(oldest).as_deref() => {
                let here = version.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
                missing(format!("{} is {name} {here}, and {oldest} is the oldest that will do", program.display()))
            }
            Some(_) => None,
            None => missing(format!("`{command}` names no version")),
        }
    }
}

/// Tells if a row is among these names, triples and patterns.
fn names(rows: &[String], target: &Target) -> bool {
    rows.iter().any(|row| target.is_called(row))
}

fn reason_for<'a>(reasons: &'a BTreeMap<String, Vec<String>>, target: &Target) -> Option<&'a str> {
    reasons.iter().find(|(_, rows)| names(rows, target)).map(|(reason, _)| reason.as_str())
}

impl Suite {
    /// Returns the level that it has on a row: no higher than that of the row itself.
    pub fn level(&self, target: &Target) -> Level {
        if self.why_only_linked(target).is_some() { Level::Link } else { target.level }
    }

    /// Returns the cause of its being only built on a row whose programs can be run.
    pub fn why_only_linked(&self, target: &Target) -> Option<&str> {
        reason_for(&self.link, target)
    }

    /// Returns the cause of its not running on a row; `None` where it does.
    pub fn hole(&self, target: &Target) -> Option<&str> {
        if let Some(reason) = reason_for(&self.holes, target) {
            return Some(reason);
        }
        if self.rows.as_ref().is_some_and(|rows| !names(rows, target)) {
            return self.elsewhere.as_deref();
        }
        if !self.steps.iter().any(|step| step.lines(self.level(target)).is_some()) {
            return Some("nothing runs there, and the suite builds nothing by itself");
        }
        None
    }
}

/// The first version in a text: numbers with dots between them.
fn version_in(text: &str) -> Option<Vec<u32>> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter(|word| word.contains('.'))
        .find_map(|word| word.split('.').map(|part| part.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "[suite.c]\nfolder = '.'\nholes = { 'no C library' = ['wasm32-web', 'thumbv7em-none-eabihf'] }\n\
                     [[suite.c.step]]\nname = 'make'\ntest = 'make check'\nneeds = ['no-such-program', 'sh']\n";

    fn parse(text: &str) -> Result<Suites> {
        Suites::parse(text, Path::new(env!("CARGO_MANIFEST_DIR")), &Table::built_in()?)
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn every_row_that_is_left_out_has_a_reason() {
        let table = Table::built_in().unwrap();
        let hole =
            |text: &str, row: &str| parse(text).unwrap().all()[0].hole(table.find(row).unwrap()).map(str::to_owned);
        assert_eq!(hole(C, "aarch64-linux"), None);
        assert_eq!(hole(C, "cortex-m4f").unwrap(), "no C library");
        assert!(hole(C, "macos-x64").unwrap().starts_with("nothing runs there"));
        let builds = format!("{C}build = 'make'\n");
        assert_eq!(hole(&builds, "macos-x64"), None);
        let some = C.replace("holes", "rows = ['s390x-linux']\nelsewhere = 'a reason'\nholes");
        assert_eq!(hole(&some, "s390x-linux"), None);
        assert_eq!(hole(&some, "aarch64-linux").unwrap(), "a reason");
        assert_eq!(hole(&some, "wasm32-web").unwrap(), "no C library");
    }

    #[test]
    fn a_suite_may_be_taken_less_far_than_its_row() {
        let table = Table::built_in().unwrap();
        let text = C.replace("holes", "link = { 'no interpreter' = ['windows-x64'] }\nholes") + "build = 'make'\n";
        let suites = parse(&text).unwrap();
        let level = |row: &str| suites.all()[0].level(table.find(row).unwrap());
        assert_eq!(["windows-x64", "aarch64-linux", "macos-x64"].map(level), [Level::Link, Level::Run, Level::Link]);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        assert!(error(&C.replace("wasm32-web", "wasm32-wep")).contains("unknown target `wasm32-wep`; did you mean"));
        assert!(error(&C.replace("holes", "hole")).contains("suite `c`: unknown field `hole`"));
        assert!(error(&C.replace("'.'", "'nowhere'")).contains("suite `c`: there is no folder"));
        assert!(error(&C.replace("holes", "rows = []\nholes")).contains("go together"));
        let unknown = parse(C).unwrap().find(&["d".to_owned()]).unwrap_err().to_string();
        assert_eq!(unknown, "unknown suite `d`: suites.toml has c");
    }

    #[test]
    fn a_tool_that_is_missing_or_too_old_is_named_with_what_to_type() {
        let table = Table::built_in().unwrap();
        let missing = |text: &str, row: &str| -> Vec<String> {
            let suites = parse(text).unwrap();
            let missing = suites.missing(&suites.all()[0], &[table.find(row).unwrap().clone()]);
            missing.iter().map(ToString::to_string).collect()
        };
        assert_eq!(missing(C, "aarch64-linux"), ["no `no-such-program` on PATH"]);
        assert!(missing(C, "wasm32-web").is_empty(), "the suite is not for this row");
        let tool = |oldest: &str| {
            format!(
                "{C}[tool.sh]\nversion = 'echo sh version go1.19.8 linux'\noldest = '{oldest}'\nget = 'apt install sh'\n"
            )
        };
        let text = missing(&tool("1.21"), "aarch64-linux").remove(1);
        assert!(text.ends_with("is sh 1.19.8, and 1.21 is the oldest that will do; type: apt install sh"), "{text}");
        assert_eq!(missing(&tool("1.9"), "aarch64-linux").len(), 1);
    }
}
