//! The provider `nix` of the program, on flakes without inputs whose environments are made of the portable provider's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Output, bench, copy, repository, run};

/// The build machine's own, and two that are emulated. In a run with all three one's Rust has to do for the others.
const ROWS: [&str; 3] = ["aarch64-linux", "aarch64-linux-musl", "x86_64-linux"];

/// A workspace, beside a flake or not.
struct Project {
    folder: PathBuf,
}

impl Project {
    /// A copy of a fixture in a folder that is called so.
    fn new(name: &str, fixture: &str) -> Project {
        let folder = bench().folder().join("provider").join(name);
        copy(&repository().join("crates/cross-flake/tests/fixtures").join(fixture), &folder);
        Project { folder }
    }

    /// Writes a flake with these packages: the name and a Nix expression of each.
    fn flake(&self, place: &str, packages: &[(&str, String)]) -> &Project {
        let packages: Vec<String> = packages.iter().map(|(name, text)| format!("\"env-{name}\" = {text};")).collect();
        let flake = self.folder.join(place);
        fs::create_dir_all(&flake).unwrap();
        let text = "{\n  description = \"Stands for one that uses cross-flake\";\n  outputs = { self }: {\n    \
                    packages.x86_64-linux = { PACKAGES };\n  };\n}\n";
        fs::write(flake.join("flake.nix"), text.replace("PACKAGES", &packages.join("\n"))).unwrap();
        self
    }

