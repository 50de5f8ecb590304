//! Releases that several machines share, and one that does not fit on the disk.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::dist::{manifest, out, released};
use crate::support::{Fixture, names};

const ROWS: [&str; 3] = ["x86_64-linux", "macos-x64", "macos-arm64"];

/// Packs one part, and gives its folder.
fn part(fixture: &Fixture, number: usize) -> String {
    let folder = fixture.path("target").join(format!("part-{number}")).to_str().unwrap().to_owned();
    let shard = format!("{number}/2");
    let args = [&["dist", "--allow-untested", "--shard", &shard, "--out", &folder], &ROWS[..]].concat();
    fixture.program(&args).succeeds();
    folder
}

#[test]
fn parts_of_several_machines_are_the_release_of_one() {
    let fixture = released();
    fixture
        .program(&[&["dist", "--allow-untested", "--shard", "1/4"], &ROWS[..]].concat())
        .ends_with(2)
        .says(&["4 parts are more than the 3 targets"]);
    let parts = [1, 2].map(|number| part(&fixture, number));
    let shard = &manifest(Path::new(&parts[0]))["cross-flake"]["shard"];
    assert_eq!((&shard["number"], &shard["of"], &shard["rows"]), (&json!(1), &json!(2), &json!(ROWS)));
    let merge = |parts: &[&str]| fixture.program(&[&["dist", "merge"], parts].concat());
    merge(&[&parts[0], &parts[1]]).succeeds().says(&["4 archives in "]);
    let merged = fixture.path("merged");
    fs::rename(out(&fixture), &merged).unwrap();

    fixture.program(&[&["dist", "--allow-untested"], &ROWS[..]].concat()).succeeds();
    assert_eq!(names(&merged), names(&out(&fixture)));
    for name in names(&merged) {
        let [one, other] = [&merged, &out(&fixture)].map(|folder| fs::read(folder.join(&name)).unwrap());
        assert!(one == other, "{name} is not the same");
    }

    // What does not belong together is not put together.
    fs::remove_dir_all(out(&fixture)).unwrap();
    let refused = |parts: &[&str], words: &[&str]| {
        merge(parts).ends_with(2).says(words);
        assert!(!out(&fixture).join("sha256.sum").exists(), "there is a release");
    };
    refused(&[&parts[0]], &["part 2/2 is missing"]);
    refused(&[&parts[0], &parts[1], &parts[0]], &["part-1: part 1/2 is there twice"]);
    refused(&[&parts[0], merged.to_str().unwrap()], &["merged is no part of a release", "dist --shard K/N"]);
    refused(&[&parts[0], "nowhere"], &["nowhere holds no release"]);
    let archive = Path::new(&parts[0]).join("small-0.1.0-x86_64-unknown-linux-gnu.tar.xz");
    let content = fs::read(&archive).unwrap();
    fs::write(&archive, &content[..content.len() - 1]).unwrap();
    refused(&[&parts[0], &parts[1]], &["small-0.1.0-x86_64-unknown-linux-gnu.tar.xz is not what was packed"]);
    fs::write(&archive, content).unwrap();
    fixture.write("new.txt", "");
    fixture.commit();
    refused(&[&parts[0], &parts[1]], &["the parts are of ", ", and here is "]);
    part(&fixture, 2);
    refused(&[&parts[0], &parts[1]], &["are of different releases"]);
    fixture.assert_nothing_left();
}

#[test]
fn a_release_that_does_not_fit_on_the_disk_leaves_nothing_under_its_name() {
    let fixture = released();
    let folder = fixture.path("full");
    fs::create_dir_all(&folder).unwrap();
    // The disk is there inside alone, and full of something else but for a page.
    let script = "mount -t tmpfs -o size=64k none \"$1\" && { dd if=/dev/zero of=\"$1/other\" bs=4k count=15 2>/dev/null; \
                  \"$2\" dist x86_64-linux --out \"$1\"; echo \"ended with $?\"; ls -A \"$1\"; }";
    let program = env!("CARGO_BIN_EXE_cargo-cross-flake");
    let said =
        fixture.command("unshare", &["-rm", "sh", "-c", script, "sh", folder.to_str().unwrap(), program]).succeeds();
    said.says(&["No space left on device"]);
    assert!(said.out.ends_with("ended with 2\nother\n"), "{said}");
}
