//! The provider for a machine with Nix: environments are packages `env-<row>` of a flake, the workspace's own or the one that
//! cross-flake came from. Compilers, emulators and Rust are in the Nix store; only the folder that joins toolchains is in the cache.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::finding::{Finding, State};
use super::{Download, Prepared, Provider, Reason, toolchain};
use crate::cache::Cache;
use crate::environment::{Environment, SCHEMA};
use crate::events::{Event, Events};
use crate::host::child::clean_command;
use crate::host::child::which;
use crate::host::signals;
use crate::settings;
use crate::targets::Target;
use crate::workspace::{Toolchain, Workspace};

/// The setting that enables flakes, and the file it belongs to.
const ENABLE: &str = "put `experimental-features = nix-command flakes` into ~/.config/nix/nix.conf";

/// The oldest Nix that the flake is tested with.
const OLDEST: (u32, u32) = (2, 26);

/// The provider.
pub struct Nix {
    cache: Cache,
    flake: OsString,
    /// The folder of the links that keep what was built from `nix store gc`: one for each row.
    roots: PathBuf,
}

/// An answer to whether Nix can provide for a workspace.
pub enum Found {
    /// It can.
    Usable(Nix),
    /// Nix, or a flake for it, is not there: nothing to speak of.
    Absent(Reason),
    /// Both are there, and something keeps them from working: worth telling people.
    Unusable(Reason),
}

impl Nix {
    /// Looks for Nix and a flake. Where there is no `nix` on `PATH` that takes no time.
    pub fn find(workspace: &Workspace, cache: Cache) -> Found {
        if which("nix").is_none() {
            let (major, minor) = OLDEST;
            let hint = format!(
                "install Nix {major}.{minor} or newer (https://nixos.org/download), or use `--provider portable`"
            );
            return Found::Absent(Reason::new("nix is not on PATH").hint(hint));
        }
        let Some(flake) = flake_for(workspace.root()) else {
            let what = format!("{} has no flake.nix that uses cross-flake", workspace.root().display());
            return Found::Absent(Reason::new(what).hint(format!(
                "`nix flake init --template` makes one (docs/nix.md), {} may name another, and `--provider portable` \
                 needs none",
                settings::FLAKE
            )));
        };
        match usable() {
            Ok(()) => {
                let roots = workspace.metadata.target_directory.as_std_path().join("cross-flake/nix");
                Found::Usable(Nix { cache, flake, roots })
            }
            Err(reason) => Found::Unusable(reason),
        }
    }

    /// The flake that has the environments, as Nix takes it.
    pub fn flake(&self) -> String {
        self.flake.to_string_lossy().into_owned()
    }

    fn installable(&self, attribute: &str) -> OsString {
        let mut installable = self.flake.clone();
        // Nix takes a dot for the end of a name.
        let quote = if attribute.contains('.') { "\"" } else { "" };
        installable.push(format!("#{quote}{attribute}{quote}"));
        installable
    }

    /// `nix build` of the documents of these rows; they come in the same order.
    fn build(&self, targets: &[&Target], events: &Events) -> Result<Vec<PathBuf>> {
        #[derive(Deserialize)]
        struct Built {
            outputs: Outputs,
        }
        #[derive(Deserialize)]
        struct Outputs {
            out: PathBuf,
        }
        let mut command = clean_command("nix");
        // What can be had is built even if something else fails, so that asking again costs little.
        command.args(["build", "--json", "--no-link", "--keep-going"]);
        command.args(targets.iter().map(|target| self.installable(&attribute(target))));
        let stdout = run(&mut command, events)?;
        let built: Vec<Built> = serde_json::from_str(&stdout).context("cannot read what `nix build --json` printed")?;
        Ok(built.into_iter().map(|built| built.outputs.out).collect())
    }

