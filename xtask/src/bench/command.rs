//! `cargo xtask bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::document::Results;
use super::matrix::Count;
use super::{Bench as Benchmark, Options, Part};
use cross_flake::cli::events;

/// Measure cross-flake itself and write docs/benchmarks.md
///
/// Builds the workspace of checks/benchmark. Each part takes the place of its former results in docs/benchmarks.json, of which
/// docs/benchmarks.md and docs/benchmarks.svg are made; results are written as they come, so an interrupted part keeps its
/// samples. Nothing else should run on the machine meanwhile.
#[derive(Args)]
pub struct Bench {
    /// Parts to measure [default: all]
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,
    /// Samples of each kind
    // There are fifteen ways to change a dependency; see `changes`.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=15))]
    repeats: u8,
    /// Numbers of targets for the matrix
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2,4,8,all")]
    counts: Vec<Count>,
    /// Names or triples of targets, in the order in which they are counted [default: all of checks/benchmark]
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    targets: Vec<String>,
    /// Checkouts of the flake's inputs, for `nix`; see checks/evaluation
    #[arg(long, value_name = "DIR")]
    inputs: Option<PathBuf>,
    /// The file of the results; .md and .svg go beside it [default: docs/benchmarks.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure nothing: write .md and .svg once more
    #[arg(long, conflicts_with = "parts")]
    render: bool,
}

impl Bench {
    /// Runs the command.
    ///
    /// # Errors
    /// Something that is measured fails, or the results cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let bench = Benchmark::open(&self.targets, self.repeats.into(), events())?;
        let file = self.json.unwrap_or_else(|| bench.repository.root().join("docs/benchmarks.json"));
        let mut results = Results::open(file)?;
        let parts = match self.parts.as_slice() {
            [] if self.render => &[],
            [] => Part::value_variants(),
            parts => parts,
        };
        let options = Options { counts: self.counts, inputs: self.inputs };
        for part in parts {
            part.run(&bench, &options, &mut results)?;
        }
        results.save()?;
        Ok(ExitCode::SUCCESS)
    }
}
