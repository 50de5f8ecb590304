//! Results that are kept, and everything that a test program may depend on.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::{BOTH, Fixture, Output, Start};

/// Test programs of which nothing changes from run to run, and what each does.
const SAME: [(&str, &str); 7] = [
    // With a thread, a clock that is no date, and a signal that has no name.
    (
        "plain",
        "std::thread::spawn(|| assert!(std::time::Instant::now().elapsed().as_secs() < 9)).join().unwrap(); \
         unsafe extern \"C\" { fn signal(number: i32, handler: usize) -> usize; fn raise(number: i32) -> i32; } \
         unsafe { signal(40, 1); assert_eq!(raise(40), 0); }",
    ),
    ("file", "assert_eq!(std::fs::read_to_string(\"data/one.txt\").unwrap(), \"1\");"),
    ("variable", "assert!(std::env::var_os(\"WRONG\").is_none());"),
    ("listing", "assert_eq!(std::fs::read_dir(\"data\").unwrap().count(), 1);"),
    ("absent", "assert!(!std::path::Path::new(\"wrong.txt\").exists());"),
    (
        "program",
        "let out = std::process::Command::new(\"sh\").args([\"-c\", \"cat other.txt\"]).output().unwrap(); assert_eq!(out.stdout, b\"1\");",
    ),
    (
        "temporary",
        "let file = std::env::temp_dir().join(\"kept\"); std::fs::write(&file, \"1\").unwrap(); \
         assert_eq!(std::fs::read(&file).unwrap(), b\"1\"); std::fs::remove_file(file).unwrap();",
    ),
];

/// Those of which something may, each with what is said of it.
const OTHER: [(&str, &str, &str); 7] = [
    ("date", "assert!(std::time::SystemTime::now() > std::time::UNIX_EPOCH);", "asks for the date"),
    ("port", "assert!(std::net::TcpStream::connect(\"127.0.0.1:1\").is_err());", "uses the network"),
    ("proc", "std::fs::read(\"/proc/uptime\").unwrap();", "looks at /proc/uptime"),
    ("leaves", "std::fs::write(std::env::temp_dir().join(\"left\"), \"1\").unwrap();", "behind"),
    ("changes", "std::fs::write(\"mine.txt\", \"1\").unwrap();", "changes "),
    ("removes", "std::fs::remove_file(\"old.txt\").unwrap();", "changes "),
    (
        "link",
        "let link = std::env::temp_dir().join(\"link\"); std::os::unix::fs::symlink(\"/etc\", &link).unwrap(); \
         std::fs::read_dir(&link).unwrap(); std::fs::remove_file(link).unwrap();",
        "makes a link to /etc",
    ),
];

fn fixture() -> Fixture {
    let fixture = Fixture::new("small");
    for folder in ["data", "tests"] {
        fs::create_dir_all(fixture.root().join(folder)).unwrap();
    }
    fixture.write("data/one.txt", "1").write("other.txt", "1").write("old.txt", "1").write("mine.txt", "1");
    let all = SAME.iter().copied().chain(OTHER.map(|(name, text, _)| (name, text)));
    for (name, text) in all {
        fixture.write(&format!("tests/{name}.rs"), &format!("#[test]\nfn {name}() {{ {text} }}\n"));
    }
    fixture
}

fn run(fixture: &Fixture) -> Start {
    believing(fixture);
    fixture.for_both("test", &["--cached", "--json"])
}

/// Has the next nineteen results believed.
fn believing(fixture: &Fixture) {
    let _ = fs::remove_file(fixture.path("target").join("cross-flake/kept/found"));
}

/// Names of a row's test programs in `tests/` of which this holds.
fn which(output: &Output, row: &str, is: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let report = output.row(row);
    let programs = report["programs"].as_array().unwrap().iter().filter(|program| is(program));
    programs.filter_map(|program| Some(program["title"].as_str().unwrap().split_once("tests/")?.1.to_owned())).collect()
}

