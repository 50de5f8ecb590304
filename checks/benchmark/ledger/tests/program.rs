//! The program as its users start it.
#![cfg(not(target_family = "wasm"))]

use std::path::PathBuf;
use std::process::{Command, Output};

struct File(PathBuf);

impl File {
    fn new(name: &str) -> File {
        File(std::env::temp_dir().join(format!("ledger-{}-{name}", std::process::id())))
    }

    fn ledger(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ledger")).arg("--file").arg(&self.0).args(args).output().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn entries_make_a_balance() {
    let file = File::new("balance");
    assert!(file.ledger(&["new", "someone"]).status.success());
    assert!(file.ledger(&["add", "credit", "500", "rent"]).status.success());
    assert!(file.ledger(&["add", "debit", "200"]).status.success());
    assert_eq!(String::from_utf8_lossy(&file.ledger(&["balance"]).stdout).trim(), "300");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let output = File::new("missing").ledger(&["balance"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read"));
}

#[test]
fn a_file_that_is_no_ledger_is_an_error() {
    let file = File::new("damaged");
    std::fs::write(&file.0, b"not a ledger").unwrap();
    assert!(String::from_utf8_lossy(&file.ledger(&["balance"]).stderr).contains("cannot be unpacked"));
}
