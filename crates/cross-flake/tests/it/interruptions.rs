//! Ctrl-C and its kin, whatever a run is at: nothing is left behind.

use nix::sys::signal::Signal;

use crate::support::{COMPILER, Cache, Fixture, Output, Running};

/// How a signal arrives.
type Ending = (fn(Running) -> Output, i32);

/// Ctrl-C in a terminal, and what a supervisor does.
const ENDINGS: [Ending; 2] =
    [(|running| running.signal_group(Signal::SIGINT), 128 + 2), (|running| running.signal(Signal::SIGTERM), 128 + 15)];

/// It has ended as the signal demands, and nothing is left.
fn is_over(fixture: &Fixture, output: &Output, code: i32) {
    assert_eq!(output.code, Some(code), "{output}");
    assert_eq!(output.err.lines().last(), Some("interrupted"), "{output}");
    assert_eq!(output.out, "", "a run that was interrupted has no report");
    fixture.assert_nothing_left();
}

#[test]
fn a_run_that_is_interrupted_while_it_builds_leaves_nothing() {
    for (end, code) in ENDINGS {
        let fixture = Fixture::new("slow-build");
        let marker = fixture.path("marker");
        let running = fixture.for_both("test", &[]).env("MARKER", &marker).start().until_exists(&marker);
        is_over(&fixture, &end(running), code);
    }
}

#[test]
fn a_run_that_is_interrupted_while_it_tests_leaves_nothing() {
    for (end, code) in ENDINGS {
        let fixture = Fixture::new("misbehaves");
        let test = ["--test-jobs", "2", "--", "--test", "hangs"];
        let mut running = fixture.for_both("test", &test).env("MARKER", fixture.path("marker")).start();
        for arch in ["x86_64", "aarch64"] {
            running = running.until_exists(&fixture.path(&format!("marker-{arch}")));
        }
        is_over(&fixture, &end(running), code);
    }
}

#[test]
fn a_run_that_is_interrupted_while_it_links_leaves_nothing() {
    for (end, code) in ENDINGS {
        let cache = Cache::ready();
        let fixture = Fixture::new("small").with_cache(cache.root());
        let marker = fixture.path("marker");
        cache.stop_at_zig(&marker);
        let running = fixture.program(&["test", "aarch64-linux"]).start().until_exists(&marker);
        is_over(&fixture, &end(running), code);
    }
}

#[test]
fn a_run_that_is_interrupted_while_it_sets_up_leaves_nothing() {
    for (end, code) in ENDINGS {
        let cache = Cache::empty().with(&COMPILER);
        let fixture = Fixture::new("small").with_cache(cache.root());
        let marker = fixture.path("marker");
        cache.stop_at_zig(&marker);
        let running = fixture.program(&["test", "x86_64-linux"]).start().until_exists(&marker);
        is_over(&fixture, &end(running), code);
        assert!(!cache.path("prefix").exists());
    }
}

#[test]
fn commands_that_wait_for_a_program_pass_a_signal_on() {
    for (end, code) in ENDINGS {
        let fixture = Fixture::new("small");
        let marker = fixture.path("marker");
        let script = ">\"$0\"; sleep 1000";
        let shell = ["shell", "aarch64-linux", "--", "sh", "-c", script, marker.to_str().unwrap()];
        let output = end(fixture.program(&shell).start().until_exists(&marker));
        assert_eq!(output.code, Some(code), "{output}");
        fixture.assert_nothing_left();
    }
}

#[test]
fn what_a_command_leaves_behind_is_reaped_as_soon_as_it_ends() {
    let fixture = Fixture::new("small");
    // An orphan is a child of program, the shell's parent; one that has ended and that nobody has waited for is in state Z.
    let script = "(sleep 0.1 &) ; sleep 0.5; cat /proc/[0-9]*/stat | grep \"Z $PPID \"";
    let output = fixture.program(&["shell", "x86_64-linux", "--", "sh", "-c", script]).ends_with(1);
    assert_eq!(output.out, "", "{output}");
}
