//! Tests that are built on one machine and run on others.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::{ARM, BOTH, Cache, Fixture, names, normal_cache};

/// What tests look for beside themselves: the package's program, what its build script wrote, a file of the sources, a directory to write to.
const TEST: &str = r#"
use std::path::Path;
use std::process::Command;

#[test]
fn the_program_starts() {
    for program in [env!("CARGO_BIN_EXE_small").to_owned(), std::env::var("CARGO_BIN_EXE_small").unwrap()] {
        let output = Command::new(program).arg("there").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{} there false\n", std::env::consts::ARCH));
    }
}

#[test]
fn what_the_build_script_wrote_is_there() {
    let folder = std::env::var("OUT_DIR").unwrap();
    let written = std::fs::read_to_string(Path::new(&folder).join("inner/written.txt")).unwrap();
    assert_eq!(written, std::env::consts::ARCH);
    assert_eq!(std::env::var("SAID").unwrap(), "by the build script");
}

#[test]
fn the_sources_are_there() {
    assert_eq!(std::fs::read_to_string("data.txt").unwrap().trim(), std::env::var("DATA").unwrap_or("first".into()));
    assert!(Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("data.txt").is_file());
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("file"), "").unwrap();
}
"#;

const SCRIPT: &str = r#"
fn main() {
    let folder = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap()).join("inner");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("written.txt"), std::env::var("CARGO_CFG_TARGET_ARCH").unwrap()).unwrap();
    println!("cargo::rustc-env=SAID=by the build script");
}
"#;

/// A package whose tests need more than their program.
fn needy() -> Fixture {
    let fixture = Fixture::new("small");
    fixture.write("tests/beside.rs", TEST).write("build.rs", SCRIPT).write("data.txt", "first\n");
    fixture
        .write(".gitignore", "target\n")
        .write("src/lib.rs", "/// ```\n/// small::next(1);\n/// ```\npub fn next(n: u32) -> u32 { n + 1 }\n");
    fixture.git(&["init", "--quiet"]);
    fixture.commit();
    fixture
}

/// What is in an archive: names and contents.
fn entries(file: &Path) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(GzDecoder::new(fs::File::open(file).unwrap()));
    let entry = |mut entry: tar::Entry<'_, GzDecoder<fs::File>>| {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    };
    tar.entries().unwrap().map(|one| entry(one.unwrap())).collect()
}

