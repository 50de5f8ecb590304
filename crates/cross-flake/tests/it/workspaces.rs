//! Workspaces of every kind: several members, settings, a toolchain of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{BOTH, COMPILER, Cache, Fixture};

/// Names and numbers of passed tests in a report.
fn passed(report: &Value) -> Vec<(&str, u64)> {
    let rows = report["targets"].as_array().unwrap().iter();
    rows.map(|row| (row["name"].as_str().unwrap(), row["tests"]["passed"].as_u64().unwrap())).collect()
}

#[test]
fn a_workspace_and_its_packages_choose_their_targets() {
    let fixture = Fixture::new("members");
    let output = fixture.program(&["test-all-targets", "--json"]).succeeds();
    assert_eq!(passed(&output.json()), [("aarch64-linux", 3), ("x86_64-linux", 2)], "{output}");
}

#[test]
fn a_target_that_no_package_is_for_is_named_and_left_out() {
    let fixture = Fixture::new("members");
    fixture.write(
        "everywhere/Cargo.toml",
        "[package]\nname = \"everywhere\"\nedition = \"2024\"\n[package.metadata.cross-flake]\ntargets = []\n",
    );
    let output = fixture.program(&["test-all-targets", "--json"]).succeeds();
    assert_eq!(passed(&output.json()), [("aarch64-linux", 1)], "{output}");
    output.says(&["not for this workspace: x86_64-linux"]);
    // Asked for by name, it is an error.
    fixture.program(&["test", "x86_64-linux"]).ends_with(2).says(&["is for x86_64-linux"]);
}

#[test]
fn packages_are_chosen_by_name_and_cargo_gets_what_follows() {
    let fixture = Fixture::new("members");
    let output = fixture.program(&[
        "test-all-targets",
        "--json",
        "-p",
        "everywhere",
        "--",
        "--lib",
        "--",
        "--exact",
        "no-such-test",
    ]);
    let output = output.succeeds();
    assert_eq!(passed(&output.json()), [("aarch64-linux", 0), ("x86_64-linux", 0)], "{output}");
}

#[test]
fn every_choice_of_tests_runs_those_and_no_others() {
    let fixture = Fixture::new("members");
    let test = |crates: &[&str]| {
        let choice = [&["--json", "-p", "everywhere", "--"], crates].concat();
        let output = fixture.for_both("test", &choice).succeeds();
        BOTH.map(|target| output.row(target)["tests"]["passed"].as_u64().unwrap())
    };
    assert_eq!(test(&["--lib"]), [1, 1]);
    assert_eq!(test(&["--tests"]), [2, 2]);
    assert_eq!(test(&["--test", "integration"]), [1, 1]);
    assert_eq!(test(&["--lib", "--test", "integration", "--", "runs"]), [1, 1]);
    assert_eq!(test(&["--all-targets"]), [2, 2]);
}

#[test]
fn a_choice_of_tests_fails_for_the_target_for_which_it_does_not_compile() {
    let fixture = Fixture::new("broken");
    let output = fixture.for_both("test", &["--json", "--", "--lib"]).ends_with(1);
    assert_eq!(
        (&output.row("x86_64-linux")["status"], &output.row("aarch64-linux")["status"]),
        (&"passed".into(), &"failed".into())
    );
    assert_eq!(output.row("x86_64-linux")["tests"]["passed"], 1, "{output}");
}

#[test]
fn a_workspace_is_found_from_a_folder_in_it_and_by_its_manifest() {
    let fixture = Fixture::new("members");
    let below = fixture.root().join("arm-only/src");
    fixture.program(&["test", "aarch64-linux"]).in_folder(&below).succeeds();
    let manifest = fixture.root().join("Cargo.toml").display().to_string();
    fixture
        .program(&["test", "aarch64-linux", "--manifest-path", &manifest])
        .in_folder(&fixture.path("tmp"))
        .succeeds();
}

