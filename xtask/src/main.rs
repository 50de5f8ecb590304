//! `cargo xtask`: cross-flake's commands in its own workspace, and the tasks of this repository.
//!
//! The form is that of <https://github.com/matklad/cargo-xtask>: a crate of the workspace instead of a script.

mod bench;
mod docs;
mod runs;
mod update_inputs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds a cargo workspace for every target from one machine and runs its tests under emulation.
///
/// Needs nothing but cargo: compilers, emulators and Rust's std for each target are fetched, verified and kept in one
/// cache directory. Where rustup has a target's std it comes from there, else it is built from its source. Nothing else on
/// the machine is changed, and root is never needed.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Product(Box<cross_flake::cli::Command>),
    Bench(bench::command::Bench),
    Docs(docs::Docs),
    Runs(runs::Runs),
    UpdateInputs(update_inputs::UpdateInputs),
}

fn main() -> ExitCode {
    cross_flake::cli::main("cargo xtask", |cli: Cli| match cli.command {
        Command::Product(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Docs(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::UpdateInputs(command) => command.run(),
    })
}
