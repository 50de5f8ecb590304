//! `cargo cross-flake list`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::options::RowOptions;
use super::{Place, print_json};
use crate::provider::is_native;
use crate::report::table::plain;
use crate::targets::{Level, Linker, Target};
use cross_flake_runner::RunnerKind;

/// Show the table of targets
///
/// `run` means that tests are executed, `link` that programs are built, linked and inspected. The tier is Rust's own. A target is ready when
/// nothing has to be fetched or built before its first use; `cargo cross-flake setup TARGET` makes it so.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    rows: RowOptions,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a markdown table, as docs/targets.md holds it
    #[arg(long)]
    markdown: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row<'a> {
    name: &'a str,
    triple: &'a str,
    tier: Option<u8>,
    common: bool,
    level: Level,
    compiler: &'static str,
    linker: &'static str,
    runner: Option<String>,
    glibc: Option<&'a str>,
    floor_cpu: Option<&'a str>,
    reason: Option<&'a str>,
    ready: bool,
}

/// Returns people's name for the emulator of a row: `qemu-aarch64`, `wine`.
pub fn runner_name(target: &Target) -> Option<String> {
    let qemu = target.qemu.as_deref().unwrap_or_default();
    Some(match target.runner? {
        RunnerKind::Native => "native".to_owned(),
        RunnerKind::QemuUser => format!("qemu-{qemu}"),
        RunnerKind::QemuSystem => format!("qemu-system-{qemu} {}", target.machine.as_deref().unwrap_or_default()),
        RunnerKind::Wine => "wine".to_owned(),
        RunnerKind::Wasmtime => "wasmtime".to_owned(),
        RunnerKind::Node => "node".to_owned(),
    })
}

impl List {
    /// Runs the command.
    ///
    /// # Errors
    /// No workspace, or a malformed table.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let provider = self.place.provider(&workspace)?;
        let chosen = self.rows.selection().choose(&workspace.table, || Ok(workspace.table.rows().to_vec()))?;
        let rows = rows(&chosen, |target| provider.is_ready(&workspace, target));
        if self.json {
            print_json(&rows)?;
        } else if self.markdown {
            println!("{}", markdown(&chosen));
        } else {
            let mut table = plain(&["target", "triple", "tier", "level", "compiler", "linker", "runner", "ready"]);
            for r in &rows {
                let native = workspace.table.find(r.name).is_ok_and(|t| t.level == Level::Run && is_native(t));
                let runner = match &r.runner {
                    Some(_) if native => "native".to_owned(),
                    Some(runner) => runner.clone(),
                    None => format!("- ({})", r.reason.unwrap_or_default()),
                };
                let ready = if r.ready { "yes" } else { "no" };
                let tier = r.tier.map(|tier| tier.to_string()).unwrap_or_default();
                table.add_row([r.name, r.triple, &tier, &r.level.to_string(), r.compiler, r.linker, &runner, ready]);
            }
            println!("{}", table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rows(targets: &[Target], is_ready: impl Fn(&Target) -> bool) -> Vec<Row<'_>> {
    let row = |target| -> Row<'_> {
        let target: &Target = target;
        Row {
            name: &target.name,
            triple: &target.triple,
            tier: target.tier,
            common: target.common,
            level: target.level,
            compiler: if target.zig.is_some() { "clang" } else { "none" },
            linker: if target.linker == Linker::RustLld { "rust-lld" } else { "lld" },
            runner: runner_name(target),
            glibc: target.glibc.as_deref(),
            floor_cpu: target.floor_cpu.as_deref(),
            reason: target.reason.as_deref(),
            ready: is_ready(target),
        }
    };
    targets.iter().map(row).collect()
}

/// The table of targets as documents hold it.
pub fn markdown(targets: &[Target]) -> String {
    let rows = rows(targets, |_| false);
    let mut lines = vec![
        "| target | triple | tier | level | C compiler | linker | runs by | oldest glibc | oldest processor |"
            .to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for r in &rows {
        let runner = r.runner.as_deref().or(r.reason).unwrap_or_default();
        let (triple, level, glibc) = (r.triple, r.level, r.glibc.unwrap_or_default());
        let tier = r.tier.map(|tier| tier.to_string()).unwrap_or_default();
        // The rows that a run takes of its own accord.
        let name = if r.common { format!("**`{}`**", r.name) } else { format!("`{}`", r.name) };
        let floor = r.floor_cpu.unwrap_or_default();
        let tools = format!("{} | {}", r.compiler, r.linker);
        lines.push(format!("| {name} | `{triple}` | {tier} | {level} | {tools} | {runner} | {glibc} | {floor} |"));
    }
    lines.join("\n")
}