#[test]
fn a_workspace_is_built_by_the_toolchain_that_it_names() {
    let cache = Cache::ready();
    let fixture = Fixture::new("small").with_cache(cache.root());
    let rustc = |args: &[&str]| {
        let output = Command::new("rustc").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
    };
    // Another toolchain, of the same version so that nothing has to be built for it.
    let (real, own) = (rustc(&["--print", "sysroot"]), fixture.path("tool chain"));
    fs::create_dir(&own).unwrap();
    for part in ["bin", "lib", "libexec"].iter().filter(|part| real.join(part).exists()) {
        let copy =
            |how: &str| Command::new("cp").args([how, "-r"]).arg(real.join(part)).arg(&own).output().unwrap().status;
        assert!(copy("-l").success() || copy("-a").success());
    }
    fixture.write("rust-toolchain.toml", &format!("[toolchain]\npath = \"{}\"\n", own.display()));
    fixture.write(
        "build.rs",
        "fn main() { println!(\"cargo:rustc-env=BUILT_BY={}\", std::env::var(\"RUSTC\").unwrap()); }",
    );
    fixture.write("src/main.rs", "fn main() { println!(\"{}\", env!(\"BUILT_BY\")); }");
    let said = fixture.program(&["run", "aarch64-linux"]).succeeds().out;
    let environment = fixture.program(&["env", "aarch64-linux"]).succeeds().json();
    let farm = PathBuf::from(environment["path"][0].as_str().unwrap());
    // cargo calls the compiler by its bare name, and that one comes first.
    assert!(["rustc\n".into(), format!("{}\n", farm.join("rustc").display())].contains(&said), "{said}");
    let host = farm.parent().unwrap().join("lib/rustlib/x86_64-unknown-linux-gnu");
    assert_eq!(fs::read_link(host).unwrap(), own.join("lib/rustlib/x86_64-unknown-linux-gnu"));

    fixture.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.2.3\"\n");
    let output = fixture
        .program(&["test", "x86_64-linux"])
        .env("RUSTUP_AUTO_INSTALL", "0")
        .env("RUSTUP_DIST_SERVER", "http://127.0.0.1:9");
    output.ends_with(2).says(&["1.2.3"]);
}

#[test]
fn a_target_of_the_user_with_a_specification_gets_a_core_built_for_it() {
    let cache = Cache::empty().with(&[&COMPILER[..], &["rust-src", "packages/qemu-system-arm"]].concat());
    let fixture = Fixture::example("custom-target").with_cache(cache.root());
    let spec = fs::read(fixture.root().join("my-board.json")).unwrap();
    let mut spec: Value = serde_json::from_slice(&spec).unwrap();
    let row = fixture.program(&["test", "my-board", "--json"]).succeeds().row("my-board");
    assert_eq!((&row["status"], &row["tests"]["passed"]), (&"passed".into(), &4.into()), "{row}");
    let triple = row["triple"].as_str().unwrap();
    let program = fixture.path("target").join(triple).join("debug/custom-target").display().to_string();
    let inspection = &fixture.program(&["inspect", "--json", &program]).succeeds().json()[0];
    assert_eq!((&inspection["machine"], &inspection["float_abi"]), (&"arm".into(), &"hard".into()), "{inspection}");
    // It is one of all targets, and what was built for it stays.
    let output = fixture.program(&["test-all-targets", "--json"]).succeeds();
    assert_eq!(output.json()["targets"].as_array().unwrap().len(), 1, "{output}");
    assert!(!output.err.contains("building"), "{output}");
    // That a specification is unstable opens nothing else that is.
    let main = fs::read_to_string(fixture.root().join("src/main.rs")).unwrap();
    fixture.write("src/main.rs", &main.replace("#![no_std]", "#![no_std]\n#![feature(never_type)]"));
    fixture.program(&["build", "my-board"]).ends_with(1).says(&["never_type"]);
    fixture.write("src/main.rs", &main);
    // Another specification is another target, although its name is the same; also when it is changed back.
    // Plain cargo sees that, too.
    for cpu in ["cortex-m4", "cortex-m7"] {
        spec["cpu"] = cpu.into();
        fixture.write("my-board.json", &spec.to_string());
        let script = "eval \"$(\"$0\" env my-board --shell)\" && cargo build && rustc --target \"$1\" --print sysroot";
        let output = fixture.command("sh", &["-c", script, env!("CARGO_BIN_EXE_cargo-cross-flake"), triple]).succeeds();
        output.says(&["Compiling custom-target"]);
        let rustlib = Path::new(output.out.trim_end()).join("lib/rustlib");
        let in_use = fs::read(rustlib.join(triple).join("target.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&in_use).unwrap(), spec);
    }
    // A table's line has no room for what the compiler says.
    spec["llvm-target"] = "no-such-machine".into();
    fixture.write("my-board.json", &spec.to_string());
    let output = fixture.program(&["test", "my-board"]).ends_with(1);
    output.says(&["──── my-board ────", "cannot build Rust's std for", "cargo: exit status: 101", "no-such-machine"]);
}

/// One of another machine, too, although qemu by itself claims to have started what is not there.
#[test]
fn a_program_hears_that_another_is_missing_or_may_not_be_started() {
    let fixture = Fixture::new("children");
    let output = fixture.for_both("test", &["--json"]).succeeds();
    for target in BOTH {
        assert_eq!(output.row(target)["tests"]["passed"], 4, "{output}");
    }
}
