//! `cargo cross-flake doctor`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use owo_colors::{OwoColorize, Stream, Style};

use super::{Place, print_json};
use crate::cache::{Cache, disk_usage};
use crate::events::human_bytes;
use crate::host::child::which;
use crate::provider::finding::{Finding, State};
use crate::provider::{self, Provider, Reason};
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
        let mut findings = vec![kernel(), binfmt()];
        match self.place.workspace() {
            Ok(workspace) => {
                let toolchain = &workspace.toolchain;
                findings.push(Finding::ok("rust", format!("{} for {}", toolchain.release, toolchain.host)));
                if which("cc").is_none() {
                    findings.push(no_cc(&toolchain.host));
                }
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
        let costs = "prebuilt std: it is built from source instead, about a minute a target";
        findings.push(Finding::program("rustup", &["--version"], costs));
        if let Some(path) = which("cc") {
            findings.push(Finding::ok("cc", path.display().to_string()));
        }
        if let Ok(cache) = Cache::locate() {
            findings.push(cache_folder(&cache));
        }
        findings.extend(provider::diagnose(&super::events()));
        findings
    }
}

/// Without a C compiler the portable provider brings one; zig's libraries for musl are none that a procedural macro could share with
/// rustc.
fn no_cc(host: &str) -> Finding {
    if host.ends_with("musl") {
        let costs = "build scripts cannot be linked";
        return Finding::bad("cc", State::Missing, "not on PATH", costs, "apk add gcc musl-dev");
    }
    Finding::ok("cc", "not on PATH: clang and LLD of zig's wheel link build scripts")
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
    let missing = suites.missing_tools(&workspace.table.common());
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

/// Counts the targets that are ready, and names those that cannot be, by what a set-up itself would say.
fn targets(workspace: &Workspace, provider: &dyn Provider) -> Vec<Finding> {
    let rows = workspace.table.common();
    let missing: Vec<&Target> = rows.iter().filter(|target| !provider.is_ready(workspace, target)).collect();
    let mut reasons: Vec<(Reason, Vec<&str>)> = Vec::new();
    for target in &missing {
        let Some(reason) = provider.obstacle(workspace, target) else { continue };
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
    let finding = |(reason, names): (Reason, Vec<&str>)| {
        let costs = format!("these are skipped: {}", names.join(", "));
        Finding::bad("targets", State::Limited, reason.to_string(), &costs, "")
    };
    let counts = Finding::bad("targets", state, what, costs, remedy);
    std::iter::once(counts).chain(reasons.into_iter().map(finding)).collect()
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
            "emulators are started directly, and the runner hands them what a test starts of its target by ptrace; where nothing may be \
             traced, that fails",
            "",
        ),
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
            &format!("export {}=/somewhere/else", settings::CACHE),
        ),
        Err(error) => Finding::bad(
            "cache",
            State::Missing,
            format!("{error:#}"),
            "nothing can be set up",
            &format!("export {}=/somewhere/else", settings::CACHE),
        ),
    }
}

/// Bytes that this user may still write where the directory is, or will be.
pub fn free_space(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|f| f.exists())?;
    let stat = nix::sys::statvfs::statvfs(there).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}