    /// The documents of rows that cannot be had all together, for this reason: whose fault is it?
    ///
    /// # Errors
    /// The flake's own: it cannot be read at all.
    fn build_apart(&self, targets: &[Target], reason: anyhow::Error, events: &Events) -> Result<Vec<Result<PathBuf>>> {
        let offered = self.offered(events)?;
        let is_offered = |target: &Target| offered.contains(&attribute(target));
        let rest: Vec<&Target> = targets.iter().filter(|target| is_offered(target)).collect();
        if targets.len() == 1 && rest.len() == 1 {
            return Ok(vec![Err(reason)]);
        }
        // If the only fault was that rows are missing, the rest is to be had together. Of nothing Nix makes the default package.
        let again = !rest.is_empty() && rest.len() < targets.len();
        let mut together = if again { self.build(&rest, events).ok().map(Vec::into_iter) } else { None };
        let mut documents = Vec::new();
        for target in targets {
            signals::check()?;
            documents.push(if !is_offered(target) {
                Err(self.does_not_offer(target, &offered))
            } else {
                match together.as_mut().and_then(Iterator::next) {
                    Some(document) => Ok(document),
                    None => self.build(&[target], events).and_then(|mut one| one.pop().context("nix built nothing")),
                }
            });
        }
        Ok(documents)
    }

    /// The names of the flake's packages for this machine, and of those that it does not show.
    fn offered(&self, events: &Events) -> Result<Vec<String>> {
        let system = run(clean_command("nix").args(["config", "show", "system"]), events)?;
        let names = |kind: &str| -> Result<Vec<String>> {
            let mut packages = self.flake.clone();
            packages.push(format!("#{kind}.{}", system.trim()));
            let mut eval = clean_command("nix");
            let names = run(eval.args(["eval", "--json", "--apply", "builtins.attrNames"]).arg(packages), events)?;
            serde_json::from_str(&names).context("cannot read what `nix eval --json` printed")
        };
        // A flake of one's own need not have the latter.
        Ok([names("packages")?, names("legacyPackages").unwrap_or_default()].concat())
    }

    fn does_not_offer(&self, target: &Target, offered: &[String]) -> anyhow::Error {
        let rows: Vec<&str> = offered.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
        let flake = self.flake();
        if rows.is_empty() {
            return anyhow!(
                "{flake} offers no environments: its `packages` need mkCross's `environments`, which mkFlake gives (docs/nix.md)"
            );
        }
        anyhow!("{flake} does not offer {target}: it offers {}", rows.join(", "))
    }

    /// The link that keeps a row's document, and all that it names, in the store.
    fn root(&self, target: &Target) -> PathBuf {
        self.roots.join(&target.name)
    }

    fn environment(&self, target: &Target, document: &Path, events: &Events) -> Result<Environment> {
        let failed = || format!("{} is no environment of {target}", document.display());
        let text = fs::read(document).with_context(failed)?;
        let environment: Environment = serde_json::from_slice(&text).with_context(failed)?;
        if environment.schema != SCHEMA || environment.triple != target.triple {
            bail!(
                "the flake's {target} is {} in form {}, and this program's is {} in form {SCHEMA}: the flake's cross-flake and this one \
                 differ; `nix flake update cross-flake` may help",
                environment.triple,
                environment.schema,
                target.triple
            );
        }
        let root = self.root(target);
        if fs::read_link(&root).ok().as_deref() != Some(document) {
            fs::create_dir_all(&self.roots).with_context(|| format!("cannot write {}", self.roots.display()))?;
            // A link that Nix does not know of would keep nothing.
            run(clean_command("nix").args(["build", "--out-link"]).args([root.as_path(), document]), events)?;
        }
        Ok(environment)
    }

    /// Gives the environments of several rows one toolchain, since one cargo builds for all of them: that of the first by name,
    /// with the std of the others. A row whose std that one cannot use is not to be had with the others.
    fn join_toolchains(&self, prepared: &mut [Prepared]) -> Result<()> {
        let mut rows: Vec<&mut Prepared> = prepared.iter_mut().filter(|one| one.environment.is_ok()).collect();
        if rows.len() < 2 {
            return Ok(());
        }
        rows.sort_by(|a, b| a.target.name.cmp(&b.target.name));
        let mut libraries = Vec::new();
        let mut base: Option<(Toolchain, String)> = None;
        for row in &mut rows {
            let Ok(environment) = &row.environment else { continue };
            let result = own_std(environment).and_then(|(toolchain, std)| match &base {
                Some((first, name)) if first.key() != toolchain.key() => bail!(
                    "its Rust is {} and that of {name} is {}, and one cargo builds for both: name them in runs of their own",
                    toolchain.key(),
                    first.key()
                ),
                Some(_) => Ok(std),
                None => {
                    base = Some((toolchain, row.target.name.clone()));
                    Ok(std)
                }
            });
            match result {
                Ok(std) => libraries.push((row.target.triple.clone(), std)),
                Err(error) => row.environment = Err(error.into()),
            }
        }
        let Some((base, _)) = base else { return Ok(()) };
        let program = env::current_exe().context("cannot find this program itself")?;
        let farm = toolchain::make(&self.cache, &base, &libraries, &program)?.join("bin");
        for environment in rows.iter_mut().filter_map(|row| row.environment.as_mut().ok()) {
            for folder in environment.path.iter_mut().filter(|folder| holds_rustc(folder)) {
                folder.clone_from(&farm);
            }
        }
        Ok(())
    }
}

