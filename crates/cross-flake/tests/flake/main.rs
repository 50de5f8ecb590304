//! The flake as people use it: real Nix, real commands, on a clone of this repository.
//!
//! nixpkgs, crane, fenix and rust-overlay are the stand-ins of `checks/stand-in`, made of the portable provider's tools: no
//! network has to reach the real ones. `checks/inputs` holds the stand-ins against those. Every test needs Nix, so
//! `cargo test` leaves them to `checks/nix`.

mod bench;
mod links;
mod mistakes;
mod modules;
mod parity;
mod provider;
mod stability;
mod templates;
mod update;

use std::collections::BTreeSet;
use std::fs;

use bench::{bench, copy, path_of, repository, rows, run};
use serde_json::Value;

/// The names in a JSON object.
fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().cloned().collect()
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn every_row_is_shown_once_for_each_kind_of_output() {
    let shown = bench().nix(&["flake", "show", "--json"]).json();
    let rows: BTreeSet<String> = rows().into_iter().map(|(name, _)| name).collect();
    let of = |kind: &str| names(&shown[kind]["x86_64-linux"]);
    let with = |more: &[&str]| -> BTreeSet<String> {
        rows.iter().cloned().chain(more.iter().map(|name| (*name).to_owned())).collect()
    };
    assert_eq!(of("devShells"), with(&["default"]));
    let environments = rows.iter().map(|row| format!("env-{row}"));
    assert_eq!(of("packages"), with(&["default", "cross-flake"]).into_iter().chain(environments).collect());
    assert_eq!(of("checks"), ["cross-flake", "format", "runner", "unit", "x86_64-linux"].map(String::from).into());
    assert_eq!(of("apps"), ["cross-flake", "default", "test-all-targets"].map(String::from).into());
    assert_eq!(names(&shown["templates"]), ["default", "existing-flake"].map(String::from).into());
    assert_eq!(shown["formatter"]["x86_64-linux"]["type"], "derivation");
    assert!(shown.get("lib").is_some(), "{shown}");
    // People read it: nothing but a line for each shell, package and document, few others, and no second level of names.
    let text = bench().nix(&["flake", "show"]).succeeds();
    let lines = text.out.lines().filter(|line| !line.contains("omitted")).count();
    assert!(lines <= 3 * rows.len() + 45, "{lines} lines\n{text}");
    for system in ["aarch64-linux", "x86_64-darwin", "aarch64-darwin"] {
        assert_eq!(names(&shown["devShells"][system]), with(&["default"]), "{system}");
    }
}

