//! The provider for a machine with Nix: environments are packages `env-<row>` of a flake, the workspace's own or the one that
//! xtask came from. Compilers, emulators and Rust are in the Nix store; only the folder that joins toolchains is in the cache.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::{Download, Prepared, Provider, toolchain};
use crate::cache::Cache;
use crate::commands::doctor::which;
use crate::engine::build::clean_command;
use crate::environment::{Environment, SCHEMA};
use crate::events::{Event, Events};
use crate::signals;
use crate::targets::Target;
use crate::workspace::{Toolchain, Workspace};

/// Names the flake for workspaces that have none of their own. The flake's app `xtask` sets it.
pub const FLAKE_VARIABLE: &str = "CROSS_FLAKE_FLAKE";

/// What enables flakes, and where it belongs.
const ENABLE: &str = "put `experimental-features = nix-command flakes` into ~/.config/nix/nix.conf";

/// The oldest Nix that the flake is tested with.
const OLDEST: (u32, u32) = (2, 26);

/// The provider.
pub struct Nix {
    cache: Cache,
    flake: OsString,
    /// Where the links are that keep what was built from `nix store gc`.
    roots: PathBuf,
}

/// Whether Nix can provide for a workspace.
pub enum Found {
    /// It can.
    Usable(Nix),
    /// Nix, or a flake for it, is not there: nothing to speak of.
    Absent(String),
    /// Both are there, and something keeps them from working: worth telling people.
    Unusable(String),
}

impl Nix {
    /// Looks for Nix and a flake. Where there is no `nix` on `PATH` that takes no time.
    pub fn find(workspace: &Workspace, cache: Cache) -> Found {
        if which("nix").is_none() {
            return Found::Absent("nix is not on PATH: install Nix, or use `--provider portable`".to_owned());
        }
        let Some(flake) = flake(workspace.root()).map(Into::into).or_else(|| env::var_os(FLAKE_VARIABLE)) else {
            return Found::Absent(format!(
                "{} has no flake.nix that uses cross-flake: `nix flake init --template` makes one (docs/nix.md), {FLAKE_VARIABLE} \
                 may name another, and `--provider portable` needs none",
                workspace.root().display()
            ));
        };
        match usable() {
            Ok(()) => {
                let roots = workspace.metadata.target_directory.as_std_path().join("cross-flake/nix");
                Found::Usable(Nix { cache, flake, roots })
            }
            Err(reason) => Found::Unusable(format!("{reason:#}")),
        }
    }

    fn installable(&self, attribute: &str) -> OsString {
        let mut installable = self.flake.clone();
        installable.push(format!("#{attribute}"));
        installable
    }

    /// `nix build` of the documents of these rows; they come in the same order.
    fn build(&self, targets: &[Target], events: &Events) -> Result<Vec<PathBuf>> {
        #[derive(Deserialize)]
        struct Built {
            outputs: Outputs,
        }
        #[derive(Deserialize)]
        struct Outputs {
            out: PathBuf,
        }
        std::fs::create_dir_all(&self.roots).with_context(|| format!("cannot write {}", self.roots.display()))?;
        let mut command = clean_command("nix");
        command.args(["build", "--json", "--print-build-logs", "--out-link"]).arg(self.roots.join("env"));
        command.args(targets.iter().map(|target| self.installable(&format!("env-{target}"))));
        let (success, stdout, stderr) = run(&mut command, events)?;
        if !success {
            signals::check()?;
            bail!("{}", explain(&stderr));
        }
        let built: Vec<Built> = serde_json::from_str(&stdout).context("cannot read what `nix build --json` printed")?;
        Ok(built.into_iter().map(|built| built.outputs.out).collect())
    }

    /// The link that tells that a row was built once.
    fn root(&self, target: &Target) -> PathBuf {
        self.roots.join(&target.name)
    }

