//! `cargo xtask update-inputs` on inputs that differ from those that are locked.

use std::fs;
use std::path::Path;

use crate::bench::{Output, bench, copy, path_of, repository, run};

/// What it says of the clone with another nixpkgs.
fn update(nixpkgs: &Path) -> Output {
    let mut command = bench().command("cargo");
    command.args(["run", "--quiet", "--locked", "--package", "xtask", "--", "update-inputs", "--flake"]);
    command.arg(bench().clone()).args(["--override-input", "nixpkgs"]).arg(path_of(nixpkgs));
    run(command.current_dir(repository()))
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn newer_inputs_are_known_by_what_they_lack_before_anybody_takes_them() {
    let same = update(&bench().input("nixpkgs")).succeeds();
    assert!(!same.out.contains("| input") && same.out.contains("| zig (the wheel's: "), "{same}");

    let lock = fs::read(bench().clone().join("flake.lock")).unwrap();
    let newer = bench().input("newer-nixpkgs");
    copy(&bench().input("nixpkgs"), &newer);
    let packages = fs::read_to_string(newer.join("packages.nix")).unwrap();
    let change = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let packages = change(&packages, "zig = tools \"zig\" \"0\"", "zig = tools \"zig\" \"0.99.0\"");
    let packages = change(&packages, "  lld = tools", "  lld_99 = tools");
    fs::write(newer.join("packages.nix"), packages).unwrap();
    let output = update(&newer);
    for words in ["| input nixpkgs |", "| 0 | 0.99.0 |", "missing: pkgs.lld\n"] {
        assert!(output.out.contains(words), "it does not say: {words}\n{output}");
    }
    output.fails_with(&[]);
    assert_eq!(fs::read(bench().clone().join("flake.lock")).unwrap(), lock);
}
