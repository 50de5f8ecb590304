//! Every target from one machine: builds a cargo workspace for every row of a table of targets and runs its tests under emulation.
//!
//! The program is `cargo cross-flake`; a workspace that has an `xtask` of its own gives it the same commands:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! #[derive(clap::Parser)]
//! #[command(name = "cargo cross-flake", bin_name = "cargo cross-flake")]
//! struct Cli {
//!     #[command(subcommand)]
//!     command: cross_flake::cli::Command,
//! }
//!
//! fn main() -> ExitCode {
//!     cross_flake::cli::main("cargo cross-flake", |cli: Cli| cli.command.run())
//! }
//! ```
//!
//! A row of [`targets`] becomes an [`environment`] by a [`provider`]; the [`engine`] builds and runs with environments and makes an
//! [`outcome`] for each row; [`dist`] packs what passed; a [`report`] is a view of these. Nothing imports what stands above it in that sentence.

pub mod cache;
pub mod cli;
pub mod dist;
pub mod engine;
pub mod environment;
pub mod events;
pub mod host;
pub mod outcome;
pub mod provider;
pub mod report;
pub mod settings;
pub mod suites;
pub mod targets;
pub mod workspace;
