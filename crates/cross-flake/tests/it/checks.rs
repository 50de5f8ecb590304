//! `check` and `clippy`: errors of several targets, each once and with the targets that it is about.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Fixture, Output};

/// Cargo's messages on stdout.
fn messages(output: &Output) -> Vec<Value> {
    output.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{output}"))).collect()
}

/// The diagnostics among cargo's messages: level, code, place and the notes without a place.
fn diagnostics(messages: &[Value]) -> Vec<Value> {
    let of_rustc = |message: &&Value| message["reason"] == "compiler-message";
    let short = |message: &Value| {
        let diagnostic = &message["message"];
        let notes = diagnostic["children"].as_array().unwrap().iter().filter(|child| child["spans"] == json!([]));
        let rows: Vec<&Value> =
            notes.map(|note| &note["message"]).filter(|note| note.as_str().unwrap().starts_with("on ")).collect();
        let span = &diagnostic["spans"][0];
        json!([diagnostic["level"], diagnostic["code"]["code"], span["file_name"], span["line_start"], rows])
    };
    messages.iter().filter(of_rustc).map(short).collect()
}

const FAULTS: &str = "\
#[cfg(target_arch = \"aarch64\")]
pub fn wrong() -> u32 { \"text\" }
#[cfg(target_arch = \"x86_64\")]
pub fn odd() { let on_one = 1; }
pub fn next(n: u32) -> u32 { let on_both = 1; n + 1 }
";

#[test]
fn an_error_of_several_targets_is_one_and_names_them_unless_they_are_all() {
    let fixture = Fixture::new("small");
    fixture.write("src/lib.rs", FAULTS);
    // The user's own wrapper goes on to be called.
    let wrapper = fixture.path("wrapper");
    let called = fixture.path("called");
    fs::write(&wrapper, format!("#!/bin/sh\n>>'{}' echo \"$@\"\nexec \"$@\"\n", called.display())).unwrap();
    fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = fixture.for_both("check", &["--message-format", "json"]).env("RUSTC_WRAPPER", &wrapper).ends_with(1);
    let said = messages(&output);
    let mut known = diagnostics(&said);
    known.sort_by_key(|diagnostic| diagnostic[3].as_u64());
    let expected = [
        json!(["error", "E0308", "src/lib.rs", 2, ["on aarch64-linux"]]),
        json!(["warning", "unused_variables", "src/lib.rs", 4, ["on x86_64-linux"]]),
        json!(["warning", "unused_variables", "src/lib.rs", 5, []]),
    ];
    assert_eq!(known, expected, "{output}");
    assert_eq!(said.last(), Some(&json!({ "reason": "build-finished", "success": false })));
    assert!(!output.out.contains("cross_flake_triple"), "{output}");
    assert!(fs::read_to_string(called).unwrap().contains("--crate-name small"));
    // In the form of cargo's own.
    let types = said.iter().filter_map(|message| message["message"]["$message_type"].as_str());
    assert!(types.eq(["diagnostic"; 3]), "{output}");
    assert!(said[0]["package_id"].is_string() && said[0]["target"]["src_path"].is_string(), "{output}");

    // For people, with the warnings of a crate that is fresh by now.
    let output = fixture.for_both("check", &[]).ends_with(1);
    output.says(&["error[E0308]: mismatched types", "\n  = note: on aarch64-linux\n", "\n  = note: on x86_64-linux\n"]);
    assert_eq!(output.err.matches("unused variable: `on_both`").count(), 1, "{output}");
    assert_eq!(output.err.matches("= note: on ").count(), 2, "{output}");
    let line = |row: &str| output.out.lines().find(|line| line.trim_start().starts_with(row)).unwrap_or_default();
    assert!(line("x86_64-linux").ends_with("  checked"), "{output}");
    assert!(line("aarch64-linux").ends_with("  failed: error[E0308]: mismatched types (src/lib.rs:2)"), "{output}");
    // Nothing is where `build` and `test` look.
    assert!(!fixture.path("target/x86_64-unknown-linux-gnu").exists(), "{output}");
}

#[test]
fn a_build_script_that_fails_and_a_lint_are_of_the_targets_that_have_them() {
    let fixture = Fixture::new("small");
    fixture.write("src/lib.rs", "#[cfg(target_arch = \"aarch64\")]\npub fn lint(yes: bool) -> bool { yes == true }\npub fn next(n: u32) -> u32 { n + 1 }\n");
    let output = fixture.for_both("check", &[]).succeeds();
    assert!(!output.err.contains("warning") && output.out.ends_with("2 checked\n"), "{output}");
    let output = fixture.for_both("clippy", &["--", "--", "--deny", "warnings"]).ends_with(1);
    output.says(&["error: equality checks against true are unnecessary", "= note: on aarch64-linux\n"]);
    assert!(output.out.ends_with("1 checked, 1 failed\n"), "{output}");
    // What is no diagnostic of the compiler.
    fixture.write(
        "build.rs",
        "fn main() { assert!(!std::env::var(\"TARGET\").unwrap().starts_with(\"aarch64\"), \"no arm\") }",
    );
    let output = fixture.for_both("check", &["--json"]).ends_with(1);
    assert_eq!(output.row("x86_64-linux")["status"], "checked");
    assert_eq!(output.row("aarch64-linux")["reason"], "a build script failed: no arm (build.rs:1)");
    // Of code for the host.
    fixture.write("build.rs", "fn main() { wrong() }");
    let output = fixture.for_both("check", &["--json"]).ends_with(1);
    for row in ["x86_64-linux", "aarch64-linux"] {
        let reason = "error[E0425]: cannot find function `wrong` in this scope (build.rs:1)";
        assert_eq!(output.row(row)["reason"], reason, "{output}");
    }
    assert_eq!(output.json()["diagnostics"].as_array().unwrap().len(), 1, "{output}");
}

#[test]
fn packages_that_have_not_changed_are_left_alone() {
    let fixture = Fixture::new("members");
    // What has not changed has an error; it depends on another.
    let wrong = "pub fn wrong() -> u32 { \"text\" }\n";
    fixture.write("arm-only/src/lib.rs", wrong);
    let manifest = fs::read_to_string(fixture.root().join("arm-only/Cargo.toml")).unwrap();
    fixture.write("arm-only/Cargo.toml", &format!("{manifest}\n[dependencies]\nnowhere.path = \"../nowhere\"\n"));
    fixture.write(".gitignore", "target\n");
    fixture.command("cargo", &["generate-lockfile", "--offline"]).succeeds();
    fixture.git(&["init", "--quiet"]);
    fixture.commit();
    let check = |option: &str| fixture.program(&["check", option]);
    check("--changed").succeeds().says(&["no package that these targets are for has changed"]);
    fixture.write("everywhere/src/new.rs", "");
    check("--changed").succeeds();
    fixture.commit();
    check("--changed").succeeds().says(&["has changed"]);
    check("--changed=HEAD~1").succeeds();
    // A dependency, and a file that is of no package.
    fixture.write("nowhere/src/lib.rs", "//! Other.\n");
    check("--changed").ends_with(1).says(&["mismatched types", "arm-only"]);
    fixture.git(&["checkout", "--quiet", "nowhere"]);
    fixture.write("Cargo.toml", &(fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap() + "\n# Other.\n"));
    check("--changed").ends_with(1).says(&["built although the package lists no target"]);
    check("--changed=nowhere").ends_with(2).says(&["git cannot say what has changed since nowhere"]);
}

const CORRECTABLE: &str = "\
use std::collections::BTreeMap;
use std::collections::BTreeSet;

#[cfg(not(windows))]
pub fn set() -> BTreeSet<u32> { BTreeSet::new() }
#[cfg(windows)]
pub mod on_windows {
    use std::fmt::Debug;
    pub fn both() -> u32 { let mut one = 1; one }
}
#[rustfmt::skip]
pub fn next(n: u32) -> u32 { let mut one = 1; n + one }
";

#[test]
fn what_the_compiler_can_correct_is_corrected_unless_another_target_needs_it() {
    let fixture = Fixture::new("small");
    fixture.write("src/lib.rs", CORRECTABLE).write(".gitignore", "target\n");
    fixture.git(&["init", "--quiet"]);
    let fix = |args: &[&str]| fixture.program(&[&["fix", "x86_64-linux", "windows-x64"], args].concat());
    fix(&[]).ends_with(2).says(&["not committed: ", "--allow-dirty"]);
    fixture.command("cargo", &["generate-lockfile", "--offline"]).succeeds();
    fixture.commit();

    let output = fix(&[]).succeeds();
    let expected = CORRECTABLE.replace("use std::collections::BTreeMap;\n", "").replace("let mut one", "let one");
    let expected = expected.replace("use std::fmt::Debug;", "");
    // BTreeSet is unused on Windows alone, and Linux needs it.
    assert_eq!(fs::read_to_string(fixture.root().join("src/lib.rs")).unwrap(), expected, "{output}");
    output.says(&[
        "corrected src/lib.rs (4 corrections)",
        "left alone, for another target would not compile: src/lib.rs:1: unused import: `std::collections::BTreeSet` (on windows-x64)",
    ]);
    assert!(output.out.ends_with("2 checked\n"), "{output}");

    fix(&["--allow-dirty"]).succeeds().says(&["left alone"]);
    assert_eq!(fs::read_to_string(fixture.root().join("src/lib.rs")).unwrap(), expected);

    // An error that was there before keeps nothing from being corrected, and stays one; clippy's corrections are for who asks.
    fixture.commit();
    let odd = "\n#[cfg(windows)]\npub fn wrong() -> u32 { \"text\" }\npub fn odd(yes: bool) -> bool { if yes == true { return false; } !!yes }\n";
    fixture.write("src/lib.rs", &(expected.clone() + odd));
    fixture.commit();
    let output = fix(&["--clippy"]).ends_with(1);
    let corrected = fs::read_to_string(fixture.root().join("src/lib.rs")).unwrap();
    assert!(corrected.contains("if yes {") && corrected.contains("\"text\""), "{corrected}\n{output}");
}
