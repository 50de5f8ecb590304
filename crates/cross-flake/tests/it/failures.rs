//! Targets that fail: which, why, and with what output.

use std::fs;

use quick_junit::{Report, TestCaseStatus};

use crate::support::{BOTH, Fixture, Output, names};

#[test]
fn a_workspace_that_does_not_compile_for_one_target_fails_for_that_one_only() {
    let fixture = Fixture::new("broken");
    let output = fixture.for_both("test", &["--json"]).ends_with(1);
    let (good, bad) = (output.row("x86_64-linux"), output.row("aarch64-linux"));
    assert_eq!(good["status"], "passed");
    assert_eq!(good["tests"]["passed"], 1);
    assert!(good["reason"].is_null());
    assert_eq!(bad["status"], "failed");
    assert_eq!(bad["reason"], "error: the first of two errors");
    assert_eq!(bad["tests"], serde_json::json!({ "passed": 0, "failed": 0, "ignored": 0 }));
    output.says(&[
        "──── aarch64-linux: build ────",
        "error: the first of two errors",
        "compile_error!(\"the first of two errors\");",
        "error[E0308]: mismatched types",
        "return \"the second of two errors\";",
        "error: could not compile `broken`",
    ]);
    assert!(!output.err.contains("──── x86_64-linux"), "{output}");
}

#[test]
fn the_output_of_a_target_that_fails_is_shown_whole_and_that_of_one_that_passes_not_at_all() {
    let fixture = Fixture::new("misbehaves");
    let output = fixture.for_both("test", &["--", "--test", "talks"]).ends_with(1);
    let said: Vec<&str> = output.err.lines().filter(|line| line.starts_with("aarch64 says")).collect();
    let expected: Vec<String> = (0..3000).map(|line| format!("aarch64 says line {line}")).collect();
    assert_eq!(said.len(), 3001, "{output}");
    assert_eq!(said[..3000], expected);
    assert_eq!(said[3000], "aarch64 says it on the other stream, too");
    output.says(&["──── aarch64-linux: misbehaves tests/talks: exit code 3 ────"]);
    assert!(!output.err.contains("x86_64 says") && !output.out.contains(" says "), "{output}");
}

/// The instruction is SVE's `cntb x0` (Arm ARM, C8): `max` has it, and the oldest AArch64 does not.
#[test]
fn a_program_that_needs_more_than_the_promised_processor_fails_on_that_one() {
    let fixture = Fixture::new("small");
    let test = "#[test] fn counts() { let n: u64; unsafe { core::arch::asm!(\".inst 0x0420e3e0\", out(\"x0\") n) }; assert!(n > 0); }";
    fixture.write("src/lib.rs", test).write("src/main.rs", "fn main() {}\n");
    fixture.program(&["test", "aarch64-linux"]).succeeds();
    let output = fixture.program(&["test", "aarch64-linux", "wasm32-wasi", "--floor", "--json"]).ends_with(1);
    let row = output.row("aarch64-linux");
    assert!(row["runner"].as_str().unwrap().ends_with(", cortex-a53"), "{output}");
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.ends_with("ended by SIGILL: it has an instruction that cortex-a53 does not have"), "{output}");
    output.says(&["no processor is promised for wasm32-wasi: --floor leaves them out"]);
    fixture.program(&["test", "wasm32-wasi", "--floor"]).ends_with(2).says(&["no processor is promised for any"]);
    let both = fixture.program(&["test", "aarch64-linux", "--floor"]).env("QEMU_CPU", "max").ends_with(2);
    both.says(&["so does QEMU_CPU"]);
}

#[test]
fn a_test_that_hangs_is_ended_with_all_that_it_started() {
    let fixture = Fixture::new("misbehaves");
    let output = fixture.for_both("test", &["--json", "--timeout", "2", "--", "--test", "hangs"]).ends_with(1);
    for target in BOTH {
        let row = output.row(target);
        let reason =
            "misbehaves tests/hangs: still running after 2.0 s, which --timeout allows; 0 of 1 tests had ended";
        assert_eq!(row["reason"], reason, "{output}");
        assert_eq!(row["tests"]["failed"], 1);
    }
    fixture.assert_nothing_left();
}