/// nixpkgs drops x86_64-darwin after 26.05: it is an error from then on.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_system_without_nixpkgs_takes_no_other_along() {
    let (flake, nixpkgs) = (bench().folder().join("dropped"), bench().input("dropping-nixpkgs"));
    copy(&bench().input("nixpkgs"), &nixpkgs);
    let text = fs::read_to_string(nixpkgs.join("flake.nix")).unwrap();
    let import = "(system: extend";
    let throws = "(system: if system == \"x86_64-darwin\" then throw \"it is dropped\" else extend";
    assert!(text.contains(import), "{text}");
    fs::write(nixpkgs.join("flake.nix"), text.replace(import, throws)).unwrap();
    let mut own = bench().command("nix");
    own.args(["flake", "show", "--json", "--no-write-lock-file", "--override-input", "nixpkgs"]);
    let shown = run(own.arg(path_of(&nixpkgs))).json();
    assert!(shown["packages"]["x86_64-darwin"].get("windows-x64").is_some(), "{shown}");

    copy(&repository().join("crates/cross-flake/tests/fixtures/with-c"), &flake);
    let outputs = "{ outputs = { cross-flake, ... }: cross-flake.lib.mkFlake { src = ./.; }; }";
    fs::write(flake.join("flake.nix"), outputs.replacen('{', "{ inputs.cross-flake.url = \"path:/\";", 1)).unwrap();
    bench().git(&flake);
    bench().lock(&flake, "cross-flake/");
    for args in
        [&["flake", "show"][..], &["flake", "check", "--no-build"], &["eval", ".#packages.x86_64-linux.default.name"]]
    {
        let mut command = bench().command("nix");
        command.args(args).args(["--no-write-lock-file", "--override-input", "cross-flake/nixpkgs"]);
        run(command.arg(path_of(&nixpkgs)).current_dir(&flake)).succeeds();
    }
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn the_checks_of_the_flake_pass_and_all_systems_evaluate() {
    bench().nix(&["flake", "check", "--no-build", "--all-systems"]).succeeds();
    bench().nix(&["flake", "check"]).succeeds();
    // Some for the table and the errors, and some for each row.
    let unit = fs::read_to_string(&bench().build(&[".#checks.x86_64-linux.unit"])[0]).unwrap();
    let count: usize = unit.split_whitespace().next().unwrap().parse().unwrap();
    assert!(unit.ends_with(" tests passed\n") && count > 7 * rows().len(), "{unit}");
    eprintln!("unit: {unit}");
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_shell_is_inside_its_target_and_build_scripts_stay_outside() {
    let script = "printf '%s\\n' $CARGO_BUILD_TARGET $CC $CC_FOR_BUILD $HOST_CC ${RUSTFLAGS-unset} $(command -v cargo)";
    for (row, triple) in [
        ("aarch64-linux", "aarch64-unknown-linux-gnu"),
        ("riscv64-linux-musl", "riscv64gc-unknown-linux-musl"),
        ("windows-x64", "x86_64-pc-windows-gnu"),
        ("wasm32-wasi", "wasm32-wasip1"),
        ("cortex-m4f", "thumbv7em-none-eabihf"),
    ] {
        let output = bench().nix(&["develop", &format!(".#{row}"), "--command", "sh", "-c", script]).succeeds();
        let [target, cc, for_build, host, flags, cargo] = output.out.lines().collect::<Vec<_>>()[..] else {
            panic!("{output}");
        };
        assert_eq!((target, flags), (triple, "unset"), "{output}");
        assert!(cc.ends_with(&format!("/bin/{row}-cc")), "{output}");
        assert!(for_build == host && host.contains("host-cc"), "{output}");
        assert!(cargo.contains(&format!("rust-for-{row}/bin")), "{output}");
    }
}

/// Build scripts and proc-macros that link zlib, and what CMake takes for the build machine's compiler.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn what_runs_on_the_host_gets_no_library_of_the_target_in_a_shell() {
    let folder = bench().folder().join("host-libraries");
    copy(&repository().join("crates/cross-flake/tests/fixtures/host-libraries"), &folder);
    fs::write(
        folder.join("CMakeLists.txt"),
        "cmake_minimum_required(VERSION 3.16)\nproject(host C)\nmessage(STATUS \"it is ${CMAKE_C_COMPILER}\")\n",
    )
    .unwrap();
    let script =
        "cargo run --quiet --locked && cmake -S . -B out -DCMAKE_TOOLCHAIN_FILE=\"$HOST_CMAKE_TOOLCHAIN_FILE\"";
    let mut reference = path_of(&bench().clone());
    reference.push("#aarch64-linux");
    let mut shell = bench().command("nix");
    shell.arg("develop").arg(reference).args(["--command", "sh", "-c", script]);
    let output = run(shell.current_dir(&folder)).succeeds();
    assert!(output.out.starts_with("aarch64 true\n"), "{output}");
    assert!(output.out.contains("host-cc/bin/cc"), "{output}");
}

/// The first of the README's three commands. The example has a C build script, a proc-macro, and tests that start programs.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn plain_cargo_test_in_a_shell_runs_on_the_target() {
    let output = bench().nix(&["develop", ".#aarch64-linux", "--command", "cargo", "test", "--locked"]).succeeds();
    assert!(output.err.contains("target/aarch64-unknown-linux-gnu/debug/deps/programs-"), "{output}");
    assert!(output.out.contains("test result: ok") && !output.out.contains("FAILED"), "{output}");
}

