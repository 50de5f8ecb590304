//! What machines read: reports of a run, and what commands print as JSON.

use std::fs;

use quick_junit::{Report, TestCaseStatus};
use serde_json::Value;

use crate::support::{BOTH, Cache, Fixture, names, normal_cache};

/// The names of an object's fields, in their order.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

#[test]
fn every_form_of_report_tells_of_the_same_run() {
    let fixture = Fixture::new("small");
    fixture.write(
        "src/lib.rs",
        &[
            "#[test] fn passes() {}",
            "#[test] #[ignore] fn is_left_out() {}",
            "#[cfg(target_arch = \"aarch64\")] #[test] fn fails_on_arm() { panic!(\"<because> & \\\"why\\\"\") }",
            "/// ```\n/// assert_eq!(small::next(1), 2);\n/// ```\npub fn next(n: u32) -> u32 { n + 1 }",
        ]
        .join("\n"),
    );
    let forms = ["json=out.json", "junit=out.xml", "markdown=out.md"];
    let reports: Vec<&str> = forms.iter().flat_map(|form| ["--report", *form]).collect();
    let output = fixture.for_both("test", &[&["--json"], &reports[..]].concat()).ends_with(1);
    let read = |name: &str| fs::read_to_string(fixture.root().join(name)).unwrap();

    let json = output.json();
    assert_eq!(serde_json::from_str::<Value>(&read("out.json")).unwrap(), json);
    assert_eq!(fields(&json), ["provider", "crates", "groups", "targets"]);
    assert_eq!(json["groups"], serde_json::json!([BOTH]));
    assert_eq!(json["provider"], "portable");
    let rows = json["targets"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| &row["name"]).collect::<Vec<_>>(), BOTH);
    for row in rows {
        let names = [
            "name",
            "triple",
            "status",
            "runner",
            "binfmt",
            "std",
            "tests",
            "crates",
            "build_seconds",
            "run_seconds",
            "reason",
            "suites",
            "programs",
        ];
        assert_eq!(fields(row), names);
        assert_eq!(fields(&row["tests"]), ["passed", "failed", "ignored"]);
        assert!(row["binfmt"].is_boolean() && row["build_seconds"].is_f64() && row["run_seconds"].is_f64(), "{row}");
    }
    // The library's own test, and the one in its documentation.
    let tests = |row: &Value| ["passed", "failed", "ignored"].map(|name| row["tests"][name].as_u64().unwrap());
    assert_eq!(tests(&rows[0]), [2, 0, 1], "{output}");
    assert_eq!(tests(&rows[1]), [2, 1, 1], "{output}");
    assert_eq!((&rows[0]["triple"], &rows[0]["status"]), (&"x86_64-unknown-linux-gnu".into(), &"passed".into()));
    assert_eq!((&rows[1]["triple"], &rows[1]["status"]), (&"aarch64-unknown-linux-gnu".into(), &"failed".into()));
    assert!(rows[0]["reason"].is_null());
    assert_eq!(rows[1]["reason"], "small: fails_on_arm failed: <because> & \"why\" (src/lib.rs:3)");
    assert_eq!(rows[0]["runner"], "native");
    assert!(rows[1]["runner"].as_str().unwrap().starts_with("qemu-aarch64 "));

    let junit = Report::deserialize_from_str(&read("out.xml")).unwrap();
    assert_eq!(junit.test_suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>(), BOTH);
    assert_eq!((junit.tests, junit.failures), (7, 1));
    let failed = junit.test_suites[1].test_cases.iter().find(|case| case.name.as_str() == "fails_on_arm").unwrap();
    let TestCaseStatus::NonSuccess { description, .. } = &failed.status else { panic!("it failed: {failed:?}") };
    assert!(description.as_ref().unwrap().contains("<because> & \"why\""), "{failed:?}");

    let markdown = read("out.md");
    let lines: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(lines.len(), 4, "{markdown}");
    assert!(lines[0].starts_with("| target | triple | ") && lines[1].starts_with("| --- | "), "{markdown}");
    assert!(lines[2].starts_with("| x86_64-linux | ") && lines[2].ends_with(" | passed |"), "{markdown}");
    assert!(
        lines[3].starts_with("| aarch64-linux | ") && lines[3].contains("| failed: small: fails_on_arm"),
        "{markdown}"
    );
    let columns = |line: &str| line.matches('|').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{markdown}");
}