#[test]
fn a_test_that_dies_or_ends_too_early_has_failed_whatever_its_exit_code() {
    let fixture = Fixture::new("misbehaves");
    let junit = fixture.path("report.xml");
    let report = format!("junit={}", junit.display());
    let tests = ["--test", "aborts", "--test", "segfaults", "--test", "exits"];
    let output = fixture.for_both("test", &[&["--json", "--report", &report, "--"], &tests[..]].concat()).ends_with(1);
    let junit = Report::deserialize_from_str(&fs::read_to_string(junit).unwrap()).unwrap();
    for target in BOTH {
        assert_eq!(output.row(target)["tests"]["failed"], 3, "{output}");
        let suite = junit.test_suites.iter().find(|suite| suite.name.as_str() == target).unwrap();
        let message = |title: &str| {
            let case = suite.test_cases.iter().find(|case| case.name.as_str() == title).unwrap();
            match &case.status {
                TestCaseStatus::NonSuccess { message, .. } => message.as_ref().unwrap().to_string(),
                _ => panic!("{title} did not fail"),
            }
        };
        // Under emulation these are qemu's words.
        let aborts = message("misbehaves tests/aborts");
        assert!(aborts.contains("SIGABRT") || aborts.contains("signal 6"), "{aborts}");
        let segfaults = message("misbehaves tests/segfaults");
        assert!(segfaults.contains("SIGSEGV") || segfaults.contains("signal 11"), "{segfaults}");
        assert_eq!(message("misbehaves tests/exits"), "ended before its last test, with exit code 0");
    }
    fixture.assert_nothing_left();
}

#[test]
fn a_daemon_that_a_test_leaves_behind_is_gone_afterwards() {
    let fixture = Fixture::new("misbehaves");
    let pids = fixture.path("pid");
    let program = fixture.for_both("test", &["--json", "--", "--test", "leaves_a_daemon"]).env("PID_FILE", &pids);
    let output = program.succeeds();
    for (target, arch) in BOTH.iter().zip(["x86_64", "aarch64"]) {
        assert_eq!(output.row(target)["tests"]["passed"], 1);
        // It did run.
        let pid = fs::read_to_string(fixture.path(&format!("pid-{arch}"))).unwrap();
        let environ = format!("/proc/{}/environ", pid.trim());
        let there = fs::read_to_string(environ).is_ok_and(|text| text.contains(pids.to_str().unwrap()));
        assert!(!there, "{arch}: {pid}");
    }
    fixture.assert_nothing_left();
}

#[test]
fn a_run_that_fails_leaves_no_temporary_file() {
    let fixture = Fixture::new("broken");
    fixture.for_both("test", &[]).ends_with(1);
    fixture.assert_nothing_left();
    assert_eq!(names(&fixture.path("")), ["target", "tmp", "workspace"]);
}

/// "Exec format error", by the names of the machines and of the runner that is wanted.
#[test]
fn a_program_of_another_target_is_explained_and_its_runner_named() {
    let fixture = Fixture::new("small");
    let spec = r#"{"target": "windows-x64", "kind": "wine", "label": "wine", "command": ["wine"], "env": {},
            "rows": {"x86_64-linux": "x86_64-unknown-linux-gnu"}}"#;
    fixture.write("runner.json", spec);
    let output = fixture.program(&["runner", "runner.json", "--", "/bin/true"]).ends_with(127);
    assert!(output.err.contains("Exec format error: /bin/true is built for x86_64 (ELF"), "{output}");
    assert!(
        output
            .err
            .contains("which cross-flake-run-windows-x64 does not run\ncross-flake-run-x86_64-linux runs it here"),
        "{output}"
    );
}

