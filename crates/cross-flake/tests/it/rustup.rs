//! std by rustup, from a manifest and a component that this test serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{ARM, COMPILER, Cache, Fixture, files, names, normal_cache};

const TRIPLE: &str = "aarch64-unknown-linux-gnu";

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A home of rustup with a copy of this toolchain, whose manifest knows one component more, at an address of this machine.
fn home(fixture: &Fixture) -> PathBuf {
    let real = PathBuf::from(succeeds(Command::new("rustc").args(["--print", "sysroot"]).current_dir(fixture.root())));
    let home = fixture.path("rustup");
    // It may be a link to one of another name.
    let active = succeeds(Command::new("rustup").args(["show", "active-toolchain"]).current_dir(fixture.root()));
    let here = home.join("toolchains").join(active.split(' ').next().unwrap());
    fs::create_dir_all(&here).unwrap();
    fs::write(home.join("settings.toml"), "version = \"12\"\n").unwrap();
    for part in ["bin", "lib"] {
        let copy = |how: &str| Command::new("cp").args([how, "-r"]).arg(real.join(part)).arg(&here).status().unwrap();
        assert!(copy("-l").success() || copy("-a").success());
    }
    let _ = fs::remove_dir_all(here.join("lib/rustlib").join(TRIPLE));
    let component = component(fixture, &real);
    let hash = succeeds(Command::new("sha256sum").arg(&component));
    let hash = hash.split(' ').next().unwrap();
    let manifest = here.join("lib/rustlib/multirust-channel-manifest.toml");
    let mut known: toml::Table =
        fs::read_to_string(&manifest).expect("rustup installed this toolchain").parse().unwrap();
    let entry = known["pkg"]["rust-std"]["target"][TRIPLE].as_table_mut().unwrap();
    entry.retain(|name, _| ["available", "components", "extensions"].contains(&name));
    entry.insert("url".into(), format!("file://{}", component.display()).into());
    entry.insert("hash".into(), hash.into());
    // Not in place: it may be a link to the real one.
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, known.to_string()).unwrap();
    home
}

/// The libraries of the target as rustup's components are packed.
fn component(fixture: &Fixture, real: &Path) -> PathBuf {
    let own = real.join("lib/rustlib").join(TRIPLE);
    let built = names(&normal_cache().join("std"));
    let built = built.iter().map(|key| normal_cache().join("std").join(key).join(TRIPLE));
    let libraries = built.chain([own]).find(|folder| folder.join("lib").exists()).expect("no std for the target");
    let name = format!("rust-std-{TRIPLE}");
    let package = fixture.path("package");
    let place = package.join(&name).join("lib/rustlib").join(TRIPLE);
    fs::create_dir_all(&place).unwrap();
    succeeds(Command::new("cp").arg("-rL").arg(libraries.join("lib")).arg(&place));
    fs::write(package.join("components"), format!("{name}\n")).unwrap();
    fs::write(package.join("rust-installer-version"), "3\n").unwrap();
    let lines: String =
        names(&place.join("lib")).iter().map(|f| format!("file:lib/rustlib/{TRIPLE}/lib/{f}\n")).collect();
    fs::write(package.join(&name).join("manifest.in"), lines).unwrap();
    let archive = fixture.path("rust-std.tar.gz");
    succeeds(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(fixture.path(".")).arg("package"));
    archive
}

#[test]
fn std_by_rustup_goes_to_the_cache_and_the_toolchain_stays_as_it_is() {
    let cache = Cache::empty().with(&[&COMPILER[..], &ARM[..2]].concat());
    let fixture = Fixture::new("small").with_cache(cache.root());
    let home = home(&fixture);
    let toolchain = files(&home.join("toolchains"));
    let run = |std: &str, args: &[&str]| {
        let start = fixture.program(args).env("RUSTUP_HOME", &home).env("RUSTUP_AUTO_INSTALL", "0");
        start.env("CROSS_FLAKE_STD", std)
    };
    let row = run("rustup", &["test", "aarch64-linux", "--json"]).succeeds().row("aarch64-linux");
    assert_eq!((&row["status"], &row["std"]), (&"passed".into(), &"rustup".into()), "{row}");
    assert_eq!(files(&home.join("toolchains")), toolchain);
    // It is here now; without rustup it would have to be built.
    run("auto", &["build", "aarch64-linux"]).succeeds();
    assert!(!cache.path("std").exists() && !cache.path("rust-src").exists());

    // What does not have the hash of the manifest is not taken.
    let cache = Cache::empty().with(&[&COMPILER[..], &ARM[..2]].concat());
    let fixture = fixture.with_cache(cache.root());
    let mut archive = fs::read(fixture.path("rust-std.tar.gz")).unwrap();
    *archive.last_mut().unwrap() ^= 1;
    fs::write(fixture.path("rust-std.tar.gz"), archive).unwrap();
    let start = fixture.program(&["test", "aarch64-linux"]).env("RUSTUP_HOME", &home).env("CROSS_FLAKE_STD", "rustup");
    start.ends_with(1).says(&["skipped", "checksum"]);
    assert_eq!(files(&home.join("toolchains")), toolchain);
}
