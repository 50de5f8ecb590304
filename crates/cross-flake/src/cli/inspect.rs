//! `cargo cross-flake inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print_json;
use cross_flake_inspect::{Inspection, inspect_all};

/// Say what a program is: format, machine, interpreter, libraries, glibc, static or not, stripped or not, how large
///
/// Of a program for Windows it is an error that it needs a library which neither Windows nor the program's directory has.
#[derive(Args)]
pub struct Inspect {
    /// Programs and libraries: ELF, PE, Mach-O or WebAssembly
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON: an array with an object for each file
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Runs the command.
    ///
    /// # Errors
    /// JSON cannot be printed. A file that cannot be read makes the exit code 1 and does not keep the others from being shown.
    pub fn run(self) -> Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let mut inspections = Vec::new();
        for file in &self.files {
            match inspect_all(file) {
                Ok(all) => {
                    let missing: Vec<String> = all.iter().flat_map(Inspection::missing_libraries).collect();
                    if let Some(first) = missing.first() {
                        let names = missing.join(", ");
                        eprintln!(
                            "error: {} needs {names}, which neither Windows nor its directory has: put it beside the program, or link it statically{}",
                            file.display(),
                            redistributable(first)
                        );
                        code = ExitCode::from(1);
                    }
                    inspections.extend(all);
                }
                Err(error) => {
                    eprintln!("error: {error:#}");
                    code = ExitCode::from(1);
                }
            }
        }
        if self.json {
            print_json(&inspections)?;
        } else {
            let texts: Vec<String> = inspections.iter().map(ToString::to_string).collect();
            println!("{}", texts.join("\n").trim_end());
        }
        Ok(code)
    }
}

/// Names the package of Microsoft's that brings a library, where one does.
fn redistributable(library: &str) -> &'static str {
    let name = library.to_lowercase();
    if ["vcruntime", "msvcp", "concrt", "vcomp"].iter().any(|part| name.starts_with(part)) {
        "; Microsoft's Visual C++ Redistributable has it"
    } else {
        ""
    }
}
