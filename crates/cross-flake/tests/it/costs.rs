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
