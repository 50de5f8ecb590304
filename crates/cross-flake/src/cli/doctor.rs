//! `cargo cross-flake doctor`.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;
use owo_colors::{OwoColorize, Stream, Style};
use serde::Serialize;

use super::{Place, print_json};
use crate::cache::{Cache, disk_usage};
use crate::events::human_bytes;
use crate::host::child::which;
use crate::provider::portable::archive::Archive;
use crate::provider::portable::wheels::{WASMTIME, ZIG};
use crate::provider::{self, Provider, nix};
use crate::settings;
use crate::suites::{MissingTool, Suites};
use crate::targets::Target;
use crate::workspace::Workspace;
use cross_flake_runner as runner;

/// Say what this machine has and, for each thing that is missing, what that costs and what to type
#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The state of one thing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It is there.
    Ok,
    /// It is not there, and something works less well.
    Limited,
    /// It is not there, and something does not work.
    Missing,
}

#[derive(Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    what: String,
    /// The price of its lack.
    costs: Option<String>,
    /// The command that mends it.
    remedy: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, what: impl Into<String>) -> Finding {
        Finding { name, state: State::Ok, what: what.into(), costs: None, remedy: None }
    }

    fn bad(name: &'static str, state: State, what: impl Into<String>, costs: &str, remedy: &str) -> Finding {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        Finding { name, state, what: what.into(), costs: some(costs), remedy: some(remedy) }
    }
}

/// The first line that a program prints.
fn says(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

impl Doctor {
    /// Runs the command. The exit code is 1 if something is missing without which nothing works.
    ///
    /// # Errors
    /// JSON cannot be printed.
    pub fn run(self) -> Result<ExitCode> {
        let findings = self.examine();
        if self.json {
            print_json(&findings)?;
        } else {
            for f in &findings {
                let (mark, style) = match f.state {
                    State::Ok => ("ok", Style::new().green()),
                    State::Limited => ("limited", Style::new().yellow()),
                    State::Missing => ("missing", Style::new().red()),
                };
                let mark = format!("{mark:8}");
                println!("{} {:16} {}", mark.if_supports_color(Stream::Stdout, |m| m.style(style)), f.name, f.what);
                for (label, text) in [("costs", &f.costs), ("type", &f.remedy)] {
                    if let Some(text) = text {
                        println!("{:25} {label}: {text}", "");
                    }
                }
            }
        }
        Ok(ExitCode::from(u8::from(findings.iter().any(|f| f.state == State::Missing))))
    }

    fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![kernel(), binfmt(), distribution()];
        match self.place.workspace() {
            Ok(workspace) => {
                let toolchain = &workspace.toolchain;
                findings.push(Finding::ok("rust", format!("{} for {}", toolchain.release, toolchain.host)));
                if let Ok(auto) = provider::describe_auto(&workspace) {
                    findings.push(Finding::ok("--provider auto", auto));
                }
                if let Ok(provider) = self.place.provider(&workspace) {
                    findings.extend(targets(&workspace, &*provider));
                }
                findings.extend(suites(&workspace));
            }
            Err(error) => {
                findings.push(Finding::bad("rust", State::Missing, format!("{error:#}"), "nothing can be built", ""))
            }
        }
        findings.push(program(
            "rustup",
            &["--version"],
            "prebuilt std: it is built from source instead, about a minute a target",
            "",
        ));
        findings.push(match which("cc") {
            Some(path) => Finding::ok("cc", path.display().to_string()),
            None => Finding::bad(
                "cc",
                State::Missing,
                "not on PATH",
                "build scripts cannot be linked",
                "apt install gcc libc6-dev",
            ),
        });
        let cache = Cache::locate();
        let debian = Archive::open(cache.as_ref().unwrap_or(&Cache::none()), &super::events()).err();
        let debian = debian.map(|error| format!("{error:#}"));
        let debian = debian.as_deref();
        findings.push(pip(debian));
        if let Ok(cache) = cache {
            findings.push(cache_folder(&cache));
            for (name, wheel, costs) in
                [("zig", &ZIG, "first use fetches it"), ("wasmtime", &WASMTIME, "first use of wasm32-wasi fetches it")]
            {
                findings.push(match wheel.obstacle(&cache, debian) {
                    Some(reason) => Finding::bad(name, State::Limited, format!("cannot be had here: {reason}"), "", ""),
                    None if wheel.is_installed(&cache) => {
                        Finding::ok(name, format!("{} in {}", wheel.version, wheel.program(&cache).display()))
                    }
                    None => Finding::bad(name, State::Limited, "not here yet", costs, ""),
                });
            }
            findings.push(emulators(&cache, debian));
        }
        let node = debian.map_or("wasm32-web uses the distribution's instead", |_| "wasm32-web is skipped");
        findings.push(program("node", &["--version"], node, ""));
        findings.push(nix());
        findings
    }
}

/// The tools of the workspace's suites.
fn suites(workspace: &Workspace) -> Vec<Finding> {
    let suites = match Suites::load(workspace.root(), &workspace.table) {
        Ok(suites) if suites.all().is_empty() => return Vec::new(),
        Ok(suites) => suites,
        Err(error) => {
            let what = format!("{error:#}");
            return vec![Finding::bad("suites", State::Missing, what, "test-all-targets does not start", "")];
        }
    };
    let missing = suites.missing_tools(workspace.table.rows());
    if missing.is_empty() {
        let names: Vec<&str> = suites.all().iter().map(|suite| suite.name.as_str()).collect();
        return vec![Finding::ok("suites", format!("the tools of {} are here", names.join(", ")))];
    }
    let finding = |(tool, suites): &(MissingTool, Vec<String>)| {
        let costs = format!("test-all-targets skips the suites {}", suites.join(", "));
        Finding::bad("suites", State::Limited, tool.what.clone(), &costs, tool.get.as_deref().unwrap_or_default())
    };
    missing.iter().map(finding).collect()
}

