//! The other doors to mkCross: a module of flake-parts, an overlay of nixpkgs, and Hydra's jobs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{Output, bench, copy, path_of, repository, run};
use crate::names;

/// A workspace with a flake of these outputs, in which `INPUTS` are more inputs.
fn project(name: &str, inputs: &str, outputs: &str) -> PathBuf {
    let folder = bench().folder().join("modules").join(name);
    copy(&repository().join("crates/cross-flake/tests/fixtures/with-c"), &folder);
    let text = "{\n  inputs.cross-flake.url = \"path:/\";\n  INPUTS\n  outputs = inputs: OUTPUTS;\n}\n";
    fs::write(folder.join("flake.nix"), text.replace("INPUTS", inputs).replace("OUTPUTS", outputs)).unwrap();
    bench().git(&folder);
    folder
}

/// The same, of a flake by flake-parts with these lines in `perSystem`.
fn parts(name: &str, lines: &str) -> PathBuf {
    let stand_in = bench().input("flake-parts");
    if !stand_in.exists() {
        copy(&repository().join("checks/stand-in/flake-parts"), &stand_in);
    }
    let inputs = "inputs.flake-parts.url = \"path:/\"; inputs.nixpkgs.follows = \"cross-flake/nixpkgs\"; \
                  inputs.flake-parts.inputs.nixpkgs-lib.follows = \"cross-flake/nixpkgs\";";
    let outputs = "inputs.flake-parts.lib.mkFlake { inherit inputs; } {\n\
                   systems = [ \"x86_64-linux\" \"aarch64-darwin\" ];\n\
                   imports = [ inputs.cross-flake.flakeModules.default inputs.cross-flake.flakeModule ];\n\
                   perSystem = { config, pkgs, ... }: { LINES };\n}";
    let folder = project(name, inputs, &outputs.replace("LINES", lines));
    let mut command = bench().command("nix");
    command.args(["flake", "lock", "--override-input", "cross-flake"]).arg(path_of(&bench().clone()));
    command.args(["--override-input", "flake-parts"]).arg(path_of(&stand_in));
    for input in ["nixpkgs", "crane", "fenix", "rust-overlay"] {
        command.args(["--override-input", &format!("cross-flake/{input}")]).arg(path_of(&bench().input(input)));
    }
    run(command.current_dir(&folder)).succeeds();
    folder
}

fn nix(folder: &Path, args: &[&str]) -> Output {
    run(bench().command("nix").args(args).current_dir(folder))
}

fn eval(folder: &Path, what: &str, apply: &str) -> Value {
    nix(folder, &["eval", "--json", &format!(".#{what}"), "--apply", apply]).json()
}