    fn environment(&self, target: &Target, document: &Path) -> Result<Environment> {
        let failed = || format!("{} is no environment of {target}", document.display());
        let text = std::fs::read(document).with_context(failed)?;
        let environment: Environment = serde_json::from_slice(&text).with_context(failed)?;
        if environment.schema != SCHEMA || environment.triple != target.triple {
            bail!(
                "the flake's {target} is {} in form {}, and this xtask's is {} in form {SCHEMA}: the flake's cross-flake and this one \
                 differ; `nix flake update cross-flake` may help",
                environment.triple,
                environment.schema,
                target.triple
            );
        }
        let root = self.root(target);
        let _ = std::fs::remove_file(&root);
        symlink(document, &root).with_context(|| format!("cannot write {}", root.display()))?;
        Ok(environment)
    }

    /// Gives the environments of several rows one toolchain, since one cargo builds for all of them: that of the first by name,
    /// with the std of the others.
    fn join_toolchains(&self, prepared: &mut [Prepared]) -> Result<()> {
        let holds_rustc = |folder: &PathBuf| folder.join("rustc").exists();
        let mut rows: Vec<&mut Environment> =
            prepared.iter_mut().filter_map(|one| one.environment.as_mut().ok()).collect();
        rows.sort_by(|a, b| a.target.cmp(&b.target));
        if rows.len() < 2 {
            return Ok(());
        }
        let mut libraries = Vec::new();
        let mut base: Option<Toolchain> = None;
        for row in &rows {
            let bin = row.path.iter().find(|folder| holds_rustc(folder));
            let bin = bin.with_context(|| format!("the environment of {} has no rustc", row.target))?;
            let own = Toolchain::at(&bin.join("rustc"))?;
            libraries.push((row.triple.clone(), own.sysroot.join("lib/rustlib").join(&row.triple)));
            base.get_or_insert(own);
        }
        let base = base.context("no toolchain")?;
        let farm = toolchain::make(&self.cache, &base, &libraries, None)?;
        for row in &mut rows {
            for folder in row.path.iter_mut().filter(|folder| holds_rustc(folder)) {
                *folder = farm.join("bin");
            }
        }
        Ok(())
    }
}

impl Provider for Nix {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn is_ready(&self, _: &Workspace, target: &Target) -> bool {
        self.root(target).exists()
    }

    /// Nothing: Nix itself says what it fetches, while it does.
    fn missing(&self, _: &Workspace, _: &[Target], _: &Events) -> Result<Vec<Download>> {
        Ok(Vec::new())
    }

