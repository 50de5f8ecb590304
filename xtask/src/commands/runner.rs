//! `cargo xtask runner`: what starts one program of a target. Hidden, since cargo and the engine call it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::runner;

/// The folder with the runners' documents, beside the one of the program.
pub const SPECS: &str = "runners";

/// Start a program of a target
#[derive(Args)]
pub struct Runner {
    /// Do not enter a private binfmt_misc
    #[arg(long)]
    no_binfmt: bool,
    /// The document that describes the runner
    spec: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Runner {
    /// Runs the program and gives its exit code.
    ///
    /// # Errors
    /// The document cannot be read, or the program cannot be started.
    pub fn run(self) -> Result<ExitCode> {
        start(&self.spec, &self.command, !self.no_binfmt)
    }
}

/// What xtask does under another name, if it has one that stands for a target.
///
/// # Errors
/// See [`Runner::run`].
pub fn by_name() -> Option<Result<ExitCode>> {
    let mut args = std::env::args_os();
    let own = PathBuf::from(args.next()?);
    let target = own.file_name()?.to_str()?.strip_prefix(runner::PREFIX)?;
    let own = std::env::current_exe().ok()?;
    let spec = own.parent()?.parent()?.join(SPECS).join(format!("{target}.json"));
    Some(start(&spec, &args.collect::<Vec<_>>(), true))
}

fn start(spec: &Path, command: &[OsString], binfmt: bool) -> Result<ExitCode> {
    let text = std::fs::read(spec).with_context(|| format!("cannot read {}", spec.display()))?;
    let spec = serde_json::from_slice(&text).with_context(|| format!("malformed {}", spec.display()))?;
    let (program, args) = command.split_first().context("no program to run")?;
    let code = runner::run(&spec, program, args, binfmt)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