/// A library of the target that is not there, linked by hand and by cargo.
#[test]
fn a_missing_library_is_named_with_where_it_was_searched_and_what_to_type() {
    let fixture = Fixture::new("small");
    fixture.write("call.c", "int main(void) { return 0; }\n");
    let output =
        fixture.program(&["shell", "aarch64-linux", "--", "sh", "-c", "$CC call.c -lnowhere -o call"]).ends_with(1);
    let words = [
        "no library `nowhere` for aarch64-linux in ",
        "/prefix/aarch64-linux-gnu",
        "libnowhere-dev",
        "cross-flake sysroot",
    ];
    output.says(&words);
    // What is missing for another reason gets no such advice.
    let script = "echo 'int gone(void); int main(void) { return gone(); }' >call.c && $CC call.c -lz -o call";
    let output = fixture.program(&["shell", "aarch64-linux", "--", "sh", "-c", script]).ends_with(1);
    assert!(output.err.contains("gone") && !output.err.contains("cross-flake:"), "{output}");

    fixture.write("build.rs", "fn main() { println!(\"cargo::rustc-link-lib=nowhere\"); }\n");
    let output = fixture.program(&["test", "aarch64-linux", "--json"]).ends_with(1);
    let reason = output.row("aarch64-linux")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("no library `nowhere` for aarch64-linux in "), "{reason}");
}

/// A WebAssembly module with one function of this name that does nothing, and a section of wasm-bindgen's.
fn module(export: &str) -> Vec<u8> {
    let counted = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
    let section = |id: u8, content: &[u8]| [&[id], &counted(content)[..]].concat();
    let document = br#"{"schema_version":"0.2.100","version":"0.2.101"}"#;
    let of_bindgen =
        [&counted(b"__wasm_bindgen_unstable")[..], &(document.len() as u32).to_le_bytes(), document].concat();
    [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[1, 0x60, 0, 0]),
        &section(3, &[1, 0]),
        &section(7, &[&[1], &counted(export.as_bytes())[..], &[0, 0]].concat()),
        &section(10, &[1, 2, 0, 0x0b]),
        &section(0, &of_bindgen),
    ]
    .concat()
}

