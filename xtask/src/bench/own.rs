//! The time that xtask itself takes: to say something, and to start a program of a target.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::document::Results;
use super::measure::{output, settle};
use super::{About, Bench, Row, empty};
use cross_flake::cache::Cache;
use cross_flake::engine::build::{self, BuildRequest, Built, Mode, Ready};
use cross_flake::engine::recorder::Recorder;
use cross_flake::host::child::clean_command;
use cross_flake_runner::{Entered, RunnerSpec, STATUS_VARIABLE, Status};

/// Starts of each command line, whatever `--repeats` says: they are short, and vary.
const STARTS: usize = 20;

/// The results, in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Own {
    /// On what.
    pub about: About,
    /// Commands of xtask.
    pub commands: Vec<Started>,
    /// A test program of each row.
    pub entries: Vec<Entry>,
}

/// One command line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Started {
    /// The command line.
    pub command: String,
    /// Every start.
    pub starts: Vec<f64>,
}

/// One test program, started by three ways in turn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    /// The row.
    pub target: String,
    /// The runner's label.
    pub runner: String,
    /// Its emulator without anything of ours.
    pub bare: Vec<f64>,
    /// The runner without a private binfmt_misc.
    pub direct: Vec<f64>,
    /// The runner as tests have it; empty where the kernel allows no namespace.
    pub binfmt: Vec<f64>,
}

/// Measures this part.
///
/// # Errors
/// Something cannot be started or fails.
pub fn run(bench: &Bench, results: &mut Results) -> Result<()> {
    let (rows, _) = bench.prepare()?;
    results.document.own = Some(Own { about: bench.about(), ..Own::default() });
    let manifest = bench.manifest();
    let one = rows.first().map(|(target, _)| target.name.clone()).context("there is no target")?;
    for args in [&["list"][..], &["env", &one]] {
        let mut started = Started { command: format!("xtask {}", args.join(" ")), starts: Vec::new() };
        for _ in 0..STARTS {
            let mut command = bench.xtask(args)?;
            command.args(["--provider", "portable", "--manifest-path"]).arg(&manifest);
            started.starts.push(milliseconds(&mut command)?);
        }
        bench.events.note(&format!("own: {}: {:.0} ms at first", started.command, started.starts[0]));
        results.document.own.get_or_insert_default().commands.push(started);
        results.save()?;
    }
    let folder = bench.folder("own");
    empty(&folder)?;
    let programs = test_programs(bench, &rows)?;
    for ((target, environment), program) in rows.iter().zip(programs) {
        let (Some(runner), Some(program)) = (&environment.runner, program) else { continue };
        let entry = starts(&target.name, runner, &program).with_context(|| format!("starting tests of {target}"))?;
        bench.events.note(&format!("own: {target}: {STARTS} starts by each of three ways"));
        results.document.own.get_or_insert_default().entries.push(entry);
        results.save()?;
    }
    settle();
    empty(&folder)
}

fn starts(target: &str, runner: &RunnerSpec, program: &PathBuf) -> Result<Entry> {
    let mut entry = Entry { target: target.to_owned(), runner: runner.label.clone(), ..Entry::default() };
    let folder = Cache::locate()?.run_folder()?;
    let file = || tempfile::NamedTempFile::new_in(folder.path()).context("cannot make a temporary file");
    let spec = file()?;
    serde_json::to_writer(spec.as_file(), runner).context("cannot describe the runner")?;
    let through = |way: &[&str]| -> Result<Command> {
        let mut command = clean_command(std::env::current_exe().context("cannot find this program itself")?);
        command.arg("runner").args(way).arg(spec.path()).arg("--").arg(program).arg("--list");
        Ok(command)
    };
    let bare = || {
        let line: Vec<PathBuf> = runner.command.iter().map(PathBuf::from).chain([program.clone()]).collect();
        let mut command = clean_command(&line[0]);
        command.args(&line[1..]).arg("--list").envs(&runner.env);
        command
    };
    // Once unmeasured: what a first start brings up, wine's server say, is there for all of them. This also tells whether
    // the kernel lets the runner have a namespace.
    milliseconds(&mut bare())?;
    let status = file()?;
    milliseconds(through(&[])?.env(STATUS_VARIABLE, status.path()))?;
    let status = fs::read(status.path()).ok().and_then(|text| serde_json::from_slice::<Status>(&text).ok());
    let has_binfmt = status.is_some_and(|status| status.entered == Entered::Binfmt);
    for start in 0..STARTS {
        let mut order = [0, 1, 2];
        order.rotate_left(start % 3);
        for way in order {
            match way {
                0 => entry.bare.push(milliseconds(&mut bare())?),
                1 => entry.direct.push(milliseconds(&mut through(&["--no-binfmt"])?)?),
                _ if has_binfmt => entry.binfmt.push(milliseconds(&mut through(&[])?)?),
                _ => {}
            }
        }
    }
    Ok(entry)
}

fn milliseconds(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let said = output(command)?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    said.checked(&command.get_program().to_string_lossy())?;
    Ok((time * 1e3).round() / 1e3)
}

/// Builds the unit tests of the smallest library for each row that runs.
fn test_programs(bench: &Bench, rows: &[Row]) -> Result<Vec<Option<PathBuf>>> {
    let folder = bench.folder("own");
    let request = BuildRequest {
        mode: Mode::Test,
        packages: vec!["ledger-core".to_owned()],
        cargo_args: vec!["--lib".into(), "--target-dir".into(), folder.to_string_lossy().into_owned()],
        test_args: Vec::new(),
        objects: None,
        beside: BTreeMap::new(),
    };
    let ready: Vec<Ready<'_>> = rows.iter().map(|(target, environment)| Ready { target, environment }).collect();
    let mut programs = vec![None; rows.len()];
    let recorder = Recorder::install(&bench.cache)?;
    let end = build::build(&bench.workspace, &request, &recorder, &ready, |built| {
        let Built::Recorded(call) = built else { return };
        if let Some(row) = rows.iter().position(|(target, _)| Some(&target.name) == call.row.as_ref()) {
            programs[row] = call.line.first().map(PathBuf::from);
        }
    })?;
    cross_flake::host::signals::check()?;
    if !end.success {
        bail!("the benchmark's workspace does not build\n{}", end.stderr.trim());
    }
    Ok(programs)
}