    fn program(&self, args: &[&str]) -> Command {
        // The folder may lie in another git tree, of which Nix would see only what that tree knows of.
        fs::write(self.folder.join(".gitignore"), "target\nreport.json\n").unwrap();
        let git = |args: &[&str]| run(bench().command("git").args(args).current_dir(&self.folder)).succeeds();
        let own = self.folder.ancestors().take_while(|folder| *folder != bench().folder());
        if !own.into_iter().any(|folder| folder.join(".git").exists()) {
            git(&["init", "--quiet"]);
        }
        git(&["add", "--all"]);
        let mut command = bench().command(env!("CARGO_BIN_EXE_cargo-cross-flake"));
        command.args(args).current_dir(&self.folder).env("CARGO_TARGET_DIR", self.folder.join("target"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&mut self.program(args))
    }

    /// What a test of these rows reports.
    fn test(&self, rows: &[&str]) -> (Value, Output) {
        let file = self.folder.join("report.json");
        let report = format!("json={}", file.display());
        let output = self.run(&[&["test"], rows, &["--report", &report]].concat());
        let text = fs::read(&file).unwrap_or_else(|error| panic!("{error}\n{output}"));
        (serde_json::from_slice(&text).unwrap(), output)
    }
}

/// A row of a report.
fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["targets"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

/// A string in Nix: JSON's, but for one more thing that means something.
fn string(text: &str) -> String {
    json!(text).to_string().replace("${", "\\${")
}

/// A package made by a shell script, for which `$1` is where it goes and `$2` a file with this content. Without a shell Nix 2.26
/// kills some builders: what has closed its standard error output, as `cp` does before it ends, counts as done.
fn script(text: &str, content: &str) -> String {
    let args = [string("-c"), string(text), string("sh"), "(placeholder \"out\")".to_owned()].join(" ");
    let file = format!("(builtins.toFile \"content\" {})", string(content));
    let common = "name = \"env\"; system = \"x86_64-linux\"; builder = \"/bin/sh\";";
    format!("derivation {{ {common} args = [ {args} {file} ]; }}")
}

/// The environment of a row whose Rust is as rust-overlay makes it: with std for the build machine and that row, and a rustc
/// that names its library by path. `change` has the last word.
fn with_own_rust(row: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value = bench().portable(row).clone();
    value["provider"] = "nix".into();
    value["path"][0] = json!(own_rust(row).join("bin"));
    change(&mut value);
    script("/bin/cat \"$2\" >\"$1\"", &value.to_string())
}

fn own_rust(row: &str) -> PathBuf {
    static MADE: LazyLock<Vec<(&str, PathBuf)>> = LazyLock::new(|| ROWS.map(|row| (row, make_rust(row))).into());
    MADE.iter().find(|(name, _)| *name == row).unwrap().1.clone()
}

fn make_rust(row: &str) -> PathBuf {
    let to = bench().folder().join("provider").join(format!("rust-{row}"));
    let sysroot = run(bench().command("rustc").args(["--print", "sysroot"]).current_dir(repository())).succeeds();
    let from = Path::new(sysroot.out.trim());
    fs::create_dir_all(to.join("bin")).unwrap();
    fs::create_dir_all(to.join("lib/rustlib")).unwrap();
    for entry in fs::read_dir(from.join("lib")).unwrap().flatten().filter(|entry| entry.file_name() != "rustlib") {
        let here = to.join("lib").join(entry.file_name());
        if fs::hard_link(entry.path(), &here).is_err() {
            fs::copy(entry.path(), &here).unwrap();
        }
    }
    symlink(from.join("bin/cargo"), to.join("bin/cargo")).unwrap();
    for program in ["rustc", "rustdoc"] {
        let here = to.join("bin").join(program);
        fs::copy(from.join("bin").join(program), &here).unwrap();
        run(Command::new("patchelf").arg("--set-rpath").arg(to.join("lib")).arg(&here)).succeeds();
    }
    let farm = PathBuf::from(bench().portable(row)["path"][0].as_str().unwrap());
    for triple in ["x86_64-unknown-linux-gnu", bench().portable(row)["triple"].as_str().unwrap()] {
        let _ = symlink(farm.parent().unwrap().join("lib/rustlib").join(triple), to.join("lib/rustlib").join(triple));
    }
    to
}

/// With C, a proc-macro, a test that starts a program, and documentation with a test.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn toolchains_that_cannot_be_moved_are_joined_for_one_cargo() {
    let project = Project::new("joined", "with-c");
    project.flake(".", &ROWS.map(|row| (row, with_own_rust(row, |_| ()))));
    let (report, output) = project.test(&ROWS);
    assert_eq!(report["provider"], "nix", "{output}");
    for name in ROWS {
        assert_eq!(
            (&row(&report, name)["status"], &row(&report, name)["tests"]["passed"]),
            (&json!("passed"), &json!(1)),
            "{output}"
        );
    }
    assert_eq!(row(&report, "build-machine")["status"], "passed", "{output}");
    // One row alone needs no such folder.
    let alone = project.run(&["env", "aarch64-linux"]).json();
    assert_eq!(alone["path"][0], json!(own_rust("aarch64-linux").join("bin")));
    let documented = "/// ```\n/// assert_eq!(two::two(), 2);\n/// ```\npub fn two() -> i32 { 2 }\n";
    let two = Project::new("documented", "small");
    fs::write(two.folder.join("src/lib.rs"), documented).unwrap();
    fs::write(
        two.folder.join("Cargo.toml"),
        "[package]\nname = \"two\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    )
    .unwrap();
    fs::write(two.folder.join("src/main.rs"), "fn main() {}\n").unwrap();
    two.flake(".", &ROWS.map(|row| (row, with_own_rust(row, |_| ()))));
    let (report, output) = two.test(&ROWS);
    for name in ROWS {
        assert_eq!(row(&report, name)["tests"]["passed"], 1, "{output}");
    }
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_row_that_cannot_be_had_keeps_no_other_from_passing() {
    let project = Project::new("failing", "small");
    project.flake(
        ".",
        &[
            ("x86_64-linux", with_own_rust("x86_64-linux", |_| ())),
            ("aarch64-linux", script("echo no such compiler >&2; exit 3", "")),
        ],
    );
    let (report, output) = project.test(&["aarch64-linux", "s390x-linux", "x86_64-linux"]);
    let reason = |name: &str| row(&report, name)["reason"].as_str().unwrap().to_owned();
    assert_eq!(row(&report, "x86_64-linux")["status"], "passed", "{output}");
    for name in ["aarch64-linux", "s390x-linux"] {
        assert_eq!(row(&report, name)["status"], "skipped", "{output}");
    }
    assert!(
        reason("aarch64-linux").contains("exit code 3") && reason("aarch64-linux").contains("no such compiler"),
        "{output}"
    );
    let missing = reason("s390x-linux");
    assert!(missing.contains("does not offer s390x-linux: it offers aarch64-linux, x86_64-linux"), "{output}");
    // Asked for alone, each is an error.
    project.run(&["env", "s390x-linux"]).fails_with(&["does not offer s390x-linux"]);
    project.run(&["env", "aarch64-linux"]).fails_with(&["no such compiler"]);
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn rows_whose_rust_differs_are_not_built_by_one_cargo() {
    let project = Project::new("differs", "small");
    let other = bench().folder().join("provider/other-rust/bin");
    fs::create_dir_all(&other).unwrap();
    let script = format!(
        "#!/bin/sh\n{} \"$@\" | sed 's/^release: .*/release: 1.0.0/'\n",
        own_rust("x86_64-linux").join("bin/rustc").display()
    );
    fs::write(other.join("rustc"), script).unwrap();
    run(Command::new("chmod").arg("+x").arg(other.join("rustc"))).succeeds();
    project.flake(
        ".",
        &[
            ("aarch64-linux", with_own_rust("aarch64-linux", |_| ())),
            ("x86_64-linux", with_own_rust("x86_64-linux", |value| value["path"][0] = json!(other))),
        ],
    );
    let (report, output) = project.test(&["aarch64-linux", "x86_64-linux"]);
    assert_eq!(row(&report, "aarch64-linux")["status"], "passed", "{output}");
    let reason = row(&report, "x86_64-linux")["reason"].as_str().unwrap();
    assert!(reason.contains("its Rust is 1.0.0") && reason.contains("that of aarch64-linux is"), "{output}");
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_flake_is_found_above_the_workspace_and_by_the_variable() {
    let tree = Project::new("a tree", "small");
    let member = Project { folder: tree.folder.join("sub folder/member") };
    copy(&repository().join("crates/cross-flake/tests/fixtures/small"), &member.folder);
    let environment = || with_own_rust("x86_64-linux", |_| ());
    tree.flake("sub folder", &[("x86_64-linux", environment())]);
    bench().git(&tree.folder);
    assert_eq!(member.run(&["env", "x86_64-linux"]).json()["provider"], "nix");
    // Above the flake there is none, and `auto` says nothing of it.
    let output = tree.run(&["env", "x86_64-linux"]).succeeds();
    assert!(output.out.contains("\"provider\": \"portable\"") && !output.err.contains("note"), "{output}");
    let mut named = tree.program(&["env", "x86_64-linux"]);
    named.env("CROSS_FLAKE_FLAKE", tree.folder.join("sub folder"));
    assert_eq!(run(&mut named).json()["provider"], "nix");
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn what_a_workspace_uses_stays_in_the_store_and_counts_as_set_up() {
    let project = Project::new("roots", "small");
    // Unlike any other test's, which may be in use.
    let environment = with_own_rust("x86_64-linux", |value| value["shell"]["TEST"] = "roots".into());
    project.flake(".", &[("x86_64-linux", environment)]);
    let is_ready = || {
        let list = project.run(&["list", "--json"]).json();
        list.as_array().unwrap().iter().find(|row| row["name"] == "x86_64-linux").unwrap()["ready"] == true
    };
    assert!(!is_ready());
    project.run(&["setup", "x86_64-linux"]).succeeds();
    assert!(is_ready());
    let root = project.folder.join("target/cross-flake/nix/x86_64-linux");
    let document = fs::read_link(&root).unwrap();
    let delete = || run(bench().command("nix").args(["store", "delete"]).arg(&document));
    delete().fails_with(&["still alive"]);
    fs::remove_file(&root).unwrap();
    delete().succeeds();
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_run_that_is_interrupted_while_nix_builds_ends_nix() {
    let project = Project::new("interrupted", "small");
    let marker = project.folder.join("marker");
    let hangs = script(&format!("echo $$ >'{}'; /bin/sleep 1000", marker.display()), "");
    project.flake(".", &[("x86_64-linux", hangs)]);
    let child =
        project.program(&["setup", "x86_64-linux"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while fs::read_to_string(&marker).map_or(0, |text| text.len()) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nix does not build");
        std::thread::sleep(Duration::from_millis(20));
    }
    run(Command::new("kill").args(["-INT", &child.id().to_string()])).succeeds();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let builder = PathBuf::from("/proc").join(fs::read_to_string(&marker).unwrap().trim());
    assert!(!builder.exists(), "the builder still runs");
}
