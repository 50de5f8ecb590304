//! The cache: fetched into, filled up, half-written, shared, and in odd places.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::time::SystemTime;

use crate::support::{ARM, BOTH, COMPILER, Cache, Fixture, Start, ZLIB, files, names, normal_cache};

/// No network but a loopback that is down, and none of pip's files at hand.
fn offline(program: Start) -> Start {
    // pip would try again for a while.
    program.without("PIP_FIND_LINKS").without("PIP_INDEX_URL").env("PIP_RETRIES", "0").under(&["unshare", "-rn"])
}

#[test]
fn a_first_run_without_a_network_says_what_is_missing_and_leaves_nothing_half_installed() {
    let cache = Cache::empty();
    let fixture = Fixture::new("small").with_cache(cache.root());
    let output = offline(fixture.for_both("test", &["--json"])).ends_with(1);
    let reason = |name: &str| output.row(name)["reason"].as_str().unwrap().to_owned();
    for target in BOTH {
        assert_eq!(output.row(target)["status"], "skipped", "{output}");
    }
    assert!(reason("x86_64-linux").contains("cannot fetch ziglang"), "{output}");
    assert!(
        reason("aarch64-linux").contains("work without") || reason("aarch64-linux").contains("ziglang"),
        "{output}"
    );
    // What it would have fetched, what that is for, and what works without it.
    output.says(&["fetching ", " zig ", "on PATH nothing is fetched", "targets that this machine runs by itself"]);
    for installed in ["wheels", "packages", "prefix", "std", "rust-src", "zlib-source", "tmp"] {
        assert_eq!(names(&cache.path(installed)), [""; 0], "{installed}");
    }
    assert!(!cache.path("lists").exists());
    fixture.assert_nothing_left();
}

#[test]
fn rows_that_need_nothing_more_go_on_without_a_network() {
    let cache = Cache::empty().with(&COMPILER);
    let fixture = Fixture::new("small").with_cache(cache.root());
    for (args, code) in [(&["--json"][..], 1), (&["--json", "--allow-skips"], 0)] {
        let output = offline(fixture.for_both("test", args)).ends_with(code);
        let (native, arm) = (output.row("x86_64-linux"), output.row("aarch64-linux"));
        assert_eq!((&native["status"], &native["tests"]["passed"]), (&"passed".into(), &1.into()), "{output}");
        assert_eq!(arm["status"], "skipped");
        assert!(arm["reason"].as_str().unwrap().contains("the distribution's lists of packages"), "{output}");
    }
    assert!(!cache.path("packages").exists() && names(&cache.path("tmp")).is_empty());
}

