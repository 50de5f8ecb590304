//! `run`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;
use clap::Args;

use super::options::CargoOptions;
use super::{Place, one_environment};
use crate::engine::build::cargo_in;
use crate::settings;
use crate::workspace::spec_of;

/// Build a program for a target and run it
#[derive(Args)]
pub struct Run {
    /// Name or triple of the target
    target: String,
    /// The program, where there are several and none is the package's `default-run`
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// An example instead of a program
    #[arg(long, value_name = "NAME", conflicts_with = "bin")]
    example: Option<String>,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// The target cannot be had here, or cargo cannot be started.
    pub fn run(self) -> Result<ExitCode> {
        let (workspace, target, environment) = one_environment(&self.place, &self.target)?;
        if environment.runner.is_none() {
            let reason = target.reason.as_deref().unwrap_or("it has no runner");
            bail!(
                "programs for {target} cannot run here: {reason}\n`{} build {target}` builds them",
                settings::program()
            );
        }
        let (selection, _) = self.cargo.selection(Vec::new());
        let has_it = |package: &&Package| {
            package.targets.iter().any(|t| match &self.example {
                Some(example) => t.is_example() && t.name == *example,
                None => t.is_bin() && self.bin.as_ref().is_none_or(|name| t.name == *name),
            })
        };
        let packages: Vec<_> = workspace.packages_for(&target, &selection)?.into_iter().filter(has_it).collect();
        let mut command: Command = cargo_in(&[&environment])?;
        command.arg("run").args(["--target", &target.triple]).args(self.cargo.args());
        match packages.as_slice() {
            [one] => command.args(["--package", &spec_of(one)]),
            [] => bail!("the workspace has no such program for {target}"),
            // Cargo knows about `default-run`, and lists them else.
            many if many.iter().any(|package| package.default_run.is_some()) => &mut command,
            many => {
                let programs = many.iter().flat_map(|p| p.targets.iter().filter(|t| t.is_bin() || t.is_example()));
                let names: Vec<&str> = programs.map(|t| t.name.as_str()).collect();
                bail!("the workspace has several programs: choose with --bin one of {}", names.join(", "))
            }
        };
        command.args(self.bin.iter().flat_map(|name| ["--bin", name]));
        command.args(self.example.iter().flat_map(|name| ["--example", name]));
        command.current_dir(&workspace.folder).arg("--").args(&self.args);
        let status = command.status().context("cannot start cargo")?;
        Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
    }
}
