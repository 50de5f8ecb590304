//! Programs that run at once and expect to be alone.

use std::fs;
use std::net::TcpListener;

use nix::sys::signal::Signal;
use quick_junit::{Report, TestCaseStatus};

use crate::support::{BOTH, Cache, Fixture, names};

/// A name that no other test uses.
fn name(fixture: &Fixture) -> String {
    fixture.path("").file_name().unwrap().to_str().unwrap().to_owned()
}

/// Tests of the fixture have left nothing in the workspace.
fn is_clean(fixture: &Fixture) {
    for package in ["first", "second"] {
        assert_eq!(names(&fixture.root().join(package)), ["Cargo.toml", "src", "tests"]);
        assert_eq!(names(&fixture.root().join(package).join("src")), ["lib.rs"]);
    }
    fixture.assert_nothing_left();
}

#[test]
fn programs_that_use_the_same_names_pass_beside_each_other() {
    let fixture = Fixture::new("neighbours");
    let test = ["--json", "--test-jobs", "4", "--", "--test", "folders*"];
    // Above the temporary folder, and named: so the machine's own.
    let program = fixture.for_both("test", &test).env("NAMED", fixture.path("named")).env("NAME", name(&fixture));
    // The second time in memory, within another folder that is the room's own.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let in_memory = fixture.for_both("test", &test).env("NAMED", fixture.path("named")).env("NAME", name(&fixture));
    for program in [program, in_memory.env("TMPDIR", memory.path())] {
        let output = program.succeeds();
        for target in BOTH {
            let row = output.row(target);
            assert_eq!((&row["status"], &row["tests"]["passed"]), (&"passed".into(), &18.into()), "{output}");
            // Where there can be no rooms they take turns.
            assert!(row["reason"].is_null() || output.err.contains("take turns"), "{output}");
        }
        is_clean(&fixture);
    }
    assert_eq!(names(&fixture.path("")), ["named.aarch64", "named.x86_64", "target", "tmp", "workspace"]);
}

#[test]
fn documentation_tests_have_the_temporary_folder_that_others_have() {
    let fixture = Fixture::new("small");
    let lines = [
        "/// ```",
        "/// assert_eq!(std::env::var_os(\"TMPDIR\"), std::env::var_os(\"EXPECTED\"));",
        "/// std::fs::write(std::env::temp_dir().join(\"left\"), \"\").unwrap();",
        "/// ```",
        "pub fn next(n: u32) -> u32 { n + 1 }",
    ];
    fixture.write("src/lib.rs", &lines.join("\n"));
    let folder = fixture.path("tmp");
    for program in [
        fixture.for_both("test", &["--json"]).env("EXPECTED", &folder),
        fixture.for_both("test", &["--json"]).without("TMPDIR"),
    ] {
        let output = program.succeeds();
        for target in BOTH {
            assert!(output.row(target)["reason"].is_null(), "{output}");
        }
        if !output.err.contains("take turns") {
            fixture.assert_nothing_left();
        }
        let _ = fs::remove_file(folder.join("left"));
    }
}

#[test]
fn what_a_test_that_passes_writes_into_the_workspace_is_named() {
    let fixture = Fixture::new("small");
    let test = "#[test] fn writes() { for name in [\"new\", \"Cargo.toml\"] { let was = std::fs::read(name); \
                std::fs::write(name, was.unwrap_or_default()).unwrap(); } }";
    fixture.write("src/lib.rs", &format!("pub fn next(n: u32) -> u32 {{ n + 1 }}\n{test}"));
    let output = fixture.for_both("test", &[]).succeeds();
    if !output.err.contains("take turns") {
        output.says(&["tests wrote into the workspace, and that is gone: new; --no-isolation keeps it"]);
        assert!(!fixture.root().join("new").exists());
    }
    let output = fixture.for_both("test", &["--no-isolation"]).succeeds();
    assert!(!output.err.contains("is gone") && fixture.root().join("new").exists(), "{output}");
}

