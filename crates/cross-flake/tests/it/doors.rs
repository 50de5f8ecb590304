//! The ways in which people call the program: as cargo's, by an xtask of their own, by `nix run`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Fixture, Start, names};

/// The directory in which this test's own cargo has built the program.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_cargo-cross-flake")).parent().unwrap().to_owned()
}

fn with_path(start: Start) -> Start {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([built()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    start.env("PATH", path)
}

#[test]
fn it_is_a_command_of_cargos_in_any_workspace_and_any_directory_of_it() {
    let fixture = Fixture::new("small");
    let inside = fixture.root().join("src");
    let test = ["cross-flake", "test", "aarch64-linux", "--json"];
    let output = with_path(fixture.command("cargo", &test)).in_folder(&inside).succeeds();
    assert_eq!(output.row("aarch64-linux")["status"], "passed", "{output}");
    let unknown = with_path(fixture.command("cargo", &["cross-flake", "env", "nowhere"])).ends_with(2);
    unknown.says(&["`cargo cross-flake list` shows every target"]);
}

#[test]
fn an_app_of_a_flake_is_named_in_hints() {
    let fixture = Fixture::new("small");
    let start = fixture.program(&["env", "nowhere"]).env("CROSS_FLAKE_CALLED", "nix run . --");
    start.ends_with(2).says(&["`nix run . -- list` shows every target"]);
}

#[test]
fn a_workspace_has_the_commands_in_an_xtask_of_its_own() {
    let fixture = Fixture::example("own-xtask");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let manifest = fs::read_to_string(fixture.root().join("xtask/Cargo.toml")).unwrap();
    let library = repository.join("crates/cross-flake");
    fixture.write("xtask/Cargo.toml", &manifest.replace("../../../crates/cross-flake", library.to_str().unwrap()));
    // The same versions and profiles, of which most are compiled already.
    let profiles = fs::read_to_string(repository.join("Cargo.toml")).unwrap();
    let profiles = &profiles[profiles.find("[profile.").unwrap()..];
    let workspace = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    fixture.write("Cargo.toml", &format!("{workspace}\n{profiles}"));
    fs::copy(repository.join("Cargo.lock"), fixture.root().join("Cargo.lock")).unwrap();
    let target = built().parent().unwrap().to_owned();
    let xtask = |args: &[&str]| {
        let start = fixture.command("cargo", &[&["xtask"], args].concat());
        start.env("CARGO_BUILD_BUILD_DIR", &target).env("CARGO_NET_OFFLINE", "true")
    };
    assert_eq!(xtask(&["greet"]).succeeds().out, "hello\n");
    // The program that cargo has built, so that the workspace's own build is where it always is.
    let program = fixture.path("target").join("debug/xtask");
    let start = |args: &[&str]| fixture.command(program.to_str().unwrap(), args);
    let output = start(&["test-all-targets", "--json"]).succeeds();
    for row in ["x86_64-linux", "aarch64-linux"] {
        assert_eq!(output.row(row)["tests"]["passed"], 1, "{output}");
    }
    start(&["env", "nowhere"]).ends_with(2).says(&["`cargo xtask list` shows every target"]);
}

#[test]
fn a_shell_completes_commands_options_and_the_rows_of_the_workspace() {
    let fixture = Fixture::new("small");
    fixture.write("targets.toml", "[target.mine]\ntriple = \"a-b-c\"\nlevel = \"link\"\nreason = \"x\"\n");
    let script = fixture.program(&["completions", "bash"]).succeeds().out;
    fs::write(fixture.path("completions"), &script).unwrap();
    // What completed cargo before goes on for everything else, also if the script is read twice.
    let shell = "_before() { COMPREPLY=(cargos-own); }; complete -F _before cargo; . ../completions; . ../completions; \
                 COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); function=$(complete -p \"$1\"); \
                 function=${function##*-F }; ${function%% *} \"$1\" \"${!#}\" \"${@:$#-1:1}\"; echo \"${COMPREPLY[*]}\"";
    let completed = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let output = fixture.command("bash", &[&["--norc", "-c", shell, "bash"], &words[..]].concat()).succeeds();
        output.out.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("cargo-cross-flake test-all-t"), ["test-all-targets"]);
    assert_eq!(completed("cargo cross-flake test windows-arm"), ["windows-arm64", "windows-arm64-msvc"]);
    assert_eq!(completed("cargo cross-flake run min"), ["mine"]);
    assert_eq!(completed("cargo cross-flake test mine --rerun"), ["--rerun-failed"]);
    assert_eq!(completed("cargo build --rel"), ["cargos-own"]);
    for shell in ["zsh", "fish"] {
        let script = fixture.program(&["completions", shell]).succeeds().out;
        assert!(script.contains("windows-x86") && script.contains("mine"), "{shell}\n{script}");
    }

    let folder = fixture.path("man1");
    fixture.program(&["man", folder.to_str().unwrap()]).succeeds();
    let pages = names(&folder);
    for page in ["cargo-cross-flake.1", "cargo-cross-flake-test.1", "cargo-cross-flake-report-merge.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    let page = fs::read_to_string(folder.join("cargo-cross-flake-test.1")).unwrap();
    assert!(page.contains(".TH cargo-cross-flake-test 1") && page.contains("rerun"), "{page}");
}