/// The beginning of the names of environments' packages.
const PREFIX: &str = "env-";

/// The package that is a row's environment.
fn attribute(target: &Target) -> String {
    format!("{PREFIX}{target}")
}

fn holds_rustc(folder: &Path) -> bool {
    folder.join("rustc").exists()
}

/// The toolchain of an environment, and the folder of the row's std in it.
fn own_std(environment: &Environment) -> Result<(Toolchain, PathBuf)> {
    let bin = environment.path.iter().find(|folder| holds_rustc(folder)).context("its environment has no rustc")?;
    let toolchain = Toolchain::at(&bin.join("rustc"))?;
    let std = toolchain.sysroot.join("lib/rustlib").join(&environment.triple);
    if !std.join("lib").is_dir() {
        bail!("its Rust, {}, has no std for {}", toolchain.sysroot.display(), environment.triple);
    }
    Ok((toolchain, std))
}

impl Provider for Nix {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn is_ready(&self, _: &Workspace, target: &Target) -> bool {
        self.root(target).exists()
    }

    /// Nothing that has a size yet: Nix itself says what it fetches, while it does.
    fn missing(&self, workspace: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Download>> {
        if !targets.iter().all(|target| self.is_ready(workspace, target)) {
            events.note("what is not in the Nix store yet is fetched from the caches that Nix uses, or built");
        }
        Ok(Vec::new())
    }

    fn prepare(&self, _: &Workspace, targets: &[Target], events: &Events) -> Result<Vec<Prepared>> {
        let doing = format!("asking {} for {} environments", self.flake(), targets.len());
        let all: Vec<&Target> = targets.iter().collect();
        let mut prepared = events.step("nix", &doing, || {
            let documents = match self.build(&all, events) {
                Ok(documents) => documents.into_iter().map(Ok).collect(),
                Err(reason) => {
                    signals::check()?;
                    self.build_apart(targets, reason, events)?
                }
            };
            let prepared = |(target, document): (&Target, Result<PathBuf>)| {
                let environment = document.and_then(|document| self.environment(target, &document, events));
                Prepared { target: target.clone(), environment: environment.map_err(Reason::from) }
            };
            Ok(std::iter::zip(targets, documents).map(prepared).collect::<Vec<_>>())
        })?;
        signals::check()?;
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

/// The flake for a workspace: its own, else the one that the variable names.
fn flake_for(root: &Path) -> Option<OsString> {
    let named = || settings::get().flake.clone();
    flake(root).map(Into::into).or_else(named)
}

/// The folder with the workspace's own flake: it, or the nearest one above it in the same git tree, with a flake.nix that
/// speaks of cross-flake. One above knows nothing of the rows that a workspace has in a table of its own.
fn flake(root: &Path) -> Option<PathBuf> {
    for folder in root.ancestors() {
        let text = fs::read_to_string(folder.join("flake.nix")).unwrap_or_default();
        if text.contains("cross-flake") {
            let knows_the_rows = folder == root || !root.join("targets.toml").exists();
            return knows_the_rows.then(|| folder.to_owned());
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Checks that this Nix builds flakes.
fn usable() -> Result<(), Reason> {
    let version = version()?;
    if parse_version(&version).with_context(|| format!("nix does not say its version: {version}"))? < OLDEST {
        let (major, minor) = OLDEST;
        let reason =
            Reason::new(format!("nix {version} is too old")).hint(format!("{major}.{minor} or newer is needed"));
        return Err(reason.hint("`--provider portable` needs none"));
    }
    let features = clean_command("nix").args(["config", "show", "experimental-features"]).output();
    let features = features.context("cannot start nix")?;
    let said = String::from_utf8_lossy(&features.stderr);
    if !features.status.success() && !said.contains("experimental") {
        return Err(Reason::new(format!("`nix config show` failed: {}", said.trim())));
    }
    let enabled = String::from_utf8_lossy(&features.stdout);
    if !enabled.split_whitespace().any(|feature| feature == "flakes") {
        return Err(Reason::new("flakes are not enabled in Nix").hint(ENABLE));
    }
    Ok(())
}

/// Nix's version: the last word of `nix (Nix) 2.26.3`, and of other implementations' likes of it.
fn version() -> Result<String> {
    let output = clean_command("nix").arg("--version").output().context("cannot start nix")?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.split_whitespace().next_back().unwrap_or_default().to_owned())
}

/// As far as it matters.
fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Looks for Nix, and for what keeps it from being used.
pub fn diagnose() -> Finding {
    const COSTS: &str = "the provider `nix`; the portable one works without";
    let version = || version().unwrap_or_default();
    match which("nix").map(|_| usable()) {
        Some(Ok(())) => Finding::ok("nix", version()),
        Some(Err(Reason { what, hints })) => {
            Finding::bad("nix", State::Limited, format!("{}, but {what}", version()), COSTS, &hints.join("; "))
        }
        None => Finding::bad("nix", State::Limited, "not on PATH", COSTS, ""),
    }
}

/// Runs nix, tells of its progress line by line, and gives what it printed.
///
/// # Errors
/// It cannot be started, or fails: see [`explain`].
fn run(command: &mut Command, events: &Events) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start nix")?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let (output, said) = std::thread::scope(|scope| {
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
        (child.wait_with_output(), said.join().unwrap_or_default())
    });
    let Output { status, stdout, .. } = output.context("cannot wait for nix")?;
    if !status.success() {
        signals::check()?;
        bail!("{}", explain(&said));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Words of nix's errors, and what helps.
const HINTS: &[(&[&str], &str)] = &[
    // Nix 2.26 speaks of the path of its copy of the tree, which lacks the file.
    (
        &["tracked by Git", "' does not exist"],
        "of a git tree Nix sees only the files that git knows of: `git add` it, and whatever else is new",
    ),
    (
        &["does not provide attribute"],
        "the flake's `packages` need mkCross's `environments`, which mkFlake gives (docs/nix.md)",
    ),
    (
        &["unable to download", "not resolve host", "Could not connect", "Network is unreachable"],
        "without a network `--provider portable` works for the targets that it has set up before",
    ),
];

/// Returns the reason why nix failed: its last error, then the end of what it said from the first one on, and what helps.
fn explain(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
    let error = lines.iter().rev().find_map(|line| line.trim_start().strip_prefix("error: "));
    let from = lines.iter().position(|line| line.starts_with("error:")).unwrap_or_default();
    let end = &lines[from.max(lines.len().saturating_sub(40))..];
    let mut text = format!("nix: {}", error.unwrap_or("it failed"));
    if end.len() > 1 || error.is_none() {
        text = format!("{text}\n{}", end.join("\n").trim_end());
    }
    let hint = HINTS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
    hint.map(|(_, hint)| format!("{text}\n{hint}")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("2.26.3"), Some((2, 26)));
        assert_eq!(parse_version("2.32pre20251001_abc"), Some((2, 32)));
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
        std::fs::write(member.join("targets.toml"), "").unwrap();
        assert_eq!(flake(&member), None);
        std::fs::write(member.join("flake.nix"), "inputs.cross-flake").unwrap();
        assert_eq!(flake(&member), Some(member.clone()));
    }

    #[test]
    fn a_failure_begins_with_the_last_error_and_ends_with_what_helps() {
        let said = "warning: Git tree is dirty\nerror:\n  … while calling\n\n  error: the row is not to be had\n";
        let text = explain(said);
        assert_eq!(
            text,
            "nix: the row is not to be had\nerror:\n  … while calling\n\n  error: the row is not to be had"
        );
        let said = "warning: Git tree is dirty\nerror: path '/nix/store/abc-source/sub/flake.nix' does not exist\n";
        let text = explain(said);
        assert!(
            text.starts_with("nix: path '/nix/store/abc-source") && text.ends_with("whatever else is new"),
            "{text}"
        );
        assert_eq!(explain("killed"), "nix: it failed\nkilled");
    }
}
