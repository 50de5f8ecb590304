//! What packages and programs are linked with, and what is done to them afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{bench, repository, rows, run};

/// Holds the pages of a Mach-O against the hashes of its signature, as a Mac does before it starts a program: TN3126, and cs_blobs.h of
/// Apple's xnu.
const PAGES: &str = r#"
import hashlib, struct, sys
data = open(sys.argv[1], "rb").read()
number, at, signature = struct.unpack_from("<I", data, 16)[0], 32, None
for _ in range(number):
    command, size = struct.unpack_from("<II", data, at)
    if command == 0x1D: signature = struct.unpack_from("<I", data, at + 8)[0]
    at += size
for index in range(struct.unpack_from(">I", data, signature + 8)[0]):
    directory = signature + struct.unpack_from(">I", data, signature + 16 + 8 * index)[0]
    if struct.unpack_from(">I", data, directory)[0] != 0xFADE0C02: continue
    hashes, _, _, slots, limit = struct.unpack_from(">IIIII", data, directory + 16)
    page = 1 << data[directory + 39]
    bad = [slot for slot in range(slots)
           if hashlib.sha256(data[slot * page:min((slot + 1) * page, limit)]).digest()
           != data[directory + hashes + 32 * slot:][:32]]
    print(slots > 0, bad)
"#;

/// A workspace with C++ behind Rust, of a flake that is for these targets.
fn project(name: &str, targets: &str) -> PathBuf {
    let folder = bench().folder().join(name);
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"with-cpp\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[build-dependencies]\ncc = \"1\"\n\n[workspace]\n",
    );
    write("build.rs", "fn main() { cc::Build::new().cpp(true).file(\"c/seven.cpp\").compile(\"seven\"); }\n");
    write(
        "c/seven.cpp",
        "#include <stdexcept>\n#include <string>\nextern \"C\" int seven() {\n\
         try { throw std::runtime_error(std::string(\"seven!!\")); } catch (const std::exception &e) {\n\
         return std::string(e.what()).size(); }\n}\n",
    );
    write(
        "src/main.rs",
        "unsafe extern \"C\" { safe fn seven() -> i32; }\n\nfn main() { println!(\"{}\", seven()); }\n\n\
         #[test]\nfn c_plus_plus_says_seven() { assert_eq!(seven(), 7); }\n",
    );
    write(".gitignore", "/target\n");
    let flake = "{ inputs.cross-flake.url = \"path:/\"; outputs = { cross-flake, ... }: cross-flake.lib.mkFlake { src = \
                 ./.; targets = TARGETS; }; }\n";
    write("flake.nix", &flake.replace("TARGETS", targets));
    fs::copy(repository().join("rust-toolchain.toml"), folder.join("rust-toolchain.toml")).unwrap();
    run(bench().command("cargo").args(["generate-lockfile"]).current_dir(&folder)).succeeds();
    folder
}

fn nix(folder: &Path, args: &[&str]) -> crate::bench::Output {
    run(bench().command("nix").args(args).current_dir(folder)).succeeds()
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn c_plus_plus_behind_rust_needs_no_library_of_the_build_machine() {
    let folder = project("with-cpp", "[ \"aarch64-linux\" ]");
    bench().git(&folder);
    bench().lock(&folder, "cross-flake/");
    nix(&folder, &["build", "--no-link", "--print-build-logs", ".#matrix.aarch64-linux.portable"]);
}

/// As people download it, of one row and of all; the bytes follow from the content.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_release_holds_the_archives_of_the_rows_whose_tests_ran() {
    let folder = project("release", "[ \"aarch64-linux\" \"windows-x64\" \"macos-arm64\" ]");
    bench().git(&folder);
    bench().lock(&folder, "cross-flake/");
    let failed = run(bench().command("nix").args(["build", "--no-link", ".#windows-x64.archive"]).current_dir(&folder));
    failed.fails_with(&["the workspace has no licence file: put one, such as LICENSE, beside its Cargo.toml"]);
    fs::write(folder.join("LICENSE"), "Do as you like.\n").unwrap();
    bench().git(&folder);
    let built = nix(&folder, &["build", "--no-link", "--print-out-paths", "--print-build-logs", ".#dist"]);
    let out = PathBuf::from(built.out.trim());
    let names = ["with-cpp-0.1.0-aarch64-unknown-linux-gnu.tar.xz", "with-cpp-0.1.0-x86_64-pc-windows-gnu.zip"];
    let script =
        "sha256sum --check --quiet sha256.sum && tar -tvf with*.tar.xz && python3 -m zipfile -l with*.zip && ls";
    let said = run(bench().command("sh").args(["-ec", script]).current_dir(&out)).succeeds();
    assert!(said.out.contains("-rwxr-xr-x 0/0") && said.out.contains("/with-cpp\n"), "{said}");
    assert!(said.out.contains("with-cpp.exe") && said.out.contains("1980-01-01 00:00:00"), "{said}");
    assert!(said.out.ends_with(&format!("dist-manifest.json\nsha256.sum\n{}\n", names.join("\n"))), "{said}");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("dist-manifest.json")).unwrap()).unwrap();
    let sums = fs::read_to_string(out.join("sha256.sum")).unwrap();
    for name in names {
        let sum = manifest["artifacts"][name]["checksums"]["sha256"].as_str().unwrap();
        assert!(sums.contains(&format!("{sum}  {name}\n")), "{manifest}");
    }
    // One that cannot be tested here is built by its name alone. What is built again has the same bytes.
    let args = ["build", "--no-link", "--rebuild", ".#aarch64-linux.archive", ".#windows-x64.archive"];
    nix(&folder, &args);
    nix(&folder, &["build", "--no-link", ".#dist.macos-arm64"]);
}