const TARGETS: &str = "src = ./.; targets = [ \"aarch64-linux\" \"x86_64-linux\" ]; ";

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_module_of_flake_parts_sets_what_mk_flake_gives() {
    let folder = parts("parts", &format!("cross-flake = {{ {TARGETS} }};"));
    let same = project("same", "", &format!("inputs.cross-flake.lib.mkFlake {{ {TARGETS} }}"));
    bench().lock(&same, "cross-flake/");
    // Names and values, of this system and of the other one.
    for kind in ["packages", "devShells", "checks", "apps", "legacyPackages"] {
        let names = |folder: &Path| eval(folder, kind, "builtins.mapAttrs (_: builtins.attrNames)");
        let (mut expected, found) = (names(&same), names(&folder));
        expected.as_object_mut().unwrap().retain(|system, _| found.get(system).is_some());
        // flake-parts has an empty set where mkFlake has none.
        assert_eq!(found["x86_64-linux"], expected["x86_64-linux"], "{kind}");
        let there = expected.get("aarch64-darwin").cloned().unwrap_or_else(|| serde_json::json!([]));
        assert_eq!(found["aarch64-darwin"], there, "{kind}");
    }
    for kind in ["packages", "devShells", "checks"] {
        let derivations =
            |folder: &Path| eval(folder, &format!("{kind}.x86_64-linux"), "builtins.mapAttrs (_: one: one.drvPath)");
        // A workspace in another folder is another source, and shells are of none.
        if kind == "devShells" {
            assert_eq!(derivations(&folder), derivations(&same), "{kind}");
        } else {
            assert_eq!(names(&derivations(&folder)), names(&derivations(&same)), "{kind}");
        }
    }
    nix(&folder, &["flake", "check", "--no-build", "--all-systems"]).succeeds();
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_flake_by_modules_has_things_of_its_own_beside_those_of_cross_flake() {
    let lines = format!(
        "cross-flake = {{ {TARGETS} }}; packages.default = pkgs.nodejs; formatter = pkgs.nixfmt; \
         legacyPackages.jobs = config.cross-flake.cross.hydraJobs;"
    );
    let folder = parts("own", &lines);
    assert_eq!(eval(&folder, "packages.x86_64-linux.default", "one: one.name"), "node");
    assert_eq!(eval(&folder, "formatter.x86_64-linux", "one: one.name"), "nixfmt");
    assert_eq!(eval(&folder, "devShells.x86_64-linux.aarch64-linux", "one: one.name"), "aarch64-linux");
    let jobs = eval(&folder, "legacyPackages.x86_64-linux.jobs", "builtins.attrNames");
    assert_eq!(jobs, serde_json::json!(["aarch64-linux", "x86_64-linux"]));
    // A module that is imported adds nothing by itself.
    let folder = parts("silent", "");
    assert_eq!(eval(&folder, "packages.x86_64-linux", "builtins.attrNames"), serde_json::json!([]));
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn options_of_the_module_are_those_of_mk_cross_with_their_types() {
    for (index, (lines, words)) in [
        ("target = [ ];", ["option `perSystem.x86_64-linux.cross-flake.target' does not exist", ""]),
        ("targets = \"aarch64-linux\";", ["cross-flake.targets' is not of type", "list of names, triples or patterns"]),
        ("crateArgs = { };", ["cross-flake.crateArgs' is not of type", "a function from { row, pkgs"]),
        ("pkgs = { };", ["cross-flake.pkgs' does not exist", ""]),
        ("targets = [ \"aarch64-linx\" ];", ["did you mean aarch64-linux", ""]),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = parts(&format!("wrong-{index}"), &format!("cross-flake = {{ src = ./.; {lines} }};"));
        nix(&folder, &["eval", ".#packages.x86_64-linux.default.drvPath"]).fails_with(&words);
    }
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn an_overlay_makes_mk_cross_a_part_of_nixpkgs() {
    let text = format!(
        "let flake = builtins.getFlake \"{}\"; pkgs = flake.inputs.nixpkgs.legacyPackages.x86_64-linux; \
         given = {{ src = flake.outPath; targets = [ \"aarch64-linux\" ]; }}; in \
         map (cross: [ cross.shells.aarch64-linux.drvPath cross.matrix.drvPath ]) \
         [ ((pkgs.extend flake.overlays.default).crossFlake given) (flake.lib.mkCross (given // {{ inherit pkgs; }})) ]",
        path_of(&bench().clone()).display()
    );
    let both = bench().nix(&["eval", "--impure", "--json", "--expr", &text]).json();
    assert_eq!(both[0], both[1]);
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn hydra_has_a_job_for_each_check_of_a_row_where_it_is_asked_for() {
    let folder = project(
        "hydra",
        "",
        &format!("inputs.cross-flake.lib.mkFlake {{ {TARGETS} hydraJobs = [ \"x86_64-linux\" ]; }}"),
    );
    bench().lock(&folder, "cross-flake/");
    let names = "builtins.mapAttrs (_: builtins.mapAttrs (_: builtins.attrNames))";
    let checks = ["conformance", "package", "portable", "shell", "test"];
    let expected = serde_json::json!({ "x86_64-linux": { "aarch64-linux": checks, "x86_64-linux": checks } });
    assert_eq!(eval(&folder, "hydraJobs", names), expected);
    // Nix evaluates all of them.
    nix(&folder, &["flake", "check", "--no-build"]).succeeds();
    let without = project("no-hydra", "", &format!("inputs.cross-flake.lib.mkFlake {{ {TARGETS} }}"));
    bench().lock(&without, "cross-flake/");
    nix(&without, &["eval", ".#hydraJobs"]).fails_with(&["hydraJobs"]);
}

/// As crane would: over what the package's own dependencies were built to.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn crane_checks_each_target_where_a_workspace_asks_for_it() {
    let outputs =
        format!("inputs.cross-flake.lib.mkFlake {{ {TARGETS} checks = {{ clippy = {{ }}; fmt = {{ }}; }}; }}");
    let folder = project("checks", "", &outputs);
    bench().lock(&folder, "cross-flake/");
    let names = eval(&folder, "checks.x86_64-linux", "builtins.attrNames");
    assert_eq!(names, serde_json::json!(["aarch64-linux-clippy", "fmt", "x86_64-linux", "x86_64-linux-clippy"]));
    let build = |check: &str| nix(&folder, &["build", "--no-link", "-L", &format!(".#checks.x86_64-linux.{check}")]);
    // The folder is within another workspace, which has rules of its own.
    fs::write(folder.join("rustfmt.toml"), "").unwrap();
    bench().git(&folder);
    run(bench().command("cargo").args(["fmt", "--all"]).current_dir(&folder)).succeeds();
    build("fmt").succeeds();
    build("aarch64-linux-clippy").succeeds();
    let main = folder.join("src/main.rs");
    let text = fs::read_to_string(&main).unwrap();
    fs::write(&main, format!("{text}\n#[cfg(target_arch = \"aarch64\")]\nfn  unused() {{}}\n")).unwrap();
    build("fmt").fails_with(&["unused"]);
    build("aarch64-linux-clippy").fails_with(&["function `unused` is never used"]);
    // It is the target that is checked, and the other one has no such function.
    build("x86_64-linux-clippy").succeeds();
}