/// The second of them.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn nix_build_gives_a_program_of_the_target_by_name_and_by_triple() {
    let by_name = bench().build(&[".#windows-x64"]);
    let program = fs::read(by_name[0].join("bin/hello-zlib.exe")).unwrap();
    // The offset of the PE header is at 0x3c; AMD64 is 0x8664 (the PE format's specification).
    let header = u32::from_le_bytes(program[0x3c..0x40].try_into().unwrap()) as usize;
    assert_eq!((&program[..2], &program[header..header + 6]), (&b"MZ"[..], &b"PE\0\0\x64\x86"[..]));
    assert_eq!(bench().build(&[".#x86_64-pc-windows-gnu"]), by_name);

    let document = fs::read(&bench().build(&[".#env-s390x-linux"])[0]).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!((&document["schema"], &document["provider"]), (&1.into(), &"nix".into()), "{document}");
    assert_eq!(document["triple"], "s390x-unknown-linux-gnu");
}

/// Rows of every kind: native, emulated, static, Windows, WebAssembly, bare metal, and one that is only linked. The tests of some run in
/// [`the_program_takes_its_environments_from_the_flake`], by the same environments.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn rows_of_every_kind_pass_their_matrix() {
    let mut wanted = Vec::new();
    for row in ["x86_64-linux", "aarch64-linux", "windows-x64", "wasm32-wasi"] {
        wanted.extend(["conformance", "portable", "shell"].map(|check| format!(".#matrix.{row}.{check}")));
    }
    for row in ["riscv64-linux-musl", "cortex-m4f"] {
        wanted.extend(["conformance", "portable"].map(|check| format!(".#matrix.{row}.{check}")));
    }
    for row in ["wasm32-web", "macos-arm64"] {
        wanted.extend(["test", "conformance", "portable"].map(|check| format!(".#matrix.{row}.{check}")));
    }
    wanted.push(".#matrix.aarch64-linux.test".to_owned());
    wanted.extend(["windows-x86", "s390x-linux"].map(|row| format!(".#matrix.{row}.conformance")));
    bench().build(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    bench().assert_emulators_left_no_trace();
}

/// The third of the README's commands, for some rows of different kinds.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn the_program_takes_its_environments_from_the_flake() {
    let rows = ["x86_64-linux", "aarch64-linux", "riscv64-linux-musl", "windows-x64", "wasm32-wasi", "cortex-m4f"];
    let report = bench().folder().join("report.json");
    let reporting = format!("json={}", report.display());
    let args =
        [&["test"], &rows[..], &["--provider", "nix", "--locked", "--suite", "all", "--report", &reporting]].concat();
    let output = bench().program(&args).succeeds();
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["provider"], "nix", "{output}");
    for row in report["targets"].as_array().unwrap() {
        assert_eq!(row["status"], "passed", "{output}");
        // Other build systems, too, by what the flake says of the row.
        let suites = row["suites"].as_array().unwrap();
        let is_well = |suite: &Value| match suite["status"].as_str() {
            Some("linked") => row["name"] == "windows-x64" && suite["name"] == "python",
            status => matches!(status, Some("passed") | None),
        };
        assert!(suites.iter().all(is_well), "{output}");
        assert!(row["name"] != "aarch64-linux" || suites[0]["steps"].as_array().unwrap().len() == 4, "{output}");
    }
    assert_eq!(report["targets"].as_array().unwrap().len(), rows.len(), "{output}");
    // In this clone, which has a flake that uses cross-flake, it is what `auto` takes.
    let chosen = bench().program(&["env", "aarch64-linux"]).succeeds().json();
    assert_eq!(chosen["provider"], "nix");
    // `shell` enters `nix develop`.
    let output = bench().program(&["shell", "aarch64-linux", "--", "sh", "-c", "echo $CC $IN_NIX_SHELL"]).succeeds();
    assert!(output.out.contains("/bin/aarch64-linux-cc"), "{output}");
    bench().assert_emulators_left_no_trace();
}
