//! `cargo cross-flake`.

use std::process::ExitCode;

use clap::Parser;

/// Builds a cargo workspace for every target from one machine and runs its tests under emulation.
///
/// Needs nothing but cargo: compilers, emulators and Rust's std for each target are fetched, verified and kept in one
/// cache directory. Where rustup has a target's std it comes from there, else it is built from its source. Nothing else on
/// the machine is changed, and root is never needed.
#[derive(Parser)]
#[command(name = "cargo cross-flake", bin_name = "cargo cross-flake", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: cross_flake::cli::Command,
}

fn main() -> ExitCode {
    cross_flake::cli::main("cargo cross-flake", |cli: Cli| cli.command.run())
}