#[test]
fn a_row_that_is_only_linked_is_neither_passed_nor_skipped() {
    let fixture = Fixture::new("small");
    fixture.write("targets.toml", "[target.aarch64-linux]\nlevel = \"link\"\nreason = \"as an example\"\n");
    let output = fixture.for_both("test", &["--json"]).succeeds();
    let row = output.row("aarch64-linux");
    assert_eq!((&row["status"], &row["runner"]), (&"linked".into(), &"none".into()));
    assert_eq!((&row["tests"]["passed"], &row["reason"]), (&0.into(), &"as an example".into()));
    assert_eq!(output.row("x86_64-linux")["status"], "passed");
    // It was linked.
    let programs = names(&fixture.path("target/aarch64-unknown-linux-gnu/debug/deps"));
    assert!(programs.iter().any(|name| name.starts_with("small-") && !name.contains('.')), "{programs:?}");
}

#[test]
fn a_skipped_target_is_a_failure_unless_skips_are_allowed() {
    let fixture = Fixture::new("small");
    // Nobody has a C library of this name.
    let runtime = "runtime = { package = \"libc6-no-such-cross\", root = \"usr/no-such\" }";
    fixture.write("targets.toml", &format!("[target.aarch64-linux]\n{runtime}\n"));
    for (args, code) in [(&["--json"][..], 1), (&["--json", "--allow-skips"], 0)] {
        let output = fixture.for_both("test", args).ends_with(code);
        let row = output.row("aarch64-linux");
        assert_eq!(row["status"], "skipped", "{output}");
        assert!(row["reason"].as_str().unwrap().contains("libc6-no-such-cross"), "{output}");
        assert_eq!(output.row("x86_64-linux")["status"], "passed");
    }
    // A failure is one all the same.
    fixture.write("src/lib.rs", "pub fn next(n: u32) -> u32 { n + 1 }\n#[test] fn fails() { panic!() }");
    fixture.for_both("test", &["--allow-skips"]).ends_with(1);
}

#[test]
fn the_table_of_targets_is_an_array_with_an_object_for_each_row() {
    normal_cache();
    let fixture = Fixture::new("small");
    fixture.write("targets.toml", "[target.mine]\ntriple = \"a-b-c\"\nlevel = \"link\"\nreason = \"x\"\n");
    let json = fixture.program(&["list", "--json"]).succeeds().json();
    let rows = json.as_array().unwrap();
    assert!(rows.len() >= 24);
    for row in rows {
        let names = [
            "name",
            "triple",
            "tier",
            "common",
            "level",
            "compiler",
            "linker",
            "runner",
            "glibc",
            "floor-cpu",
            "reason",
            "ready",
        ];
        assert_eq!(fields(row), names);
    }
    let some = fixture.program(&["list", "--json", "--rows", "macos-*,mine", "--except", "*arm64"]).succeeds().json();
    let some: Vec<&str> = some.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(some, ["macos-x64", "mine"]);
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row("aarch64-linux")["ready"], true);
    assert_eq!(row("mine")["level"], "link");
    let markdown = fixture.program(&["list", "--markdown"]).succeeds().out;
    assert_eq!(markdown.lines().count(), rows.len() + 2);
}

#[test]
fn what_the_doctor_finds_is_an_array_of_findings() {
    let fixture = Fixture::new("small");
    let output = fixture.program(&["doctor", "--json"]).succeeds();
    let json = output.json();
    let findings = json.as_array().unwrap();
    for finding in findings {
        assert_eq!(fields(finding), ["name", "state", "what", "costs", "remedy"]);
        assert!(["ok", "limited", "missing"].contains(&finding["state"].as_str().unwrap()), "{finding}");
    }
    for name in ["kernel", "private binfmt", "rust", "cache", "zig"] {
        assert!(findings.iter().any(|finding| finding["name"] == name), "{name}\n{output}");
    }
}

#[test]
fn the_cache_is_measured_and_removed_only_when_asked() {
    let cache = Cache::empty().with_copies(&["packages/libc6-arm64-cross"]).with(&[]);
    let fixture = Fixture::new("small").with_cache(cache.root());
    let json = fixture.program(&["clean", "--json"]).succeeds().json();
    assert_eq!(fields(&json), ["folder", "bytes", "entries", "removed"]);
    assert_eq!((&json["folder"], &json["removed"]), (&cache.root().to_str().unwrap().into(), &false.into()));
    let packages = json["entries"].as_array().unwrap().iter().find(|entry| entry["name"] == "packages").unwrap();
    assert!(packages["bytes"].as_u64().unwrap() > 1_000_000, "{json}");
    assert!(cache.path("packages/libc6-arm64-cross").exists());
    let json = fixture.program(&["clean", "--all", "--json"]).succeeds().json();
    assert_eq!(json["removed"], true);
    assert!(!cache.root().exists());
    // Links to another folder are not followed.
    assert!(normal_cache().join("zig-cache").exists());
    // There is nothing to remove any more, and nobody minds.
    assert_eq!(fixture.program(&["clean", "--all", "--json"]).succeeds().json()["bytes"], 0);
}

