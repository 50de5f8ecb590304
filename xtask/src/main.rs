//! `cargo xtask`: every target from one machine.
//!
//! Builds a cargo workspace for every row of `targets.toml` and runs its tests under emulation. The form is that of
//! <https://github.com/matklad/cargo-xtask>: a crate of the workspace instead of a script.

mod bench;
mod cache;
mod commands;
mod engine;
mod environment;
mod events;
mod inspect;
mod machine;
mod provider;
mod report;
mod runner;
mod signals;
mod stale;
mod suites;
mod targets;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use engine::recorder;
use provider::toolchain;

use commands::{
    bench as measure, build, clean, conformance, doctor, env, inspect as inspect_files, list, room,
    runner as run_program, setup, shell, sysroot,
};

/// Builds a cargo workspace for every target from one machine and runs its tests under emulation.
///
/// Needs nothing but cargo: compilers, emulators and Rust's std for each target are fetched, verified and kept in one
/// cache folder. Nothing else on the machine is changed and root is never needed.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Doctor(doctor::Doctor),
    Setup(setup::Setup),
    Build(build::Build),
    Test(build::Test),
    TestAllTargets(build::TestAllTargets),
    Run(build::Run),
    Shell(shell::Shell),
    Env(env::Env),
    Sysroot(sysroot::Sysroot),
    Inspect(inspect_files::Inspect),
    Conformance(conformance::Conformance),
    Clean(clean::Clean),
    Bench(measure::Bench),
    #[command(hide = true)]
    Runner(run_program::Runner),
    #[command(hide = true)]
    Room(room::Room),
}

fn main() -> ExitCode {
    let other_name = run_program::by_name().or_else(recorder::by_name).or_else(|| toolchain::as_proxy().map(Err));
    if let Some(result) = other_name {
        return result.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            // As a shell does for a command that cannot be started.
            ExitCode::from(127)
        });
    }
    let cli = Cli::parse();
    let result = match cli.command {
        // The runner is a process that forks and handles signals by itself.
        Command::Runner(command) => command.run(),
        // So must be what enters a namespace.
        Command::Room(command) => command.run(),
        command => signals::watch(|| match command {
            Command::List(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Setup(command) => command.run(),
            Command::Build(command) => command.run(),
            Command::Test(command) => command.run(),
            Command::TestAllTargets(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Shell(command) => command.run(),
            Command::Env(command) => command.run(),
            Command::Sysroot(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Conformance(command) => command.run(),
            Command::Clean(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Runner(_) | Command::Room(_) => unreachable!("handled above"),
        })
        .flatten(),
    };
    match (result, signals::exit_code()) {
        (_, Some(code)) => {
            // What a child that has ended meanwhile had started itself.
            runner::sweep(&[]);
            eprintln!("interrupted");
            ExitCode::from(code)
        }
        (Ok(code), None) => code,
        (Err(error), None) => {
            eprintln!("error: {error:#}");
            // 1 says that a target failed; 2 that there was no run to speak of.
            ExitCode::from(2)
        }
    }
}