/// Their loader is that of the store, which is where they are built and tested; what is handed out names the distribution's.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn zig_links_programs_of_the_build_machine_so_that_they_start_without_a_distribution() {
    let folder = project("own-by-zig", "[ \"x86_64-linux\" ]");
    fs::write(folder.join("targets.toml"), "[target.x86_64-linux]\ncc = \"zig\"\n").unwrap();
    bench().git(&folder);
    bench().lock(&folder, "cross-flake/");
    nix(&folder, &["build", "--no-link", "--print-build-logs", ".#matrix.x86_64-linux.portable"]);
    // What runs on this machine alone is linked by its own compiler, as if there were no such row.
    let script = "cargo build --quiet && for program in with-cpp build-script-build; do patchelf --print-interpreter \
                  $(find target -type f -executable -name $program); done";
    let output = nix(&folder, &["develop", ".#x86_64-linux", "--command", "sh", "-c", script]);
    let [program, build_script] = output.out.lines().collect::<Vec<_>>()[..] else { panic!("{output}") };
    assert!(program.contains("-libc/lib/ld-linux"), "{output}");
    assert!(build_script.starts_with("/lib64/ld-linux"), "{output}");
}

/// zig has stubs of what every program of macOS links, and no frameworks.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_macs_own_programs_are_linked_by_its_stdenv_with_apples_sdk() {
    // What a shell is made of, by name.
    let made_of = |shell: &str| -> BTreeSet<String> {
        let shown = bench().nix(&["derivation", "show", "--recursive", &format!(".#devShells.{shell}")]).json();
        shown.as_object().unwrap().values().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let own = made_of("aarch64-darwin.macos-arm64");
    assert!(["apple-sdk", "libiconv", "host-cc", "zlib-static"].iter().all(|part| own.contains(*part)), "{own:?}");
    assert!(!own.contains("zig"), "{own:?}");
    // The other Mac's programs are still zig's, as those of both are on Linux.
    for shell in ["aarch64-darwin.macos-x64", "x86_64-linux.macos-arm64"] {
        let other = made_of(shell);
        assert!(other.contains("zig") && !other.contains("apple-sdk"), "{shell}: {other:?}");
    }
}

/// A full qemu is more than a gigabyte.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn nothing_but_a_board_needs_all_of_qemu() {
    for (name, row) in rows() {
        let args = ["derivation", "show", "--recursive", &format!(".#devShells.x86_64-linux.{name}")];
        let shown = bench().nix(&args).json();
        let has_qemu = shown.as_object().unwrap().values().any(|one| one["name"] == "qemu");
        assert_eq!(has_qemu, row.machine.is_some(), "{name}");
    }
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn c_for_musl_is_static_without_being_asked() {
    let folder = bench().folder().join("musl");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("seven.c"), "int main(void) { return 7; }\n").unwrap();
    fs::write(folder.join("part.c"), "int seven(void) { return 7; }\n").unwrap();
    let script = format!(
        "cd {} && $CC seven.c -o seven && $CC -shared -fPIC part.c -o part.so; ./seven; test $? = 7",
        folder.display()
    );
    nix(&bench().clone(), &["develop", ".#x86_64-linux-musl", "--command", "sh", "-c", &script]);
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn programs_for_apple_silicon_are_signed_after_all_that_changes_them() {
    let program = bench().build(&[".#macos-arm64"])[0].join("bin/hello-zlib");
    let text = fs::read(&program).unwrap();
    // What crane's hook has put in the place of a path.
    assert!(text.windows(16).any(|part| part == [b'e'; 16]), "there is nothing to sign again");
    let pages = run(Command::new("python3").args(["-c", PAGES]).arg(&program)).succeeds();
    assert_eq!(pages.out, "True []\n", "{pages}");
}

/// Shared libraries of the store are found on no other system, and `allowedReferences` does not see the names of them.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn a_program_that_needs_a_shared_library_of_its_own_is_not_portable() {
    let folder = bench().folder().join("needs");
    fs::create_dir_all(folder.join("bin")).unwrap();
    let sh = |script: &str, loader: &str| {
        let mut command = bench().command("sh");
        command.args(["-ec", script]).current_dir(&folder).env("built", &folder).env("interpreter", loader);
        command
            .env("store", "/nix/store")
            .env("out", folder.join("out"))
            .env("CHECK", repository().join("nix/checks/portable.sh"));
        run(&mut command)
    };
    let loader = "/lib64/ld-linux-x86-64.so.2";
    sh("echo 'int own(void) { return 0; }' >own.c; echo 'int own(void); int main(void) { return own(); }' >main.c", "");
    // A script is no program of a system, and a static program minds none.
    let fine = "printf '#!/bin/sh\\n' >bin/script; cc main.c own.c -o bin/main; cc -static main.c own.c -o bin/static; bash -e $CHECK";
    sh(fine, loader).succeeds();
    sh("bash -e $CHECK", "/lib/ld-other.so.1").fails_with(&["its loader is '/lib64/ld-linux"]);
    sh("cc -shared -fPIC own.c -o libown.so; cc main.c ./libown.so -o bin/main; bash -e $CHECK", loader).fails_with(&[
        "bin/main needs the shared library",
        "libown.so",
        "pkgsStatic",
    ]);
}
