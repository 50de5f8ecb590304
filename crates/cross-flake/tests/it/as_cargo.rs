//! A run is what plain `cargo test` is in a shell of each row: the same packages, features, variables and folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use quick_junit::Report;

use crate::support::{BOTH, Fixture};

/// What a program saw, by name.
fn seen(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let line = |line: &str| {
        let (name, value) = line.split_once([' ', '=']).unwrap();
        (name.to_owned(), value.to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn a_program_sees_in_a_run_what_it_sees_in_a_shell() {
    let fixture = Fixture::new("as-cargo");
    let folder = |name: &str| {
        let folder = fixture.path(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    let (run, shell) = (folder("run"), folder("shell"));
    // A flag with a space in it can be given in this way only.
    let flags = "--cfg\u{1f}spaced=\"a b\"";
    let of_test = ["--", "--", "--test-threads", "3"];
    let program = fixture.for_both("test", &[&["--json"], &of_test[..]].concat());
    let output = program.env("DUMP", &run).env("CARGO_ENCODED_RUSTFLAGS", flags).succeeds();
    for target in BOTH {
        // The library's own two, the integration test, and the documentation's.
        assert_eq!(output.row(target)["tests"]["passed"], 4, "{output}");
    }
    // The rows want different features of one package.
    assert_eq!(output.json()["groups"], serde_json::json!([["x86_64-linux"], ["aarch64-linux"]]));
    for (target, arch) in BOTH.iter().zip(["x86_64", "aarch64"]) {
        let line = [&["shell", target, "--", "cargo", "test"][..], &of_test[1..]].concat();
        fixture.program(&line).env("DUMP", &shell).env("CARGO_ENCODED_RUSTFLAGS", flags).succeeds();
        let (mut run, mut shell) = (seen(&run.join(arch)), seen(&shell.join(arch)));
        // Where it is to write that, and what counts shells.
        for name in ["DUMP", "SHLVL", "_", "OLDPWD"] {
            run.remove(name);
            shell.remove(name);
        }
        let differs: Vec<_> = run
            .iter()
            .filter(|(name, value)| shell.get(*name) != Some(value))
            .map(|(name, value)| format!("{name}: {value}, not {:?}", shell.get(name)))
            .chain(shell.keys().filter(|name| !run.contains_key(*name)).map(|name| format!("{name} is missing")))
            .collect();
        assert_eq!(differs, [""; 0], "{target}");
        assert!(run.contains_key("LD_LIBRARY_PATH") && run.contains_key("CARGO_PKG_README"), "{run:?}");
    }
}

#[test]
fn a_program_runs_once_although_another_target_does_not_compile() {
    let fixture = Fixture::new("as-cargo");
    fixture.write(
        "core/src/lib.rs",
        "#[cfg(target_arch = \"aarch64\")] compile_error!(\"not here\");\n#[test] fn runs() {}\n",
    );
    fixture.write("core/tests/sees.rs", "#[test] fn runs() {}\n");
    // Both in one invocation.
    let manifest = fs::read_to_string(fixture.root().join("core/Cargo.toml")).unwrap();
    fixture.write("core/Cargo.toml", &manifest.replace(", features = [\"extra\"]", ""));
    fixture.write("core/src/bin/first.rs", "fn main() {}");
    let report = format!("junit={}", fixture.path("report.xml").display());
    let output = fixture.for_both("test", &["--json", "--report", &report]).ends_with(1);
    assert_eq!(output.json()["groups"].as_array().unwrap().len(), 1, "{output}");
    let (good, bad) = (output.row("x86_64-linux"), output.row("aarch64-linux"));
    assert_eq!((&good["status"], &good["tests"]["passed"]), (&"passed".into(), &2.into()), "{output}");
    assert_eq!((&bad["status"], &bad["reason"]), (&"failed".into(), &"error: not here".into()), "{output}");
    let junit = Report::deserialize_from_str(&fs::read_to_string(fixture.path("report.xml")).unwrap()).unwrap();
    let mut names: Vec<_> = junit.test_suites[0]
        .test_cases
        .iter()
        .map(|case| format!("{} {}", case.classname.as_ref().unwrap().as_str(), case.name.as_str()))
        .collect();
    names.sort();
    assert_eq!(names, ["as-cargo runs", "as-cargo tests/sees runs"]);
}

#[test]
fn packages_and_programs_are_the_ones_that_cargo_would_take() {
    let fixture = Fixture::new("as-cargo");
    assert_eq!(fixture.program(&["run", "aarch64-linux"]).succeeds().out, "first of aarch64\n");
    assert_eq!(fixture.program(&["run", "aarch64-linux", "--example", "shown"]).succeeds().out, "shown\n");
    let dump = fixture.path("tmp");
    let passed = |args: &[&str]| {
        let output =
            fixture.program(&[&["test", "aarch64-linux", "--json"], args].concat()).env("DUMP", &dump).succeeds();
        (output.row("aarch64-linux")["status"].clone(), output.row("aarch64-linux")["tests"]["passed"].clone())
    };
    // The default members, the package of a folder, and all but one.
    assert_eq!(passed(&[]), ("passed".into(), 4.into()));
    let manifest = fixture.root().join("core/Cargo.toml").display().to_string();
    assert_eq!(passed(&["--manifest-path", &manifest]), ("passed".into(), 4.into()));
    assert_eq!(passed(&["--", "--workspace", "--exclude", "gui"]), ("passed".into(), 4.into()));
    // It has no test: nothing ran, so nothing is passed.
    assert_eq!(passed(&["-p", "dep"]), ("linked".into(), 0.into()));
    fixture.program(&["test", "aarch64-linux", "--workspace"]).ends_with(1).says(&["the gui is for Windows"]);
    fixture.program(&["test", "aarch64-linux", "--exclude", "gui"]).ends_with(2).says(&["--workspace"]);
}

#[test]
fn a_program_that_ran_no_test_fails_unless_it_has_a_harness_of_its_own() {
    let fixture = Fixture::new("small");
    let manifest = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    fixture.write("Cargo.toml", &format!("{manifest}\n[[test]]\nname = \"own\"\nharness = false\n"));
    fs::create_dir_all(fixture.root().join("tests")).unwrap();
    fixture.write("tests/own.rs", "fn main() {}");
    let row =
        fixture.program(&["test", "x86_64-linux", "--json", "--", "--test", "own"]).succeeds().row("x86_64-linux");
    assert_eq!((&row["status"], &row["tests"]["passed"]), (&"passed".into(), &1.into()), "{row}");
    fixture.write("tests/silent.rs", "#![no_main]\n#[unsafe(no_mangle)]\npub extern \"C\" fn main() -> i32 { 0 }\n");
    let output = fixture.program(&["test", "x86_64-linux", "--json", "--", "--test", "silent"]).ends_with(1);
    let reason = output.row("x86_64-linux")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("small tests/silent: ran no test"), "{reason}");
}

#[test]
fn libraries_of_one_target_are_not_searched_for_another() {
    let fixture = Fixture::new("small");
    let script = "fn main() { println!(\"cargo::rustc-link-search=native={}\", std::env::var(\"OUT_DIR\").unwrap()) }";
    fixture.write("build.rs", script);
    let test = "#[test] fn sees() {
        let path = std::env::var(\"LD_LIBRARY_PATH\").unwrap();
        let folder = |arch: &str| path.contains(&format!(\"/{arch}-unknown-linux-gnu/debug/build/\"));
        let other = if cfg!(target_arch = \"aarch64\") { \"x86_64\" } else { \"aarch64\" };
        assert!(folder(std::env::consts::ARCH) && !folder(other), \"{path}\");
    }
    pub fn next(n: u32) -> u32 { n + 1 }";
    fixture.write("src/lib.rs", test);
    let output = fixture.for_both("test", &["--json"]).succeeds();
    assert_eq!(output.json()["groups"], serde_json::json!([BOTH]));
}

/// Of several targets cargo tells the directory of a build script for the first one alone.
#[test]
fn the_directory_of_a_build_script_is_that_of_the_row() {
    let fixture = Fixture::new("small");
    let script = "fn main() {
        let out = std::env::var(\"OUT_DIR\").unwrap();
        std::fs::write(format!(\"{out}/arch.rs\"), format!(\"pub const TRIPLE: &str = {:?};\", std::env::var(\"TARGET\").unwrap())).unwrap();
    }";
    let check =
        "let out = std::fs::read_to_string(format!(\"{}/arch.rs\", std::env::var(\"OUT_DIR\").unwrap())).unwrap();
                 assert!(out.contains(std::env::consts::ARCH), \"{out}\");";
    let library = format!(
        "include!(concat!(env!(\"OUT_DIR\"), \"/arch.rs\"));\n\
         /// ```\n/// assert!(small::TRIPLE.starts_with(std::env::consts::ARCH));\n/// ```\npub fn documented() {{}}\n\
         #[test]\nfn sees() {{ {check} }}\n"
    );
    fixture.write("build.rs", script).write("src/lib.rs", &library);
    fs::remove_file(fixture.root().join("src/main.rs")).unwrap();
    let output = fixture.for_both("test", &["--json"]).succeeds();
    assert_eq!(output.json()["groups"], serde_json::json!([BOTH]), "{output}");
    for target in BOTH {
        assert_eq!(output.row(target)["tests"]["passed"], 2, "{output}");
    }
}
