//! What people get wrong gets an answer that names it.

use std::fs;

use crate::bench::{bench, copy, path_of, run};

/// Evaluates an expression in which `flake` is the clone and `pkgs` the stand-in's packages.
fn evaluate(expression: &str) -> crate::bench::Output {
    let text = format!(
        "let flake = builtins.getFlake \"{}\"; pkgs = flake.inputs.nixpkgs.legacyPackages.x86_64-linux; in {expression}",
        path_of(&bench().clone()).display()
    );
    bench().nix(&["eval", "--impure", "--expr", &text])
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn names_and_arguments_that_are_wrong_are_answered_with_those_that_are_right() {
    let fails = |arguments: &str, words: &[&str]| {
        evaluate(&format!("(flake.lib.mkCross {{ {arguments} }}).shells.aarch64-linux.drvPath")).fails_with(words);
    };
    fails(
        "inherit pkgs; targets = [ \"aarch64-linx\" ];",
        &["unknown target `aarch64-linx`; did you mean aarch64-linux", "The targets are"],
    );
    fails("inherit pkgs; target = [ ];", &["unknown argument `target`; did you mean targets", "buildInputs"]);
    fails(
        "inherit pkgs; crateArgs = { };",
        &["`crateArgs` must be a function from { row, pkgs, pkgsCross, toolchain, lib }"],
    );
    fails(
        "inherit pkgs; shell = _: { package = [ ]; };",
        &["shell of aarch64-linux: unknown argument `package`; did you mean packages", "hook, packages, variables"],
    );
    let windows =
        "(flake.lib.mkCross { inherit pkgs; buildInputs = told: [ told.pkgsCross.zlib ]; }).shells.windows-x86";
    evaluate(&format!("{windows}.drvPath")).fails_with(&[
        "target windows-x86 has no pkgsCross",
        "hasPkgsCross",
        "vendored",
    ]);
    fails(
        "inherit pkgs; targets = \"aarch64-linux\";",
        &["argument `targets` must be list of names, triples or patterns"],
    );
    fails("src = null;", &["argument `pkgs` is missing"]);
    fails("inherit pkgs; toolchain = \"beta\";", &["argument `toolchain` must be", "nightly"]);
    bench().nix(&["develop", ".#aarch64-linx"]).fails_with(&["aarch64-linx", "Did you mean", "aarch64-linux"]);
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_table_a_system_or_a_workspace_that_will_not_do_is_named() {
    let table = bench().folder().join("table.toml");
    fs::write(&table, "[target.board]\ntriple = \"board\"\nlevel = \"run\"\n").unwrap();
    let with = |arguments: &str| format!("(flake.lib.mkCross {{ inherit pkgs; {arguments} }})");
    evaluate(&format!("{}.shells.board.drvPath", with(&format!("table = {};", table.display()))))
        .fails_with(&["row `board`, field `runner`: is missing"]);
    // A shell is of one row, and of the others only names are read.
    evaluate(&format!("{}.shells.aarch64-linux.drvPath", with(&format!("table = {};", table.display())))).succeeds();
    let elsewhere = "pkgs // { stdenv = pkgs.stdenv // { hostPlatform.system = \"i686-linux\"; }; }";
    evaluate(&format!("(flake.lib.mkCross {{ pkgs = {elsewhere}; }}).shells.aarch64-linux.drvPath"))
        .fails_with(&["i686-linux is no build machine", "x86_64-linux"]);
    let source = bench().folder().join("no-lock");
    fs::create_dir_all(&source).unwrap();
    let package = format!("{}.packages.aarch64-linux.drvPath", with(&format!("src = {};", source.display())));
    evaluate(&package).fails_with(&["no-lock has no Cargo.toml"]);
    fs::write(source.join("Cargo.toml"), "[package]\nname = \"no-lock\"\n").unwrap();
    evaluate(&package).fails_with(&["no-lock has no Cargo.lock", "cargo generate-lockfile"]);
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn inputs_that_are_too_old_are_named_with_the_version_needed() {
    let (old, bare) = (bench().input("old-nixpkgs"), bench().input("old-crane"));
    copy(&bench().input("nixpkgs"), &old);
    let lib = fs::read_to_string(old.join("lib.nix")).unwrap();
    fs::write(old.join("lib.nix"), lib.replace("26.05pre-stand-in", "24.05")).unwrap();
    fs::create_dir_all(&bare).unwrap();
    fs::write(bare.join("flake.nix"), "{ outputs = { self }: { }; }\n").unwrap();
    for (input, folder, words) in
        [("nixpkgs", &old, ["nixpkgs 24.05 is too old", "26.05"]), ("crane", &bare, ["crane has no mkLib", "0.23"])]
    {
        let mut command = bench().command("nix");
        command.args(["eval", "--no-write-lock-file", ".#packages.x86_64-linux.aarch64-linux.drvPath"]);
        run(command.args(["--override-input", input]).arg(path_of(folder))).fails_with(&words);
    }
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_flake_that_git_does_not_know_is_named() {
    let folder = bench().folder().join("untracked");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"untracked\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )
    .unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    bench().git(&folder);
    fs::write(
        folder.join("flake.nix"),
        "{ inputs.cross-flake.url = \"github:cross-flake/cross-flake\"; outputs = _: { }; }",
    )
    .unwrap();
    let mut program = bench().command(env!("CARGO_BIN_EXE_cargo-cross-flake"));
    run(program.args(["env", "aarch64-linux"]).current_dir(&folder)).fails_with(&["flake.nix", "git add"]);
}
