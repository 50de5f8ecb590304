//! Tests run by cargo-nextest, which `checks/machine` installs.

use serde_json::{Value, json};

use crate::support::{BOTH, Fixture};

const TEST: &str = r#"
#[test]
fn passes() {
    assert_eq!(small::next(1), 2);
    assert_eq!(std::env::var("NEXTEST").as_deref(), Ok("1"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_small")).arg("there").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{} there false\n", std::env::consts::ARCH));
}

#[test]
fn needs_two_tries() {
    let marker = std::env::temp_dir().join("tried");
    if !marker.exists() {
        std::fs::write(&marker, "").unwrap();
        panic!("for the first time");
    }
}

#[test]
fn fails_on_arm() {
    assert!(cfg!(not(target_arch = "aarch64")), "this is an Arm");
}
"#;

const CONFIG: &str = "[profile.patient]\nretries = 1\n";

fn programs(row: &Value) -> Vec<(&str, u64)> {
    let programs = row["programs"].as_array().unwrap().iter();
    let mut programs: Vec<_> =
        programs.map(|one| (one["title"].as_str().unwrap(), one["counts"]["passed"].as_u64().unwrap())).collect();
    programs.sort_unstable();
    programs
}

#[test]
fn nextest_runs_the_tests_of_every_row_that_it_can() {
    let fixture = Fixture::new("small");
    fixture.write("tests/some.rs", TEST).write(".config/nextest.toml", CONFIG);
    fixture.write(
        "src/lib.rs",
        "/// ```\n/// small::next(1);\n/// ```\npub fn next(n: u32) -> u32 { n + 1 }\n#[test] fn inner() {}\n#[test] #[ignore] fn left() {}\n",
    );
    let test = |args: &[&str]| fixture.for_both("test", &[&["--runner", "nextest", "--json"], args].concat());

    // Its profile and its filter, and documentation tests as without it.
    let output = test(&["--", "--", "--profile", "patient", "-E", "not test(fails)"]).succeeds();
    for row in BOTH {
        let row = output.row(row);
        assert_eq!(row["status"], json!("passed"), "{row:#}");
        assert_eq!(
            programs(&row),
            [("small", 1), ("small bin/small", 0), ("small doctests", 1), ("small tests/some", 2)]
        );
        // One is ignored, and one the filter leaves out.
        assert_eq!(row["tests"], json!({ "passed": 4, "failed": 0, "ignored": 2 }));
    }
    assert_eq!(output.row(BOTH[1])["binfmt"], json!(true));

    let output = test(&["--", "--", "-E", "test(fails) + test(inner)"]).ends_with(1);
    let [own, arm] = BOTH.map(|row| output.row(row));
    assert_eq!((&own["status"], &arm["status"]), (&json!("passed"), &json!("failed")));
    assert_eq!(arm["reason"], json!("small tests/some: fails_on_arm failed: this is an Arm (tests/some.rs:21)"));
    let failed = arm["programs"].as_array().unwrap().iter().find(|one| one["title"] == "small tests/some").unwrap();
    assert!(failed["output"].as_str().unwrap().contains("this is an Arm"), "{failed:#}");
    assert!(!failed["output"].as_str().unwrap().contains("{\"type\""), "{failed:#}");

    // What nextest refuses is an error in its words.
    let output = test(&["--", "--", "-E", "test("]).ends_with(1);
    assert!(output.row(BOTH[0])["reason"].as_str().unwrap().contains("exit code 94"), "{output}");
    let bin = fixture.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for tool in ["cargo", "rustc", "rustdoc"] {
        std::os::unix::fs::symlink(which::which(tool).unwrap(), bin.join(tool)).unwrap();
    }
    fixture
        .program(&["test", BOTH[0], "--runner", "nextest"])
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .ends_with(2)
        .says(&["nextest is not installed: cargo install cargo-nextest --locked"]);
    fixture.assert_nothing_left();
}