#[test]
fn rows_of_a_package_take_turns_where_they_have_no_folders_of_their_own() {
    let fixture = Fixture::new("neighbours");
    let test = ["test", "x86_64-linux", "aarch64-linux", "--json", "--test-jobs", "4", "-p", "second"];
    let script = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let run = |more: &[&str]| {
        fixture.program(&[&test, more, &["--", "--test", "folders*"][..]].concat()).env("NAME", name(&fixture))
    };
    for (program, why) in [
        (run(&["--no-isolation"]), "--no-isolation"),
        (run(&["--no-binfmt"]), "--no-binfmt"),
        (run(&[]).under(&["unshare", "-Ur", "sh", "-c", script]), "user.max_user_namespaces is 0"),
    ] {
        let output = program.succeeds();
        output.says(&["rows of a package take turns: ", why]);
        for target in BOTH {
            let row = output.row(target);
            assert_eq!((&row["tests"]["passed"], &row["reason"]), (&12.into(), &serde_json::Value::Null), "{output}");
        }
        is_clean(&fixture);
    }
}

#[test]
fn what_fails_beside_others_and_passes_alone_has_passed_and_is_named_in_every_report() {
    let fixture = Fixture::new("neighbours");
    let company = fixture.path("company");
    fs::create_dir(&company).unwrap();
    let reports = ["--report", "junit=out.xml", "--report", "markdown=out.md"];
    let test = [&["--json", "--test-jobs", "4"], &reports[..], &["--", "--test", "port"]].concat();
    // Free until somebody else is given it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let program = fixture.for_both("test", &test).env("COMPANY", &company).env("ADDRESS", address);
    let output = program.succeeds();
    let reasons: Vec<String> = BOTH.iter().filter_map(|row| Some(output.row(row)["reason"].as_str()?.into())).collect();
    assert!(!reasons.is_empty(), "{output}");
    let [first, second] = ["first", "second"].map(|package| format!("{package} tests/port"));
    for reason in &reasons {
        let named = reason.strip_prefix("failed at first and passed when run again alone: ").unwrap();
        assert!(named.split(", ").all(|name| [&first, &second].contains(&&name.to_owned())), "{output}");
    }
    for target in BOTH {
        assert_eq!(output.row(target)["tests"], serde_json::json!({ "passed": 2, "failed": 0, "ignored": 0 }));
    }
    // Its first output is shown.
    output.says(&["tests/port: at first: a_port_of_a_fixed_number failed: ", "AddrInUse"]);
    let read = |name: &str| fs::read_to_string(fixture.root().join(name)).unwrap();
    assert!(read("out.md").contains(&reasons[0]), "{}", read("out.md"));
    let junit = Report::deserialize_from_str(&read("out.xml")).unwrap();
    let again =
        junit.test_suites.iter().flat_map(|suite| &suite.test_cases).filter(
            |case| matches!(&case.status, TestCaseStatus::Success { flaky_runs, .. } if !flaky_runs.is_empty()),
        );
    assert!(again.count() >= reasons.len() && junit.failures == 0, "{}", read("out.xml"));
    fs::remove_file(fixture.root().join("out.xml")).unwrap();

    // Ports are private where the network may be.
    let manifest = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    let private = format!("{manifest}\n[workspace.metadata.cross-flake]\nnetwork = \"private\"\n");
    fixture.write("Cargo.toml", &private);
    let output = program.succeeds();
    for target in BOTH {
        assert!(output.row(target)["reason"].is_null() || output.err.contains("take turns"), "{output}");
    }
    fixture.write("Cargo.toml", &manifest);

    // What fails when it is alone has failed.
    fixture.write("first/tests/port.rs", "#[test] fn fails() { panic!() }");
    let output = program.ends_with(1);
    assert_eq!(
        output.row("aarch64-linux")["reason"],
        "first tests/port: fails failed: explicit panic (first/tests/port.rs:1)",
        "{output}"
    );
}

#[test]
fn what_a_killed_run_left_is_gone_after_the_next() {
    let cache = Cache::ready();
    let fixture = Fixture::new("misbehaves").with_cache(cache.root());
    let test = ["test", "aarch64-linux", "--", "--test", "hangs"];
    let running = fixture.program(&test).env("MARKER", fixture.path("marker")).start();
    running.until_exists(&fixture.path("marker-aarch64")).signal(Signal::SIGKILL);
    assert_eq!(names(&fixture.path("tmp")), [""; 0], "nothing is in the system's folder");
    assert_eq!(names(&cache.path("tmp")).len(), 1, "the folder of the run");
    fixture.program(&["test", "aarch64-linux", "--", "--test", "talks"]).run();
    fixture.assert_nothing_left();
}
