//! A commit to this repository costs nobody a build, unless it changes what is built.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{bench, copy, path_of, run};

/// A clone of the clone, for no other test may see its changes.
fn clone() -> PathBuf {
    let folder = bench().folder().join("changed");
    copy(&bench().clone(), &folder);
    folder
}

/// The derivations of a kind of output, by name.
fn derivations(folder: &Path, kind: &str) -> Value {
    let mut reference = path_of(folder);
    reference.push(format!("#{kind}.x86_64-linux"));
    let apply = "builtins.mapAttrs (_: output: output.drvPath)";
    run(bench().command("nix").args(["eval", "--json", "--apply", apply]).arg(reference)).json()
}

/// The same of shells, packages and environments.
fn all(folder: &Path) -> [Value; 2] {
    ["devShells", "packages"].map(|kind| derivations(folder, kind))
}

fn append(file: &Path) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(b"// more\n").unwrap();
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn shells_packages_and_environments_stay_when_something_else_changes() {
    let folder = clone();
    let before = all(&folder);
    assert!(before.iter().all(|set| set.as_object().unwrap().len() > 20), "{before:?}");
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/nix.md",
        "docs/new.md",
        "xtask/src/main.rs",
        "checks/parity.toml",
        "crates/cross-flake/tests/it/main.rs",
        "crates/runner/tests/new.rs",
        "suites.toml",
    ] {
        append(&folder.join(file));
    }
    assert_eq!(all(&folder), before);

    // The program is the one thing that its own source changes.
    append(&folder.join("crates/cross-flake/src/lib.rs"));
    let mut after = all(&folder);
    for program in ["cross-flake", "default"] {
        assert_ne!(after[1][program], before[1][program], "{program}");
        after[1][program] = before[1][program].clone();
    }
    assert_eq!(after, before);

    // An example is packaged, and is in no shell.
    append(&folder.join("examples/hello-zlib/src/main.rs"));
    let [shells, packages] = all(&folder);
    assert_eq!(shells, before[0]);
    assert_ne!(packages["aarch64-linux"], before[1]["aarch64-linux"]);

    // The runner is in every shell that has one.
    append(&folder.join("crates/runner/src/lib.rs"));
    let after = derivations(&folder, "devShells");
    assert_ne!(after["aarch64-linux"], shells["aarch64-linux"]);
    assert_eq!(after["macos-arm64"], shells["macos-arm64"]);
}
