//! `archive`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::options::{CargoOptions, finish, split};
use super::{Place, events, find_or_usual_targets};
use crate::engine::Request;
use crate::engine::archive::Programs;
use crate::engine::build::Mode;
use crate::report::ReportOptions;

/// Build the tests of some targets into a file, to run them on other machines
///
/// `test --from-archive FILE` and `test-all-targets --from-archive FILE` run them, whole or a `--shard`, in a checkout of the same
/// commit, for tests read files there. In the file are the test programs, the programs and shared libraries that are built with them, and what
/// build scripts wrote. Documentation tests, and those of proc-macros, are not: they need a compiler.
#[derive(Args)]
#[command(
    after_long_help = "Example:\n  cargo cross-flake archive --out tests.tar.gz                            # on one machine\n  cargo \
                       cross-flake test-all-targets --from-archive tests.tar.gz --shard 2/5    # on the second of five"
)]
pub struct Archive {
    /// Names, triples or patterns of targets [default: all that `test-all-targets` means]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// More arguments for `cargo test`
    #[arg(last = true, value_name = "CARGO ARGS")]
    rest: Vec<String>,
    /// The file [default: target/cross-flake/tests.tar.gz]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
    #[command(flatten)]
    report: ReportOptions,
}

impl Archive {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`finish`].
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let (rest, test_args) = split(&self.rest);
        if !test_args.is_empty() {
            bail!("`archive` starts no test: give {} to whoever runs the archive", test_args.join(" "));
        }
        let (selection, rest) = self.cargo.selection(rest);
        let targets = find_or_usual_targets(&workspace, &self.targets, &selection)?;
        let cargo_args = self.cargo.with_jobs([self.cargo.args(), rest].concat(), &workspace);
        let target = &workspace.metadata.target_directory;
        let out = self.out.unwrap_or_else(|| target.join("cross-flake/tests.tar.gz").into());
        let request =
            Request { programs: Programs::To(out), ..Request::without_tests(Mode::Test, selection, cargo_args) };
        finish(&self.place, &workspace, &targets, &request, &self.report, &events())
    }
}