fn nix() -> Finding {
    const COSTS: &str = "the provider `nix`; the portable one works without";
    match nix::describe() {
        Some((version, Ok(()))) => Finding::ok("nix", version),
        Some((version, Err(reason))) => {
            let reason = format!("{reason:#}");
            let (what, remedy) = reason.split_once(": ").unwrap_or((&reason, ""));
            Finding::bad("nix", State::Limited, format!("{version}, but {what}"), COSTS, remedy)
        }
        None => Finding::bad("nix", State::Limited, "not on PATH", COSTS, ""),
    }
}

/// Looks for what was unpacked from the distribution's packages.
fn emulators(cache: &Cache, debian: Option<&str>) -> Finding {
    let entries = std::fs::read_dir(cache.path("packages")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    match debian {
        _ if !names.is_empty() => Finding::ok("emulators", names.join(", ")),
        Some(reason) => Finding::bad("emulators", State::Limited, format!("cannot be had here: {reason}"), "", ""),
        None => Finding::bad("emulators", State::Limited, "not here yet", "first use of a target fetches its own", ""),
    }
}

/// Counts the targets that are ready, and names those that cannot be, by the words of a set-up itself.
fn targets(workspace: &Workspace, provider: &dyn Provider) -> Vec<Finding> {
    let events = super::events();
    let rows = workspace.table.rows();
    let missing: Vec<&Target> = rows.iter().filter(|target| !provider.is_ready(workspace, target)).collect();
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for target in &missing {
        let Some(reason) = provider.obstacle(workspace, target, &events) else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(&target.name),
            None => reasons.push((reason, vec![&target.name])),
        }
    }
    let hopeless: usize = reasons.iter().map(|(_, names)| names.len()).sum();
    let (ready, all, left) = (rows.len() - missing.len(), rows.len(), missing.len() - hopeless);
    let costs = format!("the first use of {left} others fetches and builds what they need");
    let remedy = format!("{} setup   (--dry-run says how much it fetches)", settings::program());
    let what = format!("{ready} of {all} need no set-up any more");
    let state = if ready == all { State::Ok } else { State::Limited };
    let (costs, remedy) = if left > 0 { (costs.as_str(), remedy.as_str()) } else { ("", "") };
    let finding = |(reason, names): (String, Vec<&str>)| {
        let costs = format!("these are skipped: {}", names.join(", "));
        Finding::bad("targets", State::Limited, reason, &costs, "")
    };
    let counts = Finding::bad("targets", state, what, costs, remedy);
    std::iter::once(counts).chain(reasons.into_iter().map(finding)).collect()
}

fn program(name: &'static str, args: &[&str], costs: &str, remedy: &str) -> Finding {
    match says(name, args) {
        Some(version) => Finding::ok(name, version),
        None => Finding::bad(name, State::Limited, "not on PATH", costs, remedy),
    }
}

fn kernel() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Finding::ok("kernel", format!("Linux {} on {}", release.trim(), std::env::consts::ARCH))
}

fn binfmt() -> Finding {
    match runner::probe() {
        Ok(()) => Finding::ok("private binfmt", "tests may start other programs of their target"),
        Err(reason) => Finding::bad(
            "private binfmt",
            State::Limited,
            reason,
            "emulators are started directly: a test that starts another program of its target fails",
            "",
        ),
    }
}

fn distribution() -> Finding {
    let cache = Cache::locate().unwrap_or_else(|_| Cache::none());
    match Archive::open(&cache, &super::events()) {
        Ok(apt) => Finding::ok("distribution", format!("{} {}", apt.name(), apt.own_suite)),
        Err(error) => Finding::bad(
            "distribution",
            State::Limited,
            format!("{error:#}"),
            "rows that need an emulator are skipped, unless the emulator is on PATH",
            "",
        ),
    }
}

fn pip(debian: Option<&str>) -> Finding {
    let version = says("python3", &["-m", "pip", "--version"]).or_else(|| says("pip", &["--version"]));
    match version {
        Some(version) => Finding::ok("pip", version),
        None if which("python3").is_some() && debian.is_none() => {
            Finding::ok("pip", "the distribution's, fetched when needed")
        }
        None if which("python3").is_some() => {
            Finding::bad("pip", State::Limited, "not on PATH", "zig cannot be fetched", "apt install python3-pip")
        }
        None => {
            Finding::bad("pip", State::Limited, "no python3 on PATH", "zig cannot be fetched", "apt install python3")
        }
    }
}

fn cache_folder(cache: &Cache) -> Finding {
    let root = cache.root();
    let free = free_space(root);
    let what = format!(
        "{} holds {}, {} free",
        root.display(),
        human_bytes(disk_usage(root)),
        free.map_or_else(|| "unknown".to_owned(), human_bytes)
    );
    // All shipped rows take about this much.
    const ROOM: u64 = 6_000_000_000;
    match cache.scratch() {
        Ok(_) if free.is_none_or(|f| f > ROOM) => Finding::ok("cache", what),
        Ok(_) => Finding::bad(
            "cache",
            State::Limited,
            what,
            "all targets take about 6 GB",
            &format!("export {}=/somewhere/else", crate::cache::VARIABLE),
        ),
        Err(error) => Finding::bad(
            "cache",
            State::Missing,
            format!("{error:#}"),
            "nothing can be set up",
            &format!("export {}=/somewhere/else", crate::cache::VARIABLE),
        ),
    }
}

/// Bytes that this user may still write where the directory is, or will be.
pub fn free_space(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|f| f.exists())?;
    let stat = ::nix::sys::statvfs::statvfs(there).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}
