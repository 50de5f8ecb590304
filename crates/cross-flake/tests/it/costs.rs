//! What a run costs, in counts: crates compiled, programs started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{BOTH, Fixture};

/// Crates compiled for the build machine, and for each row.
fn crates(report: &Value) -> (u64, Vec<u64>) {
    let count = |value: &Value| value["crates"].as_u64().unwrap();
    let rows = report["targets"].as_array().unwrap().iter();
    (count(report), rows.filter(|row| row["name"] != "build-machine").map(count).collect())
}

#[test]
fn another_target_adds_its_own_crates_only_and_what_is_there_is_not_built_again() {
    let fixture = Fixture::new("with-c");
    let (for_build_machine, rows) = crates(&fixture.program(&["test", BOTH[0], "--json"]).succeeds().json());
    assert!(for_build_machine > 0 && rows[0] > 0);
    let both = || crates(&fixture.for_both("test", &["--json"]).succeeds().json());
    assert_eq!(both(), (0, vec![0, rows[0]]));
    assert_eq!(both(), (0, vec![0, 0]));
    // From nothing it is the same sum: the build machine's crates once, and each row's.
    let fixture = Fixture::new("with-c");
    let report = fixture.for_both("test", &["--json"]).succeeds().json();
    assert_eq!(crates(&report), (for_build_machine, vec![rows[0], rows[0]]));
}

/// Two invocations of cargo for one workspace, of which one has the host's own row: what both compile for the host is linked by that row's
/// linker, or neither.
#[test]
fn what_is_there_is_not_built_again_where_rows_have_packages_of_their_own() {
    let fixture = Fixture::new("with-c");
    let manifest = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    fixture.write("Cargo.toml", &manifest.replace("\nmembers = [\"answer\"]", "\nmembers = [\"answer\", \"more\"]"));
    fixture.write(
        "more/Cargo.toml",
        "[package]\nname = \"more\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[package.metadata.cross-flake]\n\
         targets = [\"aarch64-linux\"]\n\n[build-dependencies]\ncc = \"1\"\n",
    );
    fixture.write("more/build.rs", "fn main() { println!(\"{:?}\", cc::Build::new().get_files().count()) }\n");
    fixture.write("more/src/lib.rs", "#[test]\nfn passes() {}\n");
    let both = || fixture.for_both("test", &["--json"]).succeeds().json();
    let first = both();
    assert_eq!(first["groups"].as_array().unwrap().len(), 2, "{first}");
    let second = both();
    assert_eq!(crates(&second), (0, vec![0, 0]), "{second}");
}

#[test]
fn nothing_but_one_cargo_and_two_questions_to_rustc_comes_before_an_answer() {
    let fixture = Fixture::new("small");
    fixture.program(&["env", BOTH[0]]).succeeds();
    let (bin, log) = (fixture.path("bin"), fixture.path("log"));
    fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in ["cargo", "rustc", "rustup", "zig"] {
        let real = std::env::split_paths(&path).map(|folder: PathBuf| folder.join(name)).find(|file| file.exists());
        let real = real.unwrap_or_else(|| "/bin/false".into());
        let script = format!("#!/bin/sh\necho {name} \"$*\" >>{}\nexec {} \"$@\"\n", log.display(), real.display());
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).unwrap();
    for args in [&["list"][..], &["env", BOTH[0]]] {
        fixture.program(args).env("PATH", &path).succeeds();
        let mut started: Vec<String> = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
        fs::remove_file(&log).unwrap();
        started.sort();
        let expected = ["cargo metadata --format-version 1 --no-deps", "rustc --print sysroot", "rustc -vV"];
        assert_eq!(started, expected, "{args:?}");
    }
}
