//! `slugs FILE…` prints the slug of each file's first line. `SLUG_SEPARATOR` stands between words.

use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let separator = env::var("SLUG_SEPARATOR").unwrap_or("-".into());
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: slugs FILE…");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match fs::read_to_string(&file) {
            Ok(text) => println!("{}", slug::slug(text.lines().next().unwrap_or_default(), &separator)),
            Err(error) => {
                eprintln!("{file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
