//! Keeps a ledger in a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use ledger_core::{Amount, Entry, Kind, entry};
use ledger_format::{Ledger, read, write};

/// Keeps a ledger in a file
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Begin an empty ledger
    New {
        /// Whose it is
        owner: String,
    },
    /// Add an entry
    Add {
        /// What it is
        kind: KindArgument,
        /// Cents
        amount: i64,
        /// What for
        #[arg(default_value = "")]
        note: String,
    },
    /// Print the balance in cents
    Balance,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindArgument {
    Credit,
    Debit,
}

impl From<KindArgument> for Kind {
    fn from(kind: KindArgument) -> Kind {
        match kind {
            KindArgument::Credit => Kind::Credit,
            KindArgument::Debit => Kind::Debit,
        }
    }
}

fn load(file: &Path) -> Result<Ledger, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    read(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}

fn save(file: &Path, ledger: &Ledger) -> Result<(), String> {
    let bytes = write(ledger).map_err(|error| error.to_string())?;
    std::fs::write(file, bytes).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

fn run(cli: Cli) -> Result<(), String> {
    match cli.command {
        Command::New { owner } => save(&cli.file, &Ledger { owner, entries: Vec::new() }),
        Command::Add { kind, amount, note } => {
            let mut ledger = load(&cli.file)?;
            let id = ledger.entries.len() as u64;
            ledger.entries.push(Entry { id, kind: kind.into(), amount: Amount(amount), note });
            save(&cli.file, &ledger)
        }
        Command::Balance => {
            let sum = entry::balance(&load(&cli.file)?.entries).ok_or("the balance is too large")?;
            println!("{sum}");
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_file_is_needed() {
        assert!(Cli::try_parse_from(["ledger", "balance"]).is_err());
    }

    #[test]
    fn an_amount_is_a_number() {
        assert!(Cli::try_parse_from(["ledger", "--file", "f", "add", "debit", "much"]).is_err());
    }
}