fn kept(output: &Output, row: &str) -> BTreeSet<String> {
    which(output, row, |program| program["kept"] == true)
}

fn names_of<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_cannot_have_changed_is_kept_and_whatever_may_have_changed_runs() {
    let fixture = fixture();
    let first = run(&fixture).succeeds();
    for row in BOTH {
        assert_eq!(kept(&first, row), BTreeSet::new(), "{first}");
    }
    first.says(&OTHER.map(|(.., says)| says));

    let second = run(&fixture).succeeds();
    let same = names_of(SAME.map(|(name, _)| name));
    for row in BOTH {
        assert_eq!(kept(&second, row), same, "{row}: {second}");
        let report = second.row(row);
        assert_eq!((&report["status"], &report["tests"]["passed"]), (&json!("kept"), &json!(15)), "{second}");
    }
    // In words it is never said to have passed as if it had run.
    believing(&fixture);
    let words = fixture.for_both("test", &["--cached"]).succeeds();
    assert!(
        words.out.contains("2 passed (kept)\n") && words.out.contains("passed (kept): 9 of 16 test programs"),
        "{words}"
    );
    // Without the option everything runs.
    let all = fixture.for_both("test", &["--json"]).succeeds();
    assert!(BOTH.iter().all(|row| kept(&all, row).is_empty() && all.row(row)["status"] == "passed"), "{all}");

    // Each of the attacks makes one program fail, which it can only if it runs.
    fixture.write("data/one.txt", "2").write("data/two.txt", "2").write("other.txt", "2").write("wrong.txt", "");
    believing(&fixture);
    let attacked = fixture.program(&["test", BOTH[0], BOTH[1], "--cached", "--json"]).env("WRONG", "1").ends_with(1);
    let fail = names_of(["absent", "file", "listing", "program", "variable"]);
    for row in BOTH {
        assert_eq!(which(&attacked, row, |program| !program["failure"].is_null()), fail, "{row}: {attacked}");
    }
    fixture.write("data/one.txt", "1").write("other.txt", "1");
    for name in ["data/two.txt", "wrong.txt"] {
        fs::remove_file(fixture.root().join(name)).unwrap();
    }
    run(&fixture).succeeds();
    // A program that is built anew is another one.
    fixture.write("tests/plain.rs", "#[test]\nfn plain() { panic!() }\n");
    let changed = run(&fixture).ends_with(1);
    assert_eq!(which(&changed, BOTH[1], |program| !program["failure"].is_null()), names_of(["plain"]), "{changed}");
    fixture.assert_nothing_left();
}

#[test]
fn a_kept_result_that_is_not_true_drops_all_of_them() {
    let fixture = fixture();
    let again = || fixture.program(&["test", BOTH[0], "--cached", "--json", "--", "--test", "plain"]);
    again().succeeds();
    assert_eq!(kept(&again().succeeds(), BOTH[0]), names_of(["plain"]));
    let folder = fixture.path("target").join("cross-flake/kept");
    let result = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
    let result = result.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let text = fs::read_to_string(&result).unwrap();
    fs::write(&result, text.replace("\"passed\":1", "\"passed\":2")).unwrap();
    // One in twenty is not believed.
    fs::write(folder.join("found"), "19").unwrap();
    let output = again().succeeds();
    output.says(&["the kept result of small tests/plain is not what it does now: all kept results are dropped"]);
    assert_eq!(output.row(BOTH[0])["tests"]["passed"], 1, "{output}");
    assert!(!folder.exists());
    fixture.assert_nothing_left();
}

/// As in a container that lets no program be traced.
#[test]
fn where_nothing_can_be_watched_everything_runs() {
    let fixture = fixture();
    for _ in 0..2 {
        let output =
            fixture.program(&["test", BOTH[0], "--cached", "--json", "--", "--test", "plain"]).untraced().succeeds();
        output.says(&["runs every time: small tests/plain: it cannot be watched here"]);
        assert_eq!(output.row(BOTH[0])["status"], "passed", "{output}");
    }
}