#[test]
fn what_other_versions_have_left_in_the_cache_is_removed_and_nothing_else() {
    let cache = Cache::empty().with_copies(&["packages/libc6-arm64-cross", "zlib-source", "clang", "prefix", "std"]);
    let fixture = Fixture::new("small").with_cache(cache.root());
    let all = || -> Vec<String> {
        let stores = ["packages", "zlib-source", "clang", "prefix", "std", "wheels"];
        stores
            .into_iter()
            .flat_map(|store| names(&cache.path(store)).into_iter().map(move |name| format!("{store}/{name}")))
            .collect()
    };
    // The normal cache may hold some of other versions, too.
    fixture.program(&["clean", "--unused"]).succeeds();
    let own = all();
    assert!(own.iter().any(|name| name.starts_with("clang/aarch64-linux-gnu.2.28-zig-")), "{own:?}");
    let old = ["clang/aarch64-linux-gnu.2.17-zig-0.1.0-00000000", "std/1.0.0-000000000", "wheels/ziglang-0.1.0"];
    for name in old {
        fs::create_dir_all(cache.path(name).join("in/it")).unwrap();
    }
    let json = fixture.program(&["clean", "--unused", "--json"]).succeeds().json();
    let removed: Vec<&str> =
        json["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(removed, old);
    assert_eq!(all(), own);
    fixture.program(&["clean", "--unused", "--all"]).ends_with(2);
}

#[test]
fn a_program_that_was_built_is_what_its_row_promises() {
    let fixture = Fixture::new("small");
    let output = fixture.for_both("build", &["--json", "--release"]).succeeds();
    for target in BOTH {
        assert_eq!(output.row(target)["status"], "linked");
    }
    let file = |triple: &str| fixture.path("target").join(triple).join("release/small").display().to_string();
    let (native, arm) = (file("x86_64-unknown-linux-gnu"), file("aarch64-unknown-linux-gnu"));
    let json = fixture.program(&["inspect", "--json", &native, &arm]).succeeds().json();
    assert_eq!((json[0]["machine"].as_str(), json[1]["machine"].as_str()), (Some("x86_64"), Some("aarch64")), "{json}");
    assert_eq!(json[0]["interpreter"], "/lib64/ld-linux-x86-64.so.2");
    assert_eq!(json[1]["interpreter"], "/lib/ld-linux-aarch64.so.1");
    for program in json.as_array().unwrap() {
        assert_eq!(program["pointer_width"], 64);
        assert_eq!((&program["rpath"], &program["runpath"]), (&Value::Array(vec![]), &Value::Array(vec![])), "{json}");
        let glibc: Vec<u32> = program["glibc"].as_str().unwrap().split('.').map(|n| n.parse().unwrap()).collect();
        assert!(glibc <= vec![2, 28], "{json}");
    }
    // A file that is no program does not keep the others from being shown.
    let manifest = fixture.root().join("Cargo.toml").display().to_string();
    let output = fixture.program(&["inspect", "--json", &manifest, &arm]).ends_with(1);
    assert_eq!(output.json().as_array().unwrap().len(), 1);
    output.says(&["error: ", "Cargo.toml"]);
}

#[test]
fn shards_run_every_program_once_and_their_reports_become_one() {
    let fixture = Fixture::new("small");
    fs::create_dir(fixture.root().join("tests")).unwrap();
    for name in ["first", "second"] {
        fixture.write(&format!("tests/{name}.rs"), "#[test] fn passes() {}");
    }
    fixture.write("tests/bad.rs", "#[test] fn fails() {\n    assert_ne!(1, 1, \"as it should\")\n}");
    let mut ran = Vec::new();
    for number in 1..=3 {
        let (shard, report) = (format!("{number}/3"), format!("json=shard-{number}.json"));
        // As on a machine of its own: nothing is known of earlier runs.
        let target = fixture.path(&format!("target-{number}"));
        let start = fixture.for_both("test", &["--json", "--shard", &shard, "--report", &report]);
        let json = start.env("CARGO_TARGET_DIR", target).run().json();
        assert_eq!(json["shard"]["number"], number, "{json}");
        assert_eq!(json["shard"]["rows"], serde_json::json!(BOTH));
        for row in json["targets"].as_array().unwrap() {
            let programs = row["programs"].as_array().unwrap().iter();
            ran.extend(programs.map(|program| format!("{} {}", row["name"], program["title"])));
        }
    }
    ran.sort();
    let titles = ["small", "small bin/small", "small tests/bad", "small tests/first", "small tests/second"];
    let mut expected: Vec<String> =
        BOTH.iter().flat_map(|row| titles.map(|title| format!("\"{row}\" \"{title}\""))).collect();
    expected.sort();
    assert_eq!(ran, expected);

    let files = ["shard-3.json", "shard-1.json", "shard-2.json"];
    let merge = |files: &[&str], args: &[&str]| fixture.program(&[&["report", "merge"], files, args].concat());
    let output = merge(&files, &["--json", "--report", "junit=all.xml"]).env("GITHUB_ACTIONS", "true").ends_with(1);
    let json = output.json();
    assert_eq!(json["targets"].as_array().unwrap().iter().map(|row| &row["name"]).collect::<Vec<_>>(), BOTH);
    for row in BOTH {
        assert_eq!(output.row(row)["tests"], serde_json::json!({ "passed": 3, "failed": 1, "ignored": 1 }), "{output}");
    }
    let junit = Report::deserialize_from_str(&fs::read_to_string(fixture.root().join("all.xml")).unwrap()).unwrap();
    assert_eq!((junit.tests, junit.failures), (10, 2));
    // One annotation for both targets, beside the code.
    let annotations: Vec<&str> = output.err.lines().filter(|line| line.starts_with("::")).collect();
    let [annotation] = annotations.as_slice() else { panic!("{output}") };
    let start =
        "::error file=tests/bad.rs,line=2,title=small tests/bad%3A fails on x86_64-linux%2C aarch64-linux::assertion";
    assert!(annotation.starts_with(start), "{output}");
    let output = merge(&files, &[]).ends_with(1);
    assert!(output.out.ends_with("\n2 failed\n") && !output.err.contains("::error"), "{output}");

    merge(&files[..2], &[]).ends_with(2).says(&["no report of shard 2/3"]);
    merge(&["shard-1.json", "shard-2.json", "Cargo.toml"], &[]).ends_with(2).says(&["cannot read Cargo.toml"]);
}

/// The commands of a workflow, which stand on a line each.
fn commands(workflow: &str) -> Vec<&str> {
    let lines = workflow.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("run: "));
    lines.collect()
}