fn write(file: &Path, entries: &[(String, Vec<u8>)]) {
    let mut tar = tar::Builder::new(GzEncoder::new(fs::File::create(file).unwrap(), flate2::Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        // Its own way, which would refuse a name that leaves the folder.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, &content[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap().flush().unwrap();
}

#[test]
fn tests_of_an_archive_run_where_nothing_can_be_built() {
    let fixture = needy();
    let output = fixture.for_both("archive", &["--out", "tests.tar.gz", "--json"]);
    let output = output.env("SECRET", "never to be told").succeeds();
    output.says(&["tests.tar.gz: 6 test programs of 2 targets", "need a compiler", "small doctests"]);
    for row in BOTH {
        let row = output.row(row);
        assert_eq!(
            (&row["status"], &row["tests"]["passed"], &row["reason"]),
            (&json!("linked"), &json!(0), &Value::Null)
        );
    }
    let file = fixture.root().join("tests.tar.gz");
    let packed = entries(&file);
    let document = String::from_utf8(packed[0].1.clone()).unwrap();
    assert!(!document.contains("SECRET") && !document.contains("never to be told"), "{document}");

    // Another machine: without what cargo built, and without a compiler for any target.
    fs::remove_dir_all(fixture.path("target")).unwrap();
    let cache = Cache::empty().with(&ARM[..2]).with(&["spawn", "packages/lists"]);
    let fixture = fixture.with_cache(cache.root());
    let test =
        |args: &[&str]| fixture.for_both("test", &[&["--from-archive", "tests.tar.gz", "--json"], args].concat());
    let output = test(&[]).succeeds();
    for row in BOTH {
        let row = output.row(row);
        let ran = [&row["status"], &row["tests"]["passed"], &row["crates"]];
        assert_eq!(ran, [&json!("passed"), &json!(3), &json!(0)], "{output}");
    }
    assert_eq!(output.row(BOTH[1])["binfmt"], json!(true));
    assert!(!cache.path("wheels").exists() && !cache.path("std").exists(), "{:?}", names(cache.root()));

    // A part of it, and the rest.
    let shards = ["1/2", "2/2"].map(|shard| {
        let row = test(&["--shard", shard]).succeeds().json();
        row["targets"].as_array().unwrap().iter().map(|row| row["programs"].as_array().unwrap().len()).sum::<usize>()
    });
    assert_eq!(shards.iter().sum::<usize>(), 6, "{shards:?}");
    let output = test(&["--", "--", "the_sources"]).env("DATA", "second").ends_with(1);
    assert_eq!(output.row(BOTH[1])["tests"]["failed"], json!(1));
    test(&["--rerun-failed"]).succeeds();

    // Whoever builds here afterwards builds all of it.
    let fixture = fixture.with_cache(normal_cache());
    let again = fixture.program(&["test", BOTH[1], "--json"]).succeeds();
    assert_eq!(
        (&again.row(BOTH[1])["status"], again.row(BOTH[1])["crates"].as_u64() > Some(3)),
        (&json!("passed"), true)
    );
    // And what was built here is not overwritten.
    let target = fixture.path("target").join("aarch64-unknown-linux-gnu");
    fixture
        .program(&["test", BOTH[1], "--from-archive", "tests.tar.gz"])
        .ends_with(2)
        .says(&[target.to_str().unwrap(), "remove it, or set CARGO_TARGET_DIR"]);
}

#[test]
fn an_archive_says_what_is_not_as_it_was() {
    let fixture = needy();
    fixture.program(&["archive", BOTH[0], "--out", "tests.tar.gz"]).succeeds();
    let elsewhere = Fixture::at("small", "another/place");
    for name in ["data.txt", "tests.tar.gz", ".gitignore"] {
        fs::copy(fixture.root().join(name), elsewhere.root().join(name)).unwrap();
    }
    elsewhere.git(&["init", "--quiet"]);
    elsewhere.commit();
    let run =
        |args: &[&str]| elsewhere.program(&[&["test-all-targets", "--from-archive", "tests.tar.gz"], args].concat());
    // The first of the programs looks for a path of the other place.
    let from = fixture.root().to_str().unwrap();
    drop(fs::rename(fixture.path("target"), fixture.path("gone")));
    let output = run(&["--json", "--", "--", "--skip", "the_program", "--skip", "the_sources"]).succeeds();
    output.says(&["built in ", from, "want the same folders here", "built of commit "]);
    assert_eq!(output.row(BOTH[0])["tests"]["passed"], json!(1));
    elsewhere
        .program(&["test", BOTH[1], "--from-archive", "tests.tar.gz"])
        .ends_with(2)
        .says(&["tests.tar.gz has programs for x86_64-linux, and none for aarch64-linux"]);
    run(&["--release"]).ends_with(2).says(&["options for cargo and suites belong to `archive`"]);

    // What is no archive, is damaged, or would leave its folder.
    let file = elsewhere.root().join("tests.tar.gz");
    let whole = fs::read(&file).unwrap();
    fs::remove_dir_all(elsewhere.path("target")).unwrap();
    let refused = |words: &[&str]| {
        run(&[]).ends_with(2).says(words);
        let left = names(&elsewhere.path("target"));
        assert!(!left.iter().any(|name| name.starts_with("x86_64") || name.starts_with('.')), "{left:?}");
    };
    fs::write(&file, "nothing").unwrap();
    refused(&["tests.tar.gz is no archive of test programs"]);
    fs::write(&file, &whole[..whole.len() - 1000]).unwrap();
    refused(&["cannot unpack tests.tar.gz"]);
    fs::write(&file, &whole).unwrap();
    let mut packed = entries(&file);
    for name in ["../outside", "/tmp/outside", "target/x86_64-unknown-linux-gnu/../../../outside"] {
        packed.push((name.to_owned(), b"no".to_vec()));
        write(&file, &packed);
        refused(&["cannot unpack tests.tar.gz", name, "has no place"]);
        packed.pop();
    }
    packed[0].1 = String::from_utf8(packed[0].1.clone()).unwrap().replace("\"form\":1", "\"form\":0").into_bytes();
    write(&file, &packed);
    refused(&["tests.tar.gz is of another version of cross-flake"]);
}
