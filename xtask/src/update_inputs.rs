//! `cargo xtask update-inputs`: what newer inputs of the flake would change for its users.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use cross_flake::host;
use cross_flake::provider::portable::wheels::ZIG;
use serde::Deserialize;
use serde_json::Value;
use xshell::{Shell, cmd};

/// Say what `nix flake update` would change for users of the flake, and change nothing
///
/// Names of attributes that are needed and would be missing, minimum versions, and the versions of what targets are made of. Fails if
/// something would be missing.
#[derive(Args)]
pub struct UpdateInputs {
    /// An input, and what is taken for it instead of the newest, as nix takes it
    #[arg(long, value_names = ["INPUT", "FLAKE"], num_args = 2)]
    override_input: Vec<String>,
    /// The flake [default: this repository]
    #[arg(long, value_name = "DIR")]
    flake: Option<PathBuf>,
}

/// checks/facts.nix.
#[derive(Debug, Default, Deserialize)]
struct Facts {
    missing: Vec<String>,
    versions: BTreeMap<String, Option<String>>,
    minimum: Minimum,
}

/// The oldest nixpkgs that will do.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Minimum {
    crane: Option<String>,
    cross_flake: String,
}

impl UpdateInputs {
    /// Runs the command.
    ///
    /// # Errors
    /// There is no Nix, or the inputs cannot be fetched or evaluated.
    pub fn run(self) -> Result<ExitCode> {
        ensure!(host::child::which("nix").is_some(), "there is no nix on PATH: `checks/install-nix DIR` makes one");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?;
        let copy = tempfile::tempdir()?;
        copy_files(self.flake.as_deref().unwrap_or(repository), copy.path())?;
        let sh = Shell::new()?;
        sh.change_dir(copy.path());

        let now = (locked(copy.path())?, facts(&sh)?);
        if self.override_input.is_empty() {
            cmd!(sh, "nix flake update").quiet().run()?;
        } else {
            let overrides = self.override_input.chunks(2).flat_map(|pair| ["--override-input", &pair[0], &pair[1]]);
            cmd!(sh, "nix flake lock {overrides...}").quiet().run()?;
        }
        let then = (locked(copy.path())?, facts(&sh)?);

        print!("{}", table(&now, &then));
        let problems = problems(&then.1);
        for problem in &problems {
            println!("{problem}");
        }
        Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Copies the files that git knows of, or would add.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let files = host::git::git(from, &["ls-files", "--cached", "--others", "--exclude-standard", "-z"])?;
    for file in files.split('\0').filter(|file| from.join(file).is_file()) {
        let to = to.join(file);
        fs::create_dir_all(to.parent().context("a file has no directory")?)?;
        fs::copy(from.join(file), to)?;
    }
    Ok(())
}

/// Returns what the flake in the shell's directory has of its inputs.
fn facts(sh: &Shell) -> Result<Facts> {
    let directory = sh.current_dir();
    let directory = directory.display();
    let expression = format!("import {directory}/checks/facts.nix (builtins.getFlake \"path:{directory}\")");
    let text = cmd!(sh, "nix eval --impure --json --expr {expression}").quiet().read()?;
    serde_json::from_str(&text).context("checks/facts.nix gives something else")
}

/// Returns the revision of each input, by name.
fn locked(flake: &Path) -> Result<BTreeMap<String, String>> {
    let lock: Value = serde_json::from_str(&fs::read_to_string(flake.join("flake.lock"))?)?;
    let inputs = lock["nodes"]["root"]["inputs"].as_object().context("flake.lock has no inputs")?;
    let revision = |node: &Value| {
        let locked = &lock["nodes"][node.as_str()?]["locked"];
        let id = locked["rev"].as_str().or_else(|| locked["narHash"].as_str()?.strip_prefix("sha256-"))?;
        Some(id.chars().take(8).collect())
    };
    Ok(inputs.iter().filter_map(|(name, node)| Some((name.clone(), revision(node)?))).collect())
}

/// Returns what differs, as a table; zig's version is there in any case.
fn table(now: &(BTreeMap<String, String>, Facts), then: &(BTreeMap<String, String>, Facts)) -> String {
    let mut text = "| | now | then |\n| --- | --- | --- |\n".to_owned();
    for (name, new) in &then.0 {
        let old = now.0.get(name).map_or("none", String::as_str);
        if old != new {
            let _ = writeln!(text, "| input {name} | {old} | {new} |");
        }
    }
    let shown = |version: Option<&Option<String>>| version.cloned().flatten().unwrap_or_else(|| "none".to_owned());
    for (name, new) in &then.1.versions {
        let (old, new) = (shown(now.1.versions.get(name)), shown(Some(new)));
        let beside = if name == "zig" { format!(" (the wheel's: {})", ZIG.version) } else { String::new() };
        if old != new || name == "zig" {
            let _ = writeln!(text, "| {name}{beside} | {old} | {new} |");
        }
    }
    text
}

/// Returns what keeps the newer inputs from being taken as they are.
fn problems(facts: &Facts) -> Vec<String> {
    let mut problems: Vec<String> = facts.missing.iter().map(|name| format!("missing: {name}")).collect();
    let absent = facts.versions.iter().filter(|(_, version)| version.is_none());
    problems.extend(absent.map(|(name, _)| format!("missing: {name} cannot be evaluated")));
    if let Some(crane) = facts.minimum.crane.as_ref().filter(|crane| **crane != facts.minimum.cross_flake) {
        let own = &facts.minimum.cross_flake;
        problems.push(format!("crane asks for nixpkgs {crane}, and nix/minimum.nix and docs/nix.md say {own}"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(zig: Option<&str>, crane: &str) -> Facts {
        let minimum = Minimum { crane: Some(crane.to_owned()), cross_flake: "26.05".to_owned() };
        let versions = [("wine", Some("11.0")), ("zig", zig)];
        let versions = versions.map(|(name, version)| (name.to_owned(), version.map(str::to_owned)));
        Facts { missing: Vec::new(), versions: versions.into(), minimum }
    }

    #[test]
    fn what_differs_is_shown_and_zig_in_any_case() {
        let at = |revision: &str, facts| (BTreeMap::from([("crane".to_owned(), revision.to_owned())]), facts);
        let same = table(&at("a", facts(Some("0.16.0"), "26.05")), &at("a", facts(Some("0.16.0"), "26.05")));
        assert!(!same.contains("crane") && !same.contains("wine"), "{same}");
        assert!(same.contains(&format!("| zig (the wheel's: {}) | 0.16.0 | 0.16.0 |\n", ZIG.version)), "{same}");
        let other = table(&at("a", facts(Some("0.16.0"), "26.05")), &at("b", facts(None, "26.05")));
        assert!(other.contains("| input crane | a | b |\n") && other.contains("| 0.16.0 | none |"), "{other}");
    }

    #[test]
    fn what_is_missing_and_a_minimum_that_nobody_says_are_problems() {
        assert_eq!(problems(&facts(Some("0.16.0"), "26.05")), Vec::<String>::new());
        let found = problems(&facts(None, "26.11")).join("\n");
        assert!(found.contains("missing: zig") && found.contains("nixpkgs 26.11"), "{found}");
    }
}