#[test]
fn a_full_disk_is_named_and_more_room_is_all_that_the_next_run_needs() {
    let cache = Cache::empty();
    let fixture = Fixture::new("small").with_cache(cache.root());
    // The runner, which is a copy of program, fits into the second size, but no compiler does.
    let runner = fs::metadata(env!("CARGO_BIN_EXE_cargo-cross-flake")).unwrap().len();
    let script = r#"
        set -e
        program=$0 cache=$CROSS_FLAKE_CACHE normal=$1
        mount -t tmpfs -o size=1m tmpfs "$cache"
        mkdir "$cache/wheels" "$cache/prefix"
        ln -s "$normal"/wheels/* "$cache/wheels"
        ln -s "$normal"/prefix/* "$cache/prefix"
        ln -s "$normal/zig-cache" "$cache"
        # With a source named, mount does not add the options that are in force: a user id among them is unknown in here.
        run() { echo "── $1"; mount -o "remount,size=$1" tmpfs "$cache"; "$program" test x86_64-linux 2>&1 || echo "code $?"; ls "$cache/tmp"; }
        run 1m
        [ ! -e "$cache/bin/cross-flake-runner" ]
        run "$2"
        run 4g
    "#;
    let line = [
        script,
        env!("CARGO_BIN_EXE_cargo-cross-flake"),
        normal_cache().to_str().unwrap(),
        &(runner + 1_000_000).to_string(),
    ];
    let output = fixture.command("sh", &[&["-c"], &line[..]].concat()).under(&["unshare", "-rm"]).succeeds();
    let parts: Vec<&str> = output.out.split("── ").collect();
    for part in &parts[1..3] {
        assert!(part.contains("error: cannot write ") && part.contains("No space left on device"), "{output}");
        assert!(part.ends_with("code 2\n"), "something is left, or the code is another\n{output}");
    }
    assert!(parts[3].ends_with("1 passed\n"), "{output}");
    fixture.assert_nothing_left();
}

#[test]
fn a_full_disk_in_the_middle_of_an_install_fails_the_row_that_needs_it() {
    let cache = Cache::empty();
    let fixture = Fixture::new("small").with_cache(cache.root());
    // What is made in a scratch folder is what runs out of room.
    let script = r#"
        set -e
        program=$0 cache=$CROSS_FLAKE_CACHE normal=$1
        mkdir "$cache/wheels" "$cache/clang" "$cache/zlib-source" "$cache/tmp"
        ln -s "$normal"/wheels/* "$cache/wheels"
        ln -s "$normal"/clang/* "$cache/clang"
        ln -s "$normal"/zlib-source/* "$cache/zlib-source"
        ln -s "$normal/zig-cache" "$cache"
        mount -t tmpfs -o size=100k tmpfs "$cache/tmp"
        "$program" test x86_64-linux 2>&1 || echo "code $?"
        ls "$cache/tmp"
        [ ! -e "$cache/prefix" ] || ls "$cache/prefix"
        umount "$cache/tmp"
        "$program" test x86_64-linux 2>&1
    "#;
    let line = ["-c", script, env!("CARGO_BIN_EXE_cargo-cross-flake"), normal_cache().to_str().unwrap()];
    let output = fixture.command("sh", &line).under(&["unshare", "-rm"]).succeeds();
    let (first, second) = output.out.split_once("code 1\n").unwrap_or_else(|| panic!("{output}"));
    assert!(
        first.contains("skipped: cannot compile zlib: only ") && first.contains(" bytes are left on the disk of "),
        "{output}"
    );
    // Not even the folder for its place.
    assert!(second.starts_with("compiling zlib"), "{output}");
    assert!(second.ends_with("1 passed\n"), "{output}");
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_an_install_harms_no_later_one() {
    let cache = Cache::empty().with(&COMPILER);
    let fixture = Fixture::new("small").with_cache(cache.root());
    let marker = fixture.path("marker");
    cache.stop_at_zig(&marker);
    fixture.program(&["setup", "x86_64-linux"]).start().until_exists(&marker).kill();
    assert_ne!(names(&cache.path("tmp")), [""; 0], "it was not in the middle");
    let cache = cache.go_on_with_zig();
    // What older runs left.
    fs::create_dir_all(cache.path("tmp/.tmpOld/new/lib")).unwrap();
    fs::write(cache.path("tmp/.tmpOld/new/lib/libz.a"), "half").unwrap();
    fs::write(cache.path("tmp/file"), "half").unwrap();
    fixture.program(&["test", "x86_64-linux"]).succeeds();
    assert_eq!(names(&cache.path("tmp")), [""; 0]);
}

#[test]
fn two_runs_at_once_on_one_cache_and_one_workspace_both_succeed() {
    // Both have something to install: zlib is missing.
    let cache = Cache::empty().with(&[&COMPILER[..], &ARM].concat());
    let fixture = Fixture::new("small").with_cache(cache.root());
    let runs = [(); 2].map(|()| fixture.for_both("test", &["--json"]).start());
    for run in runs {
        let output = run.wait();
        assert_eq!(output.code, Some(0), "{output}");
        for target in BOTH {
            assert_eq!(output.row(target)["tests"]["passed"], 1, "{output}");
        }
    }
    fixture.assert_nothing_left();
}

#[test]
fn a_run_that_lacks_nothing_does_not_wait_for_one_that_sets_up() {
    let cache = Cache::ready();
    let fixture = Fixture::new("small").with_cache(cache.root());
    fixture.for_both("test", &[]).succeeds();
    let lock = File::create(cache.root().join("lock")).unwrap();
    lock.lock().unwrap();
    let output = fixture.for_both("test", &[]).succeeds();
    assert!(!output.err.contains("waiting"), "{output}");
}

#[test]
fn a_second_run_fetches_nothing_and_builds_nothing() {
    let cache = Cache::ready();
    let fixture = Fixture::new("with-c").with_cache(cache.root());
    let counted = fixture.for_both("test", &["--json"]).succeeds();
    // Files, not folders: a lock or a scratch folder comes and goes. How long the tests took is written down each time.
    let state = || -> BTreeSet<_> {
        let changes = |(file, _): &(std::path::PathBuf, SystemTime)| {
            ["lock", ".cargo-lock", "timings.json"].iter().all(|name| !file.ends_with(name))
        };
        files(cache.root()).into_iter().chain(files(&fixture.path("target"))).filter(changes).collect()
    };
    let before = state();
    // A machine without a network does as well.
    let output = offline(fixture.for_both("test", &["--json"])).succeeds();
    let after = state();
    let changed: Vec<_> = after.symmetric_difference(&before).collect();
    assert!(changed.is_empty(), "{changed:#?}\n{output}");
    assert!(!output.err.contains("fetching") && !output.err.contains("compiling"), "{output}");
    assert_eq!(output.row("aarch64-linux")["tests"], counted.row("aarch64-linux")["tests"]);
    let said = fixture.program(&["setup", "--dry-run", "x86_64-linux", "aarch64-linux"]).succeeds();
    assert_eq!(said.err, "nothing to fetch\n");
}

#[test]
fn a_dry_run_says_as_json_what_the_common_targets_would_fetch_and_that_is_not_too_much() {
    let cache = Cache::empty();
    let fixture = Fixture::new("small").with_cache(cache.root());
    let list = fixture.program(&["list", "--rows", "common", "--json"]).succeeds().json();
    let all: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let dry = fixture.program(&[&["setup", "--dry-run", "--json"], &all[..]].concat()).env("CROSS_FLAKE_STD", "source");
    let output = dry.succeeds();
    let document = output.json();
    assert_eq!(document["targets"].as_array().unwrap().len(), all.len());
    let downloads = document["downloads"].as_array().unwrap();
    let sum: u64 = downloads.iter().map(|download| download["bytes"].as_u64().unwrap()).sum();
    assert_eq!(document["bytes"].as_u64(), Some(sum));
    let names: Vec<&str> = downloads.iter().map(|download| download["name"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("lists of packages of ")), "{output}");
    assert!(document["steps"][0]["seconds"].is_f64() && document["steps"][0]["success"] == true, "{output}");
    // Debian may have another version of a package than the one whose parts are pinned.
    let large = ["qemu-user ", "wine ", "wine-i386 "];
    let in_part = |large: &&str| names.iter().any(|name| name.starts_with(large) && name.ends_with(", in part"));
    if large.iter().all(in_part) {
        assert!(sum < 350_000_000, "{output}");
    }
    for fetched in ["wheels", "packages", "rust-src", "zlib-source"] {
        assert!(!cache.path(fetched).exists(), "{fetched}");
    }
}

#[test]
fn every_path_may_hold_spaces_and_letters_beyond_ascii() {
    let cache = Cache::named("ca che ü").with_copies(&[&COMPILER[..], &ARM].concat()).with(&[]);
    let fixture = Fixture::at("with-c", "work space ü").with_cache(cache.root());
    let (target, tmp) = (fixture.path("tar get ü"), fixture.path("t m p ü"));
    fs::create_dir(&tmp).unwrap();
    let odd = |program: Start| program.env("CARGO_TARGET_DIR", &target).env("TMPDIR", &tmp);
    let output = odd(fixture.for_both("test", &["--json"])).succeeds();
    for name in BOTH {
        assert_eq!((&output.row(name)["status"], &output.row(name)["tests"]["passed"]), (&"passed".into(), &1.into()));
    }
    let output = odd(fixture.for_both("build", &["--release"])).succeeds();
    let program = target.join("aarch64-unknown-linux-gnu/release/with-c");
    assert!(program.exists(), "{output}");
    assert_eq!(odd(fixture.program(&["run", "aarch64-linux"])).succeeds().out, "aarch64 64 42\n");
    let script = "set -e\neval \"$(\"$0\" env aarch64-linux --shell)\"\ncargo test --quiet";
    odd(fixture.command("sh", &["-c", script, env!("CARGO_BIN_EXE_cargo-cross-flake")])).succeeds();
    assert_eq!(names(&tmp), [""; 0]);
}

#[test]
fn what_was_built_with_another_std_or_c_compiler_is_built_again_for_that_target_alone() {
    let cache = Cache::empty().with_copies(&["std"]).with(&[&COMPILER[..], &ARM, &ZLIB].concat());
    let fixture = Fixture::new("with-c").with_cache(cache.root());
    let crates = |reason: &[&str]| {
        let output = fixture.for_both("test", &["--json"]).succeeds();
        output.says(reason);
        assert_eq!(output.err.contains("is built again"), !reason.is_empty(), "{output}");
        BOTH.map(|row| output.row(row)["crates"].as_u64().unwrap())
    };
    let all = crates(&[]);
    assert!(all[0] > 0 && all[0] == all[1], "{all:?}");
    assert_eq!(crates(&[]), [0, 0]);
    // The object of the build script is for another processor now, and says so.
    fixture.write("targets.toml", "[target.aarch64-linux]\ncflags = [\"-march=armv8.2-a\"]\n");
    let reason = ["aarch64-linux is built again from the start: ", "was built with another C toolchain"];
    assert_eq!(crates(&reason), [0, all[1]]);
    // Where std is the toolchain's own there is none in the cache.
    for toolchain in names(&cache.path("std")) {
        let folder = cache.path("std").join(toolchain).join("aarch64-unknown-linux-gnu/lib");
        if folder.exists() {
            fs::write(folder.join("libmore-0.rlib"), "").unwrap();
            assert_eq!(crates(&["was built with another std"]), [0, all[1]]);
        }
    }
    // By plain cargo, of which nobody knows with what.
    fs::remove_file(fixture.path("target/aarch64-unknown-linux-gnu/.cross-flake")).unwrap();
    assert_eq!(crates(&["does not say by what it was built"]), [0, all[1]]);
    assert_eq!(crates(&[]), [0, 0]);
}

#[test]
fn a_wine_prefix_or_session_that_belongs_to_another_user_is_made_anew() {
    // Nobody else gives files away.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    Fixture::new("small").program(&["setup", "windows-x64"]).succeeds();
    let parts = [&COMPILER[..], &ZLIB, &["std", "packages/wine"]].concat();
    let cache = Cache::empty().with(&parts).with_copies(&["wine/x64"]);
    let fixture = Fixture::new("small").with_cache(cache.root());
    let give_away = |path: &Path| chown(path, Some(1234), None).unwrap();
    let test = || {
        let output = fixture.program(&["test", "windows-x64", "--json"]).succeeds();
        assert_eq!(output.row("windows-x64")["tests"]["passed"], 1, "{output}");
        output
    };
    let prefix = cache.path("wine/x64");
    give_away(&prefix);
    test().says(&["making a wine prefix for windows-x64 anew, for the old one belongs to another user"]);
    assert!(fs::metadata(&prefix).unwrap().uid() == 0);
    // What Debian's wineserver keeps in the prefix is the name of a folder for temporary files.
    let session = fixture.path("tmp/wine-abcdef");
    fs::create_dir(&session).unwrap();
    give_away(&session);
    let _ = fs::remove_file(prefix.join("wineserver"));
    fs::write(prefix.join("wineserver"), "wine-abcdef").unwrap();
    let again = test();
    assert!(!again.err.contains("anew"), "{again}");
}

#[test]
fn a_home_that_cannot_be_written_is_an_error_that_names_the_variable() {
    normal_cache();
    let fixture = Fixture::new("small");
    let homeless = |home: &str| {
        let program = fixture.program(&["test", "x86_64-linux"]);
        program.without("CROSS_FLAKE_CACHE").without("XDG_CACHE_HOME").env("HOME", home)
    };
    // Not even root writes there.
    let read_only = fixture.path("home");
    fs::create_dir(&read_only).unwrap();
    let script = "mount -t tmpfs -o ro tmpfs \"$HOME\" && exec \"$0\" \"$@\"";
    let words = ["error: ", "cannot write the cache", "set CROSS_FLAKE_CACHE to a folder that can be written"];
    let output = homeless(read_only.to_str().unwrap()).under(&["unshare", "-rm", "sh", "-c", script]).ends_with(2);
    output.says(&words).says(&["Read-only file system", read_only.to_str().unwrap()]);
    homeless("/dev/null").ends_with(2).says(&words);
    homeless("/proc/nobody").ends_with(2).says(&words);
    // The doctor says so without failing to say the rest.
    let doctor =
        fixture.program(&["doctor"]).without("CROSS_FLAKE_CACHE").without("XDG_CACHE_HOME").env("HOME", "/dev/null");
    let output = doctor.ends_with(1);
    assert!(output.out.contains("export CROSS_FLAKE_CACHE="), "{output}");
}

#[test]
fn packages_of_a_target_are_fetched_once_and_replaced_whole() {
    let cache = Cache::empty();
    let fixture = Fixture::new("small").with_cache(cache.root());
    let sysroot = |package| fixture.program(&["sysroot", "aarch64-linux", package, "--into", "deep/root"]);
    let root = fixture.root().join("deep/root");
    // Without a network there is nothing, and nothing half of it.
    offline(sysroot("musl")).ends_with(2).says(&["cannot fetch the distribution's lists of packages"]);
    assert!(!root.exists() && names(&cache.path("tmp")).is_empty() && names(&cache.path("sysroots")).is_empty());

    sysroot("musl").succeeds();
    assert!(root.join("lib/ld-musl-aarch64.so.1").exists());
    fs::write(root.join("mine"), "kept while the same is asked for").unwrap();
    offline(sysroot("musl")).succeeds();
    assert!(root.join("mine").exists());

    // What depends on others brings them, whatever the machine has installed.
    sysroot("zlib1g").succeeds();
    assert!(
        root.join("lib/ld-linux-aarch64.so.1").exists() && root.join("usr/lib/aarch64-linux-gnu/libz.so.1").exists()
    );
    assert!(!root.join("mine").exists());
    assert_eq!(names(&fixture.root().join("deep")), ["root"]);
}

#[test]
fn packages_join_the_builds_and_the_programs_of_their_row() {
    // Compilers go by the name of their row, and this one is changed.
    let cache = Cache::ready();
    let fixture = Fixture::new("small").with_cache(cache.root());
    let packages = fixture.program(&["sysroot", "aarch64-linux", "liblzma-dev"]);
    packages.succeeds().says(&[
        "liblzma.so needs glibc ",
        "so liblzma.a is linked",
        "has packages = [\"liblzma-dev\"] now",
    ]);
    let again = packages.succeeds();
    assert!(!again.err.contains("has packages"), "{again}");
    fixture.write("x.c", "#include <lzma.h>\n#include <stdio.h>\nint main(void) { puts(lzma_version_string()); }\n");
    let script = "set -e\n\
                  case $(pkg-config --cflags --libs liblzma) in *-I/usr*|*-L/usr*) exit 9 ;; esac\n\
                  $CC x.c -o x $(pkg-config --cflags --libs liblzma)\n\
                  $CROSSCOMPILING_EMULATOR ./x\n\
                  \"$0\" inspect x\n";
    let build = || {
        let shell = ["shell", "aarch64-linux", "--", "sh", "-c", script, env!("CARGO_BIN_EXE_cargo-cross-flake")];
        let output = fixture.program(&shell).succeeds();
        assert!(output.out.starts_with("5."), "{output}");
        output.out
    };
    // By default the program runs where the row promises, for it brings the library along.
    assert!(!build().contains("liblzma"));
    // With Debian's own glibc the shared library is linked, and found when the program runs.
    fixture.write("targets.toml", "[target.aarch64-linux]\npackages = [\"liblzma-dev\"]\nglibc = \"2.41\"\n");
    assert!(build().contains("liblzma.so.5"));
    // What the caller has set stays, and is named.
    let own = fixture
        .program(&["env", "aarch64-linux"])
        .env("PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu", "/mine")
        .succeeds();
    own.says(&["aarch64-linux: PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu of your environment stays"]);
    assert_eq!(own.json()["scoped"]["PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu"], "/mine");
}