    fn prepare(&self, _: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Prepared>> {
        let doing = format!("asking {} for {} environments", self.flake.to_string_lossy(), targets.len());
        let documents = events.step("nix", &doing, || {
            Ok(match self.build(targets, events) {
                Ok(all) => all.into_iter().map(Ok).collect(),
                Err(reason) if targets.len() == 1 => vec![Err(reason)],
                // One row that fails keeps the others from being printed: whose fault is it?
                Err(_) => {
                    let one = |target: &Target| {
                        self.build(std::slice::from_ref(target), events)?.pop().context("`nix build` printed no path")
                    };
                    targets.iter().map(one).collect::<Vec<Result<PathBuf>>>()
                }
            })
        })?;
        signals::check()?;
        let mut prepared: Vec<Prepared> = std::iter::zip(targets, documents)
            .map(|(target, document)| Prepared {
                target: target.clone(),
                environment: document
                    .and_then(|document| self.environment(target, &document))
                    .map_err(|error| format!("{error:#}")),
            })
            .collect();
        self.join_toolchains(&mut prepared)?;
        Ok(prepared)
    }

    fn enter(&self, target: &Target, command: &[OsString]) -> Option<Command> {
        let mut nix = clean_command("nix");
        nix.arg("develop").arg(self.installable(&target.name));
        if !command.is_empty() {
            nix.arg("--command").args(command);
        }
        Some(nix)
    }
}

/// The folder with the workspace's own flake: it, or the nearest one above it in the same git tree, with a flake.nix that
/// speaks of cross-flake.
fn flake(root: &Path) -> Option<PathBuf> {
    for folder in root.ancestors() {
        let text = std::fs::read_to_string(folder.join("flake.nix")).unwrap_or_default();
        if text.contains("cross-flake") {
            return Some(folder.to_owned());
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Whether this Nix builds flakes.
fn usable() -> Result<()> {
    let version = version()?;
    if version < OLDEST {
        bail!(
            "nix {}.{} is too old: {}.{} or newer is needed; `--provider portable` needs none",
            version.0,
            version.1,
            OLDEST.0,
            OLDEST.1
        );
    }
    let features = clean_command("nix").args(["config", "show", "experimental-features"]).output();
    let features = features.context("cannot start nix")?;
    if !features.status.success() || !String::from_utf8_lossy(&features.stdout).contains("flakes") {
        bail!("flakes are not enabled in Nix: {ENABLE}");
    }
    Ok(())
}

/// Nix's version, as far as it matters.
fn version() -> Result<(u32, u32)> {
    let output = clean_command("nix").arg("--version").output().context("cannot start nix")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    parse_version(&said).ok_or_else(|| anyhow!("nix does not say its version: {said}"))
}

/// `nix (Nix) 2.26.3`, and other implementations' likes of it.
fn parse_version(said: &str) -> Option<(u32, u32)> {
    let word = said.split_whitespace().next_back()?;
    let mut parts = word.split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What `doctor` says of Nix: the version, and what keeps it from being used.
pub fn describe() -> Option<(String, Result<()>)> {
    which("nix")?;
    let version = version().map_or_else(|error| format!("{error:#}"), |(major, minor)| format!("{major}.{minor}"));
    Some((version, usable()))
}

/// Runs nix, and tells of its progress line by line.
fn run(command: &mut Command, events: &Events) -> Result<(bool, String, String)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start nix")?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let said = std::thread::scope(|scope| {
        let said = scope.spawn(|| {
            let mut said = String::new();
            for line in BufReader::new(stderr).split(b'\n').map_while(std::io::Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                events.send(Event::Setup { key: "nix", text: &format!("nix: {line}") });
                said.push_str(&line);
                said.push('\n');
            }
            said
        });
        let output = child.wait_with_output();
        (output, said.join().unwrap_or_default())
    });
    let (output, stderr) = said;
    let output = output.context("cannot wait for nix")?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned(), stderr))
}

/// The part of what nix said that tells why it failed, and what helps.
fn explain(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
    let end = lines[lines.len().saturating_sub(25)..].join("\n");
    let hint = if stderr.contains("is not tracked by Git") || stderr.contains("not tracked") {
        "\nnix sees only what git knows of: `git add` the file"
    } else if stderr.contains("does not provide attribute") {
        "\nthe flake's outputs need `packages.<system>` with mkCross's `environments` (docs/nix.md)"
    } else if stderr.contains("unable to download") || stderr.contains("Could not resolve host") {
        "\nwithout a network, `--provider portable` works from its cache"
    } else {
        ""
    };
    format!("`nix build` failed\n{}{hint}", end.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("nix (Nix) 2.26.3"), Some((2, 26)));
        assert_eq!(parse_version("nix (Determinate Nix 3.11.2) 2.31.1"), Some((2, 31)));
        assert_eq!(parse_version("nix (Nix) 2.32pre20251001_abc"), Some((2, 32)));
        assert_eq!(parse_version("nix"), None);
    }

    #[test]
    fn a_flake_is_looked_for_within_the_git_tree() {
        let dir = tempfile::tempdir().unwrap();
        let member = dir.path().join("tree/crates/member");
        std::fs::create_dir_all(&member).unwrap();
        std::fs::create_dir(dir.path().join("tree/.git")).unwrap();
        std::fs::write(dir.path().join("flake.nix"), "cross-flake").unwrap();
        assert_eq!(flake(&member), None);
        std::fs::write(dir.path().join("tree/flake.nix"), "{ }").unwrap();
        assert_eq!(flake(&member), None);
        std::fs::write(dir.path().join("tree/flake.nix"), "inputs.cross-flake").unwrap();
        assert_eq!(flake(&member), Some(dir.path().join("tree")));
    }

    #[test]
    fn a_failure_says_what_helps() {
        let said = "warning: Git tree is dirty\nerror: path 'flake.nix' is not tracked by Git.";
        let text = explain(said);
        assert!(text.contains("git add") && !text.contains("warning"), "{text}");
    }
}
