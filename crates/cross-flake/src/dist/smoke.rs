//! The programs of an archive, started as whoever unpacks it would start them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::archive::{self, Form};
use super::contents::Entry;
use crate::engine::job::Job;
use crate::engine::on_floor;
use crate::engine::programs::{self, Limits};
use crate::engine::rooms::Rooms;
use crate::environment::Environment;
use crate::provider::Prepared;

/// The time that a program has to say which version it is.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What started the programs of an archive, and what they did.
#[derive(Clone, Debug)]
pub struct Smoke {
    /// The runner, with the processor that it played.
    pub by: String,
    /// The reason for which one of them failed.
    pub failure: Option<String>,
}

/// Unpacks an archive into an empty folder and starts each program there with these arguments, on the oldest processor that the
/// target promises.
///
/// # Errors
/// The archive cannot be unpacked.
pub fn start(
    archive: &Path,
    form: Form,
    folder: &str,
    programs: &[Entry],
    args: &[String],
    row: &Prepared,
) -> Result<Smoke> {
    let mut row = row.clone();
    on_floor(&mut row);
    let environment: &Environment =
        row.environment.as_ref().map_err(|reason| anyhow::anyhow!("{reason}")).context("a target that was built")?;
    let directory = tempfile::Builder::new().prefix("dist-").tempdir().context("cannot make a temporary directory")?;
    archive::unpack(archive, form, directory.path())?;
    let limits = Limits { timeout: TIMEOUT, jobs: 1, binfmt: true, rooms: Rooms::none()?, kept: None };
    let root = directory.path().join(folder);
    let mut smoke =
        Smoke { by: environment.runner.as_ref().map(|runner| runner.label.clone()).unwrap_or_default(), failure: None };
    for program in programs {
        let file = root.join(&program.path);
        let job = Job::alone(program.path.clone(), file, environment.runner.clone(), args, &root);
        let result = programs::run(&job, &limits);
        if let Some(failure) = result.failure {
            let words = args.join(" ");
            smoke.failure = Some(format!(
                "{} {words}: {failure}\n{}\n`smoke = [...]` in [package.metadata.cross-flake.dist] says with which arguments \
                 it is started",
                program.path,
                result.output.trim_end()
            ));
            break;
        }
    }
    Ok(smoke)
}
