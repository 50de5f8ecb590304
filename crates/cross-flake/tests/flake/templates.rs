//! A newcomer's project, by each of the templates.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::{bench, path_of, repository, run};

/// A project with a library that has a test, a C file and a template's flake, locked to the stand-ins.
fn project(template: &str) -> PathBuf {
    let folder = bench().folder().join(template);
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"newcomer\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[build-dependencies]\ncc = \"1\"\n\n\
         # The folder is within another workspace.\n[workspace]\n",
    );
    write("build.rs", "fn main() { cc::Build::new().file(\"c/seven.c\").compile(\"seven\"); }\n");
    write("c/seven.c", "int seven(void) { return 7; }\n");
    write(
        "src/main.rs",
        "unsafe extern \"C\" { safe fn seven() -> i32; }\n\nfn main() { println!(\"{}\", seven()); }\n\n\
         #[test]\nfn c_says_seven() { assert_eq!(seven(), 7); }\n",
    );
    write(".gitignore", "/target\nresult*\n");
    fs::copy(repository().join("rust-toolchain.toml"), folder.join("rust-toolchain.toml")).unwrap();
    run(bench().command("cargo").args(["generate-lockfile"]).current_dir(&folder)).succeeds();
    let mut reference = path_of(&bench().clone());
    reference.push(format!("#{template}"));
    run(bench().command("nix").args(["flake", "init", "--template"]).arg(reference).current_dir(&folder)).succeeds();
    bench().git(&folder);
    bench().lock(&folder, "cross-flake/");
    folder
}

fn passes(folder: &Path) {
    let nix = |args: &[&str]| run(bench().command("nix").args(args).current_dir(folder)).succeeds();
    // Without a name it is all about this machine.
    let built = nix(&["build", "--no-link", "--print-build-logs", "--json"]).json();
    let program = Path::new(built[0]["outputs"]["out"].as_str().unwrap()).join("bin/newcomer");
    assert_eq!(run(&mut bench().command(program)).succeeds().out, "7\n");
    nix(&["develop", "--command", "cargo", "clippy", "--version"]);
    nix(&["eval", ".#formatter.x86_64-linux.drvPath"]);
    let list = nix(&["run", ".", "--", "list"]);
    assert!(list.out.contains("windows-x64"), "{list}");
    // What the workflow runs.
    nix(&["flake", "check", "--no-build"]);
    let jobs = nix(&["eval", "--json", ".#githubMatrix"]).json();
    for target in jobs["target"].as_array().unwrap() {
        let target = target.as_str().unwrap();
        assert!(
            !target.starts_with("cortex") && !target.ends_with("none"),
            "a plain crate is for no bare metal: {jobs}"
        );
        for check in ["test", "conformance", "portable", "shell"] {
            nix(&["eval", &format!(".#matrix.{target}.{check}.drvPath")]);
        }
    }
    nix(&["eval", ".#matrix.drvPath"]);
    nix(&["build", "--no-link", "--print-build-logs", ".#aarch64-linux"]);
    let output = nix(&["develop", ".#windows-x64", "--command", "cargo", "run", "--quiet"]);
    assert_eq!(output.out.trim(), "7", "{output}");
    bench().assert_emulators_left_no_trace();
    // cross-flake from the flake's own app would do the same: the workspace's environments are the flake's.
    let mut program = bench().command(env!("CARGO_BIN_EXE_cargo-cross-flake"));
    let output = run(program.args(["test", "x86_64-linux", "aarch64-linux"]).current_dir(folder)).succeeds();
    assert!(output.out.contains("2 passed"), "{output}");
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn the_template_for_a_project_works_as_it_is() {
    let folder = project("default");
    passes(&folder);
    assert!(folder.join(".github/workflows/cross.yml").exists());
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn the_template_for_a_flake_that_is_there_works_as_it_is() {
    passes(&project("existing-flake"));
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn templates_are_short() {
    for template in ["default", "existing-flake"] {
        let text = fs::read_to_string(repository().join("nix/templates").join(template).join("flake.nix")).unwrap();
        assert!(text.lines().count() <= 15, "{template} has {} lines", text.lines().count());
    }
}
