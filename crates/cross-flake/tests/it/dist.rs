//! Releases: only what was tested is packed, everybody gets the same bytes, and what is not fit is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{BOTH, Fixture, names};

const LICENCE: &str = "Do as you like.\n";

/// The fixture with a licence, a manual and a path of its own in the program, all of it in a commit.
fn released() -> Fixture {
    let fixture = Fixture::new("small");
    fs::create_dir_all(fixture.root().join("manual")).unwrap();
    fixture.write("LICENSE", LICENCE).write("manual/small.1", "small\n").write(".gitignore", "target\n");
    let manifest = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    fixture.write(
        "Cargo.toml",
        &format!("{manifest}\n[package.metadata.cross-flake.dist]\ninclude = [\"manual\"]\nsmoke = [\"--version\"]\n"),
    );
    let main = fs::read_to_string(fixture.root().join("src/main.rs")).unwrap();
    let place = "    println!(\"{}\", std::panic::Location::caller().file());\n    println!(\"{}\", concat!(env!(\"CARGO_PKG_NAME\")));";
    fixture.write("src/main.rs", &main.replacen("fn main() {", &format!("fn main() {{\n{place}"), 1));
    fixture.command("cargo", &["generate-lockfile", "--offline"]).succeeds();
    fixture.git(&["init", "--quiet"]);
    fixture.commit();
    fixture
}

fn out(fixture: &Fixture) -> PathBuf {
    fixture.path("target").join("dist")
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("dist-manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_release_is_tested_packed_started_and_the_same_when_it_is_built_elsewhere() {
    let fixture = released();
    let output = fixture.program(&["dist", "x86_64-linux", "aarch64-linux", "--check"]).succeeds();
    output.says(&["2 archives are the same, byte for byte"]);
    let archives = ["small-0.1.0-aarch64-unknown-linux-gnu.tar.xz", "small-0.1.0-x86_64-unknown-linux-gnu.tar.xz"];
    let others = ["dist-manifest.json", "release-notes.md", "sha256.sum"];
    let mut expected = [&archives[..], &others].concat();
    expected.sort_unstable();
    assert_eq!(names(&out(&fixture)), expected);
    fixture.command("sha256sum", &["--check", "--quiet", "sha256.sum"]).in_folder(&out(&fixture)).succeeds();

    let manifest = manifest(&out(&fixture));
    assert_eq!(
        manifest["releases"],
        json!([{ "app_name": "small", "app_version": "0.1.0", "artifacts": [archives[1], archives[0]] }])
    );
    assert_eq!(manifest["cross-flake"]["dirty"], false);
    for (row, archive) in BOTH.iter().zip([archives[1], archives[0]]) {
        let artifact = &manifest["artifacts"][archive];
        let proof = &artifact["cross-flake"];
        assert_eq!(
            (&proof["target"], &proof["tested"], &proof["tests"]["passed"]),
            (&json!(row), &json!(true), &json!(1)),
            "{proof}"
        );
        // The oldest processor that the row promises.
        assert!(
            proof["started_by"].as_str().unwrap().contains(if *row == BOTH[1] { "cortex-a53" } else { "native" }),
            "{proof}"
        );
        let kinds: Vec<_> = artifact["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| (asset["path"].as_str().unwrap(), asset["kind"].as_str().unwrap()))
            .collect();
        assert_eq!(kinds, [("small", "executable"), ("LICENSE", "license"), ("manual/small.1", "unknown")]);
    }
    let notes = fs::read_to_string(out(&fixture).join("release-notes.md")).unwrap();
    assert!(notes.contains("1 tests by native") && notes.contains("glibc 2."), "{notes}");

    // As a user unpacks it, with other tools than ours.
    fixture.command("tar", &["-xf", archives[1]]).in_folder(&out(&fixture)).succeeds();
    let unpacked = out(&fixture).join("small-0.1.0-x86_64-unknown-linux-gnu");
    assert_eq!(fs::read_to_string(unpacked.join("LICENSE")).unwrap(), LICENCE);
    let said = fixture.command(unpacked.join("small").to_str().unwrap(), &["there"]).succeeds();
    assert_eq!(said.out, "src/main.rs\nsmall\nx86_64 there false\n");
    let listed = fixture.command("tar", &["-tvf", archives[1]]).in_folder(&out(&fixture)).succeeds();
    assert!(listed.out.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
    fixture.assert_nothing_left();
}

#[test]
fn what_failed_or_was_not_tested_is_not_packed() {
    let fixture = released();
    let lib = fs::read_to_string(fixture.root().join("src/lib.rs")).unwrap();
    let fails = "#[cfg(target_arch = \"aarch64\")] #[test] fn fails_on_arm() { panic!() }\n";
    fixture.write("src/lib.rs", &(lib.clone() + fails));
    let output = fixture.for_both("dist", &["--allow-dirty", "--json"]).ends_with(1);
    assert_eq!((&output.row(BOTH[0])["status"], &output.row(BOTH[1])["status"]), (&json!("passed"), &json!("failed")));
    let manifest = manifest(&out(&fixture));
    assert_eq!(names(&out(&fixture)).iter().filter(|name| name.ends_with(".tar.xz")).count(), 1);
    assert_eq!(
        (&manifest["cross-flake"]["dirty"], manifest["artifacts"].as_object().unwrap().len()),
        (&json!(true), 1)
    );

    // A program that cannot start where it was unpacked.
    fixture.write("src/lib.rs", &lib);
    fixture.write("src/main.rs", "fn main() { std::fs::read(\"Cargo.toml\").unwrap(); }\n");
    let folder = fixture.path("other");
    let args = ["dist", "x86_64-linux", "--allow-dirty", "--out", folder.to_str().unwrap()];
    let output = fixture.program(&args).ends_with(1);
    output.says(&["small --version: called `Result::unwrap()`", "No such file or directory", "`smoke = [...]`"]);
    assert_eq!(names(&folder), [""; 0]);
    fixture.assert_nothing_left();
}

#[test]
fn what_is_not_fit_for_a_release_is_refused_before_anything_is_built() {
    let fixture = released();
    let refused = |words: &[&str]| {
        fixture.program(&["dist", "x86_64-linux"]).ends_with(2).says(words);
        assert!(!fixture.path("target").join("release").exists() && !out(&fixture).exists(), "something was built");
    };
    fixture
        .program(&["dist", "macos-arm64"])
        .ends_with(2)
        .says(&["tests for macos-arm64 cannot run here", "--allow-untested"]);

    fixture.write("new.txt", "");
    refused(&["not as the commit has them", "?? new.txt", "--allow-dirty"]);
    fixture.commit();

    fixture.git(&["tag", "v0.1.0"]);
    fixture.write("newer.txt", "");
    fixture.commit();
    refused(&["small 0.1.0 is released already: the tag v0.1.0 is at ", "raise the version in "]);
    fixture.git(&["tag", "--delete", "v0.1.0"]);

    fs::remove_dir_all(fixture.root().join("manual")).unwrap();
    fixture.commit();
    refused(&["`include` names manual, which is not there"]);

    fs::remove_file(fixture.root().join("LICENSE")).unwrap();
    fixture.commit();
    refused(&["small has no licence file", "license-file"]);
}
