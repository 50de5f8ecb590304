//! Suites: programs of other build systems, built and tested inside the shell of each target.

use crate::support::{BOTH, Fixture};

const SUITE: &str = "[suite.c]\nfolder = '.'\n[[suite.c.step]]\nname = 'one'\n";

/// A workspace with one C program and these fields of a step.
fn fixture(step: &str) -> Fixture {
    let fixture = Fixture::new("small");
    fixture.write("answer.c", "#include <zlib.h>\nint main(void) { return zlibVersion()[0] != '1'; }\n");
    fixture.write("suites.toml", &format!("{SUITE}{step}"));
    fixture
}

const TEST: &str =
    "test = '''\n\"$CC\" answer.c -lz -o \"$OUT/answer\"\n\"$CROSSCOMPILING_EMULATOR\" \"$OUT/answer\"\n'''\n";

#[test]
fn a_step_is_built_and_run_in_the_shell_of_each_target_and_has_a_column() {
    let fixture = fixture(&format!("{TEST}build = '\"$CC\" answer.c -lz -o \"$OUT/answer\"'\n"));
    let statuses = || {
        let output = fixture.for_both("test", &["--suite", "c", "--json"]).succeeds();
        BOTH.map(|target| output.row(target)["suites"][0]["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(statuses(), ["passed", "passed"]);
    fixture.write("targets.toml", "[target.aarch64-linux]\nlevel = 'link'\nreason = 'to see what becomes of it'\n");
    assert_eq!(statuses(), ["passed", "linked"]);
    let text = fixture.program(&["test", "x86_64-linux", "--suite", "all"]).succeeds();
    let header: Vec<&str> = text.out.lines().find(|line| line.contains("triple")).unwrap().split_whitespace().collect();
    assert_eq!(header[header.len() - 2..], ["c", "status"], "{text}");
    // Whoever does not ask for it gets none.
    assert_eq!(
        fixture.program(&["test", "x86_64-linux", "--json"]).succeeds().row("x86_64-linux")["suites"][0],
        serde_json::Value::Null
    );
    fixture.assert_nothing_left();
}

#[test]
fn a_tool_that_ignores_cc_is_caught_by_what_it_built() {
    let fixture = fixture("test = 'cc -c answer.c -o \"$OUT/answer.o\"'\n");
    let output = fixture.for_both("test", &["--suite", "c", "--json"]).ends_with(1);
    assert_eq!(output.row("x86_64-linux")["suites"][0]["status"], "passed", "{output}");
    let row = output.row("aarch64-linux");
    let reason = row["reason"].as_str().unwrap();
    assert_eq!((&row["status"], &row["suites"][0]["status"]), (&"failed".into(), &"failed".into()));
    assert!(reason.contains("answer.o is built for x86_64") && reason.contains("not for aarch64"), "{reason}");
}

#[test]
fn a_step_that_builds_nothing_or_fails_or_leaves_a_process_behind_does_not_pass_unseen() {
    let nothing = fixture("test = 'true'\n").program(&["test", "x86_64-linux", "--suite", "c"]).ends_with(1);
    assert!(nothing.out.contains("c: one: no program was built in $OUT"), "{nothing}");
    let stale = fixture(TEST);
    stale.program(&["test", "x86_64-linux", "--suite", "c"]).succeeds();
    // What the run before has built does not count.
    stale.write("suites.toml", &format!("{SUITE}test = 'true'\n"));
    stale.program(&["test", "x86_64-linux", "--suite", "c"]).ends_with(1);
    let fails = fixture("test = '''\nsleep 1000 &\necho a word of explanation\nfalse\ntrue\n'''\n");
    let output = fails.program(&["test", "x86_64-linux", "--suite", "c"]).ends_with(1);
    assert!(output.out.contains("c: one: exit code 1") && output.err.contains("a word of explanation"), "{output}");
    fails.assert_nothing_left();
}

#[test]
fn what_is_missing_is_said_and_is_an_error_only_where_the_suite_was_asked_for() {
    let fixture = fixture(&format!("{TEST}needs = ['no-such-tool']\n[tool.no-such-tool]\nget = 'apt install it'\n"));
    let output = fixture.program(&["test", "x86_64-linux", "--suite", "c"]).ends_with(2);
    assert_eq!(output.err, "error: suite `c`: no `no-such-tool` on PATH; type: apt install it\n");
    fixture.write(
        "Cargo.toml",
        &format!("{}\n[workspace.metadata.cross-flake]\ntargets = ['x86_64-linux']\n", {
            std::fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap()
        }),
    );
    let output = fixture.program(&["test-all-targets", "--json"]).succeeds();
    assert_eq!(output.row("x86_64-linux")["suites"][0]["status"], "skipped", "{output}");
    assert!(output.err.contains("suite c is skipped: no `no-such-tool` on PATH; type: apt install it"), "{output}");
    let doctor = fixture.program(&["doctor", "--json"]).succeeds().json();
    let finding = doctor.as_array().unwrap().iter().find(|finding| finding["name"] == "suites").unwrap();
    assert_eq!((&finding["state"], &finding["remedy"]), (&"limited".into(), &"apt install it".into()));
    let output = fixture.program(&["test", "x86_64-linux", "--suite", "d"]).ends_with(2);
    assert_eq!(output.err, "error: unknown suite `d`: suites.toml has c\n");
}
