//! What people get wrong is said before anything is built.

use crate::support::{Fixture, Output, files};

/// Ends with code 2, says this, and has built nothing.
fn is_refused(fixture: &Fixture, args: &[&str], words: &[&str]) -> Output {
    let output = fixture.program(args).ends_with(2);
    output.says(words);
    assert!(!fixture.path("target").exists(), "something was built\n{output}");
    output
}

#[test]
fn an_unknown_target_is_refused_with_the_nearest_names() {
    let fixture = Fixture::new("small");
    is_refused(
        &fixture,
        &["test", "arch64-linux"],
        &["error: unknown target `arch64-linux`", "did you mean aarch64-linux"],
    );
    is_refused(&fixture, &["build", "x86_64-pc-windows-gnux"], &["did you mean x86_64-pc-windows-gnu"]);
    is_refused(
        &fixture,
        &["setup", "nothing-like-it"],
        &["unknown target `nothing-like-it`\n", "cargo cross-flake list"],
    );
    let none = ["no target is called like `aarch46-linux*`; did you mean aarch64-linux"];
    is_refused(&fixture, &["test", "aarch46-linux*"], &none);
    is_refused(&fixture, &["test-all-targets", "--rows", "aarch46-linux*"], &none);
    is_refused(&fixture, &["test-all-targets", "--rows", "macos-*", "--except", "*-apple-*"], &["no target is left"]);
    is_refused(&fixture, &["test-all-targets", "--tier", "4"], &["4 is not in 1..=3"]);
}

#[test]
fn a_malformed_table_is_refused_by_file_line_row_and_field() {
    let fixture = Fixture::new("small");
    let file = fixture.root().join("targets.toml");
    for (text, place) in [
        ("# A comment.\n[target.aarch64-linux]\nglibc = 2.31\n", ":3: row `aarch64-linux`, field `glibc`: "),
        ("[target.aarch64-linux]\nqemo = \"x\"\n", ":2: row `aarch64-linux`, field `qemo`: "),
        ("\n\n[target.mine]\ntriple = \"a-b-c\"\n", ":3: row `mine`, field `level`: is missing"),
        ("[target.mine]\ntriple = \"a-b-c\"\nlevel = \"fly\"\n", ":3: row `mine`, field `level`: "),
        ("[target.aarch64-linux\n", ":1: "),
        ("[tarket.mine]\n", ":1: unknown field `tarket`"),
    ] {
        fixture.write("targets.toml", text);
        is_refused(&fixture, &["test", "x86_64-linux"], &[&format!("{}{place}", file.display())]);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_built() {
    let fixture = Fixture::new("small");
    let refused =
        |report: &str, words: &[&str]| is_refused(&fixture, &["test", "x86_64-linux", "--report", report], words);
    refused("xml=report.xml", &["unknown form `xml`", "json, junit or markdown"]);
    refused("junit", &["FORM=PATH"]);
    refused("junit=", &["FORM=PATH"]);
    refused("json=no/such/folder/report.json", &["--report: cannot write no/such/folder/report.json"]);
    refused("json=/proc/report.json", &["--report: cannot write /proc/report.json"]);
    refused("markdown=src", &["--report: src is a folder"]);
    let names: Vec<_> = files(fixture.root()).into_iter().map(|(file, _)| file).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("report")), "{names:?}");
}

#[test]
fn an_unknown_package_is_refused_with_the_names_that_exist() {
    let fixture = Fixture::new("members");
    let words = ["no package `elsewhere`", "it has ", "everywhere", "arm-only"];
    is_refused(&fixture, &["test", "x86_64-linux", "-p", "elsewhere"], &words);
    is_refused(&fixture, &["test-all-targets", "-p", "elsewhere"], &words);
}

#[test]
fn a_setting_that_names_no_target_is_refused_by_file() {
    let fixture = Fixture::new("members");
    let manifest = "[workspace]\nmembers = [\"everywhere\"]\n[workspace.metadata.cross-flake]\n";
    fixture.write("Cargo.toml", &format!("{manifest}targets = [\"arch64-linux\"]\n"));
    let file = fixture.root().join("Cargo.toml").display().to_string();
    is_refused(
        &fixture,
        &["test-all-targets"],
        &[&file, "[workspace.metadata.cross-flake]", "did you mean aarch64-linux"],
    );
    fixture.write("Cargo.toml", &format!("{manifest}tragets = []\n"));
    is_refused(&fixture, &["test-all-targets"], &[&file, "tragets"]);
}

#[test]
fn a_folder_without_a_workspace_and_a_manifest_that_is_none_are_refused() {
    let fixture = Fixture::new("small");
    let output = fixture.program(&["test", "x86_64-linux"]).in_folder(&fixture.path("tmp")).ends_with(2);
    output.says(&["could not find `Cargo.toml`"]);
    is_refused(&fixture, &["test", "x86_64-linux", "--manifest-path", "no/Cargo.toml"], &["no manifest no/Cargo.toml"]);
}

#[test]
fn packages_that_cannot_be_are_refused() {
    let fixture = Fixture::new("small");
    is_refused(&fixture, &["sysroot", "arch64-linux", "zlib1g"], &["did you mean aarch64-linux"]);
    for row in ["windows-x64", "aarch64-linux-musl", "loongarch64-linux"] {
        is_refused(&fixture, &["sysroot", row, "zlib1g"], &[&format!("{row} has no packages"), "`debian`"]);
    }
    for name in ["zlib*", "zlib1g-", "zlib1g=1", "Zlib"] {
        is_refused(&fixture, &["sysroot", "aarch64-linux", name], &[&format!("`{name}` is no name of a package")]);
    }
    is_refused(&fixture, &["sysroot", "aarch64-linux"], &["<PACKAGE>"]);
    let args = ["sysroot", "aarch64-linux", "zlib1g", "--into", "src"];
    is_refused(&fixture, &args, &["src is in the way", "no sysroot of cross-flake"]);
    assert!(fixture.root().join("src").join("lib.rs").exists());
}

#[test]
fn a_package_that_debian_lacks_is_named() {
    let fixture = Fixture::new("small");
    let args = ["sysroot", "aarch64-linux", "zlib1g", "no-such-package", "--into", "root"];
    is_refused(&fixture, &args, &["has no package `no-such-package` for arm64"]);
    assert!(!fixture.root().join("root").exists());
}
