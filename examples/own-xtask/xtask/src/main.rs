//! `cargo xtask`: cross-flake's commands, and `greet`, which is this workspace's own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    CrossFlake(cross_flake::cli::Command),
    /// Say hello
    Greet,
}

fn main() -> ExitCode {
    cross_flake::cli::main("cargo xtask", |cli: Cli| match cli.command {
        Command::CrossFlake(command) => command.run(),
        Command::Greet => {
            println!("hello");
            Ok(ExitCode::SUCCESS)
        }
    })
}