#[test]
fn a_module_without_main_or_whose_tests_nobody_runs_has_not_passed() {
    let fixture = Fixture::new("small");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/data/wasm-node.mjs");
    let run = |export: &str, runner: &str, code: i32| -> Output {
        fs::write(fixture.root().join("module.wasm"), module(export)).unwrap();
        let (tools, program) = (fixture.path("tools"), fixture.path("tools/wasm-bindgen-test-runner"));
        fs::create_dir_all(&tools).unwrap();
        let _ = fs::remove_file(&program);
        if !runner.is_empty() {
            fs::write(&program, format!("#!/bin/sh\n{runner}\n")).unwrap();
            fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        fixture.command("node", &[script, "module.wasm", "--nocapture"]).env("PATH", path).ends_with(code)
    };
    assert!(run("other", "", 1).err.contains("has no main"));
    let words = "cargo install wasm-bindgen-cli --version 0.2.101 --locked";
    for runner in ["echo wasm-bindgen-test-runner 0.2.100", "exit 1"] {
        let output = run("__wbgt_a::test", runner, 1);
        assert!(output.out.starts_with("cross-flake: ") && output.out.contains(words), "{output}");
    }
    let runner = |code: i32| {
        format!("case $1 in --version) echo wasm-bindgen-test-runner 0.2.101;; *) echo ran $*; exit {code};; esac")
    };
    for code in [0, 7] {
        assert_eq!(run("__wbgt_a::test", &runner(code), code).out, "ran module.wasm --nocapture\n");
    }
}

#[test]
fn what_failed_in_the_last_run_runs_again_and_nothing_else() {
    let fixture = Fixture::new("small");
    let tests = fixture.root().join("tests");
    fs::create_dir(&tests).unwrap();
    let counts = |name: &str| fs::read_to_string(fixture.path(name)).unwrap_or_default().lines().count();
    let writes = |name: &str| {
        format!(
            "#[test] fn t() {{ use std::io::Write; let file = std::fs::File::options().append(true).create(true)\
             .open({:?}); writeln!(file.unwrap(), \"ran\").unwrap(); ",
            fixture.path(name)
        )
    };
    let is_arm = "cfg!(target_arch = \"aarch64\")";
    fs::write(tests.join("good.rs"), format!("{} }}", writes("good"))).unwrap();
    fs::write(tests.join("bad.rs"), format!("{} assert!(!{is_arm}) }}", writes("bad"))).unwrap();
    let again = |code: i32| fixture.for_both("test", &["--json", "--rerun-failed"]).ends_with(code);
    again(2).says(&["no run of x86_64-linux, aarch64-linux is known here: leave --rerun-failed out"]);

    // What fails runs once more by itself.
    fixture.for_both("test", &[]).ends_with(1);
    assert_eq!((counts("good"), counts("bad")), (2, 3));
    let output = again(1);
    assert_eq!((counts("good"), counts("bad")), (2, 5), "{output}");
    assert_eq!(output.json()["targets"].as_array().unwrap().len(), 1, "{output}");
    assert_eq!(output.row("aarch64-linux")["tests"], serde_json::json!({ "passed": 0, "failed": 1, "ignored": 0 }));

    fs::write(tests.join("bad.rs"), format!("{} }}", writes("bad"))).unwrap();
    let output = again(0);
    assert_eq!((counts("good"), counts("bad")), (2, 6), "{output}");
    let row = output.row("aarch64-linux");
    assert_eq!((&row["status"], &row["reason"]), (&"passed".into(), &"only what failed in the last run".into()));

    let output = again(0);
    output.says(&["nothing failed in the last run of x86_64-linux, aarch64-linux"]);
    assert_eq!(output.json()["targets"], serde_json::json!([]), "{output}");
    let output = fixture.for_both("test", &["--rerun-failed"]).succeeds();
    assert!(output.out.ends_with("\nnothing was run\n"), "{output}");

    // A target that does not compile runs whole, as soon as it does.
    fixture.write(
        "src/lib.rs",
        "pub fn next(n: u32) -> u32 { n + 1 }\n#[cfg(target_arch = \"aarch64\")] compile_error!(\"x\");",
    );
    fixture.for_both("test", &[]).ends_with(1);
    let before = (counts("good"), counts("bad"));
    fixture.write("src/lib.rs", "pub fn next(n: u32) -> u32 { n + 1 }");
    let output = again(0);
    assert_eq!((counts("good"), counts("bad")), (before.0 + 1, before.1 + 1), "{output}");
    assert_eq!(output.row("aarch64-linux")["reason"], serde_json::Value::Null);
}

/// What qemu itself does wrong is not the program's fault, and is said to be qemu's.
#[test]
fn a_program_whose_emulator_failed_runs_again() {
    let fixture = Fixture::new("small");
    let marker = fixture.path("target").join("marker");
    let fails = "use std::io::Write;\n#[test]\nfn fails_once() {\n    if !std::fs::exists(MARKER).unwrap() {\n        \
                 std::fs::write(MARKER, \"\").unwrap();\n        \
                 std::io::stderr().write_all(b\"QEMU internal SIGSEGV {code=MAPERR, addr=0x20}\\n\").unwrap();\n        \
                 std::process::abort();\n    }\n}\nconst MARKER: &str = ";
    let fails = format!("{fails}{marker:?};\n");
    fixture.write("tests/fails.rs", &fails);
    let alone = ["--no-isolation", "--test-jobs", "1", "--json"];
    let output = fixture.program(&[&["test", BOTH[1]], &alone[..]].concat()).succeeds();
    let row = output.row(BOTH[1]);
    assert_eq!(row["status"], "passed", "{output}");
    let reason = row["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        "the emulator failed at first, and passed when run again: small tests/fails (QEMU internal SIGSEGV {code=MAPERR, addr=0x20})"
    );
    // A native program has none that could have failed.
    fs::remove_file(&marker).unwrap();
    fixture.program(&[&["test", BOTH[0]], &alone[..]].concat()).ends_with(1);
}
