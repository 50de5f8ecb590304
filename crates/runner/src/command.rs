//! The runner's command lines, of its own program and of any that stands in for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::spec::PREFIX;
use crate::{room, run};

/// The directory with the runners' documents, beside the one of the program.
pub const SPECS: &str = "runners";

/// The first words by which another program is asked to be the runner: `runner`, and `room` for [`room::hold`].
const WORDS: [&str; 2] = ["runner", "room"];

/// Runs a program of a target, if this process was started under a name that begins with [`PREFIX`].
///
/// # Errors
/// See [`run`]; or the target's document cannot be read.
pub fn by_name() -> Option<Result<ExitCode>> {
    let mut args = std::env::args_os();
    let own = PathBuf::from(args.next()?);
    let target = own.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let own = std::env::current_exe().ok()?;
    let spec = own.parent()?.parent()?.join(SPECS).join(format!("{target}.json"));
    Some(start(&spec, args.collect(), true))
}

/// Does what the command line says, if its first word is one of the runner's: `runner [--no-binfmt] SPEC -- PROGRAM ARGS…` or
/// `room PLAN`.
///
/// # Errors
/// Another command line; or see [`run`] and [`room::hold`].
pub fn by_command() -> Option<Result<ExitCode>> {
    let mut args = std::env::args_os().skip(1);
    let word = args.next()?;
    match WORDS.iter().position(|known| word == *known)? {
        0 => Some(runner(args.collect())),
        _ => Some(hold(args.next())),
    }
}

fn runner(args: Vec<OsString>) -> Result<ExitCode> {
    const USAGE: &str = "usage: runner [--no-binfmt] SPEC -- PROGRAM [ARGS…]";
    let end = args.iter().position(|word| word == "--").context(USAGE)?;
    let (options, command) = args.split_at(end);
    let (binfmt, spec) = match options {
        [spec] => (true, spec),
        [flag, spec] if flag == "--no-binfmt" => (false, spec),
        _ => anyhow::bail!(USAGE),
    };
    start(Path::new(spec), command[1..].to_vec(), binfmt)
}

fn start(spec: &Path, command: Vec<OsString>, binfmt: bool) -> Result<ExitCode> {
    let text = std::fs::read(spec).with_context(|| format!("cannot read {}", spec.display()))?;
    let spec = serde_json::from_slice(&text).with_context(|| format!("malformed {}", spec.display()))?;
    let (program, args) = command.split_first().context("no program to run")?;
    let code = run(&spec, program, args, binfmt)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn hold(plan: Option<OsString>) -> Result<ExitCode> {
    let plan = PathBuf::from(plan.context("usage: room PLAN")?);
    let text = std::fs::read(&plan).with_context(|| format!("cannot read {}", plan.display()))?;
    let plan = serde_json::from_slice(&text).with_context(|| format!("malformed {}", plan.display()))?;
    room::hold(&plan)?;
    Ok(ExitCode::SUCCESS)
}