#[test]
fn a_workflow_does_what_it_says() {
    let fixture = Fixture::new("small");
    let ci = |args: &[&str]| fixture.program(&[&["ci"], args].concat()).succeeds().out;
    let program = format!("'{}'", env!("CARGO_BIN_EXE_cargo-cross-flake"));
    let run = |command: &str, shard: usize| {
        let line = command.replace("cargo cross-flake", &program).replace("${{ matrix.shard }}", &shard.to_string());
        let (target, summary) = (fixture.path(&format!("target-{shard}")), fixture.path("summary"));
        let start = fixture.command("sh", &["-e", "-c", &line]);
        start.env("CARGO_TARGET_DIR", target).env("GITHUB_STEP_SUMMARY", summary).succeeds()
    };
    let workflow = ci(&["github", BOTH[0], BOTH[1], "--shards", "2"]);
    let all = commands(&workflow);
    let [_, install, test, merge_install, merge, summary] = all.as_slice() else { panic!("{workflow}") };
    assert!(install == merge_install && install.starts_with("cargo install "), "{workflow}");
    for shard in [1, 2] {
        let output = run(test, shard);
        assert!(output.out.ends_with("\n1 passed\n"), "{output}");
    }
    assert!(run(merge, 0).out.ends_with("\n2 passed\n"));
    run(summary, 0);
    assert!(fs::read_to_string(fixture.path("summary")).unwrap().starts_with("**2 passed** (portable)"));

    let release = ci(&["github", "--release", BOTH[0], "macos-arm64"]);
    let dist = "cargo cross-flake dist x86_64-linux macos-arm64 --allow-untested --check";
    assert!(commands(&release).contains(&dist), "{release}");
    let release = ci(&["github", "--release", "--shards", "2"]);
    let part = "cargo cross-flake dist --check --shard ${{ matrix.shard }}/2 --out target/part-${{ matrix.shard }}";
    assert!(commands(&release).contains(&part), "{release}");
    assert!(commands(&release).contains(&"cargo cross-flake dist merge target/part-*"), "{release}");
    assert!(
        ci(&["gitlab", "--release", "--shards", "2"]).contains("    - cargo cross-flake dist merge target/part-*\n")
    );
    assert!(ci(&["gitlab", "--release"]).contains("    - cargo cross-flake dist --check\n"));

    assert!(ci(&["gitlab", "--shards", "3"]).contains("  parallel: 3\n"));
    assert!(ci(&["gitlab"]).contains("    - cargo cross-flake test-all-targets --report junit=junit.xml\n"));
    // With Nix it is that of the templates.
    let templates = ["default", "existing-flake"].map(|template| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/templates");
        fs::read_to_string(format!("{folder}/{template}/.github/workflows/cross.yml")).unwrap()
    });
    let own = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/data/ci/github-nix.yml")).unwrap();
    assert!(templates.iter().all(|template| *template == own));
    fixture.program(&["ci", "github", "nowhere"]).ends_with(2);
}
