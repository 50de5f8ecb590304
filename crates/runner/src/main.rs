//! `cross-flake-runner runner SPEC -- PROGRAM ARGS…`: what dev shells and packages of the flake start programs of a target with.

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = cross_flake_runner::by_name().or_else(cross_flake_runner::by_command);
    match result {
        Some(Ok(code)) => code,
        Some(Err(error)) => {
            eprintln!("error: {error:#}");
            // As a shell does for a command that cannot be started.
            ExitCode::from(127)
        }
        None => {
            eprintln!("usage: cross-flake-runner runner [--no-binfmt] SPEC -- PROGRAM [ARGS…]");
            ExitCode::from(2)
        }
    }
}
