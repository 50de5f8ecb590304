//! Releases: only what was tested is packed, everybody gets the same bytes, and what is not fit is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cross_flake::dist::{archive, universal};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::{BOTH, Fixture, names};

const LICENCE: &str = "Do as you like.\n";
/// The program's build script: what git tells of the sources is in the program, as in many.
const ASKS_GIT: &str = r#"
fn main() {
    helper::nothing();
    let git = |arguments: &[&str]| std::process::Command::new("git").args(arguments).output().unwrap();
    let described = git(&["describe", "--always", "--dirty", "--long"]);
    assert!(described.status.success(), "{described:?}");
    let changed = git(&["diff-index", "HEAD"]).stdout;
    let described = [described.stdout, git(&["rev-parse", "--abbrev-ref", "HEAD"]).stdout, changed].concat();
    println!("cargo::rustc-env=DESCRIBED={}", String::from_utf8(described).unwrap().replace('\n', " "));
}
"#;

/// The fixture with a licence, a manual and a path of its own in the program, a dependency, and another of its build script, all of it in
/// a commit.
pub fn released() -> Fixture {
    let fixture = Fixture::new("small");
    for name in ["inner", "helper"] {
        fixture.write(
            &format!("{name}/Cargo.toml"),
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"2024\"\nlicense = \"MIT/Apache-2.0\"\n"
            ),
        );
        fixture.write(&format!("{name}/src/lib.rs"), "pub fn nothing() {}\n");
    }
    fixture.write("build.rs", ASKS_GIT);
    std::os::unix::fs::symlink("small.1", fixture.root().join("another.1")).unwrap();
    fs::create_dir_all(fixture.root().join("manual")).unwrap();
    fixture.write("LICENSE", LICENCE).write("manual/small.1", "small\n").write(".gitignore", "target\n");
    let manifest = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    fixture.write(
        "Cargo.toml",
        &format!(
            "{manifest}\n[dependencies]\ninner = {{ path = \"inner\" }}\n[build-dependencies]\nhelper = {{ path = \"helper\" }}\n\
             [package.metadata.cross-flake.dist]\ninclude = [\"manual\"]\nsmoke = [\"--version\"]\n\
             url = \"https://example.org/small/v{{version}}\"\n"
        ),
    );
    let main = fs::read_to_string(fixture.root().join("src/main.rs")).unwrap();
    let place = "    std::hint::black_box(env!(\"DESCRIBED\"));\n    println!(\"{}\", std::panic::Location::caller().file());\n    println!(\"{}\", concat!(env!(\"CARGO_PKG_NAME\")));";
    fixture.write("src/main.rs", &main.replacen("fn main() {", &format!("fn main() {{\n{place}"), 1));
    fixture.command("cargo", &["generate-lockfile", "--offline"]).succeeds();
    fixture.git(&["init", "--quiet"]);
    fixture.commit();
    fixture
}

pub fn out(fixture: &Fixture) -> PathBuf {
    fixture.path("target").join("dist")
}

pub fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("dist-manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_release_is_tested_packed_started_and_the_same_when_it_is_built_elsewhere() {
    let fixture = released();
    let output = fixture.program(&["dist", "x86_64-linux", "aarch64-linux", "--check"]).succeeds();
    output.says(&["2 archives are the same, byte for byte"]);
    let archives = ["small-0.1.0-aarch64-unknown-linux-gnu.tar.xz", "small-0.1.0-x86_64-unknown-linux-gnu.tar.xz"];
    let others =
        ["dist-manifest.json", "provenance.intoto.jsonl", "release-notes.md", "sha256.sum", "small-install.sh"];
    let bills = archives
        .iter()
        .flat_map(|archive| ["cdx", "spdx"].map(|form| archive.replace("tar.xz", &format!("{form}.json"))));
    let mut expected: Vec<String> =
        archives.iter().chain(&others).map(|name| (*name).to_owned()).chain(bills).collect();
    expected.sort_unstable();
    assert_eq!(names(&out(&fixture)), expected);
    fixture.command("sha256sum", &["--check", "--quiet", "sha256.sum"]).in_folder(&out(&fixture)).succeeds();

    let manifest = manifest(&out(&fixture));
    assert_eq!(
        manifest["releases"],
        json!([{ "app_name": "small", "app_version": "0.1.0", "artifacts": [
            archives[0].replace("tar.xz", "cdx.json"), archives[0].replace("tar.xz", "spdx.json"), archives[0],
            archives[1].replace("tar.xz", "cdx.json"), archives[1].replace("tar.xz", "spdx.json"), archives[1],
            "small-install.sh",
        ] }])
    );
    assert_eq!(manifest["cross-flake"]["dirty"], false);
    for (row, archive) in BOTH.iter().zip([archives[1], archives[0]]) {
        let artifact = &manifest["artifacts"][archive];
        let proof = &artifact["cross-flake"];
        assert_eq!(
            (&proof["target"], &proof["tested"], &proof["tests"]["passed"]),
            (&json!(row), &json!(true), &json!(1)),
            "{proof}"
        );
        // The oldest processor that the row promises.
        assert!(
            proof["started_by"].as_str().unwrap().contains(if *row == BOTH[1] { "cortex-a53" } else { "native" }),
            "{proof}"
        );
        let kinds: Vec<_> = artifact["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| (asset["path"].as_str().unwrap(), asset["kind"].as_str().unwrap()))
            .collect();
        assert_eq!(kinds, [("small", "executable"), ("LICENSE", "license"), ("manual/small.1", "unknown")]);
    }
    let notes = fs::read_to_string(out(&fixture).join("release-notes.md")).unwrap();
    assert!(notes.contains("1 tests by native") && notes.contains("glibc 2."), "{notes}");

    // As a user unpacks it, with other tools than ours.
    fixture.command("tar", &["-xf", archives[1]]).in_folder(&out(&fixture)).succeeds();
    let unpacked = out(&fixture).join("small-0.1.0-x86_64-unknown-linux-gnu");
    assert_eq!(fs::read_to_string(unpacked.join("LICENSE")).unwrap(), LICENCE);
    let said = fixture.command(unpacked.join("small").to_str().unwrap(), &["there"]).succeeds();
    assert_eq!(said.out, "src/main.rs\nsmall\nx86_64 there false\n");
    lists_its_packages(&unpacked.join("small"));
    tells_of_its_packages(&out(&fixture), archives[1]);
    let listed = fixture.command("tar", &["-tvf", archives[1]]).in_folder(&out(&fixture)).succeeds();
    assert!(listed.out.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
    fixture.assert_nothing_left();
}

/// As `cargo audit bin` reads it.
fn lists_its_packages(program: &Path) {
    let info = auditable_info::audit_info_from_file(program, Default::default()).unwrap();
    let all: Vec<_> = info
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package.version.to_string(), package.kind, package.root))
        .collect();
    let (build, runtime) = (auditable_serde::DependencyKind::Build, auditable_serde::DependencyKind::Runtime);
    let expected = [
        ("helper", "1.2.3".to_owned(), build, false),
        ("inner", "1.2.3".to_owned(), runtime, false),
        ("small", "0.1.0".to_owned(), runtime, true),
    ];
    assert_eq!(all, expected);
    assert_eq!(info.packages[2].dependencies, [0, 1]);
}

/// The bills of materials and the statement of where an archive comes from.
fn tells_of_its_packages(folder: &Path, archive: &str) {
    let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap() };
    let bill = read(&archive.replace("tar.xz", "cdx.json"));
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"], &bill["metadata"]["component"]["name"]),
        (&json!("CycloneDX"), &json!("1.6"), &json!("small"))
    );
    let of = |component: &Value| {
        (component["name"].clone(), component["scope"].clone(), component["licenses"][0]["expression"].clone())
    };
    let components: Vec<_> = bill["components"].as_array().unwrap().iter().map(of).collect();
    let both = json!("MIT OR Apache-2.0");
    let expected = [("helper", "excluded"), ("inner", "required"), ("std", "required")];
    assert_eq!(components, expected.map(|(name, scope)| (json!(name), json!(scope), both.clone())));

    let bill = read(&archive.replace("tar.xz", "spdx.json"));
    let relations = bill["relationships"].as_array().unwrap().iter();
    let relations: Vec<String> = relations
        .map(|one| {
            ["spdxElementId", "relationshipType", "relatedSpdxElement"].map(|key| one[key].as_str().unwrap()).join(" ")
        })
        .collect();
    assert_eq!(
        relations,
        [
            "SPDXRef-DOCUMENT DESCRIBES SPDXRef-2",
            "SPDXRef-2 STATIC_LINK SPDXRef-std",
            "SPDXRef-0 BUILD_DEPENDENCY_OF SPDXRef-2",
            "SPDXRef-2 DEPENDS_ON SPDXRef-1",
        ]
    );

    let statement = read("provenance.intoto.jsonl");
    let subjects = statement["subject"].as_array().unwrap();
    let hash = archive::sha256(&fs::read(folder.join(archive)).unwrap());
    assert!(subjects.contains(&json!({ "name": archive, "digest": { "sha256": hash } })), "{statement}");
    let commit = &statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"];
    assert_eq!(*commit, manifest(folder)["cross-flake"]["commit"]);
}

#[test]
fn debug_information_is_packed_apart_and_the_statement_is_signed() {
    let fixture = released();
    let toml = fs::read_to_string(fixture.root().join("Cargo.toml")).unwrap();
    fixture.write("Cargo.toml", &(toml + "\n[profile.dist]\ninherits = \"release\"\ndebug = true\n"));
    fixture.commit();
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(pair.as_ref()));
    let key = fixture.path("key.pem");
    fs::write(&key, pem).unwrap();
    let args = [
        "dist",
        "aarch64-linux-musl",
        "windows-x64",
        "macos-arm64",
        "--allow-untested",
        "--key",
        key.to_str().unwrap(),
    ];
    let output = fixture.program(&[&args[..], &["--check"]].concat()).succeeds();
    output.says(&["archives are the same, byte for byte"]);
    for (triple, form, program) in
        [("aarch64-unknown-linux-musl", "tar.xz", "small"), ("x86_64-pc-windows-gnu", "zip", "small.exe")]
    {
        let (name, unpacked) = (format!("small-0.1.0-{triple}"), fixture.path("unpacked"));
        let form_of = |file: &Path| archive::Form::of_file(file).unwrap();
        for name in [name.clone(), format!("{name}-symbols")] {
            let file = out(&fixture).join(format!("{name}.{form}"));
            archive::unpack(&file, form_of(&file), &unpacked).unwrap();
        }
        let section = |file: PathBuf, name: &str| {
            cross_flake_inspect::section(&file, name).unwrap().is_some_and(|content| !content.is_empty())
        };
        let (own, debug) =
            (unpacked.join(&name).join(program), unpacked.join(format!("{name}-symbols/{program}.debug")));
        assert!(!section(own.clone(), ".debug_info") && section(own.clone(), ".gnu_debuglink"), "{}", own.display());
        assert!(section(debug.clone(), ".debug_info"), "{}", debug.display());
        lists_its_packages(&own);
    }
    let kinds: Vec<Value> =
        manifest(&out(&fixture))["artifacts"].as_object().unwrap().values().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "symbols").count(), 2);

    let text = fs::read(out(&fixture).join("provenance.intoto.jsonl")).unwrap();
    let envelope: Value = serde_json::from_slice(&text).unwrap();
    let decode = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    let payload = String::from_utf8(decode(&envelope["payload"])).unwrap();
    let signed = format!("DSSEv1 28 application/vnd.in-toto+json {} {payload}", payload.len());
    let public = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    let public = UnparsedPublicKey::new(&ED25519, public.public_key().as_ref());
    public.verify(signed.as_bytes(), &decode(&envelope["signatures"][0]["sig"])).unwrap();

    fs::write(&key, "none").unwrap();
    fixture.program(&args).ends_with(2).says(&["key.pem holds no Ed25519 key", "openssl genpkey"]);
}

#[test]
fn macos_gets_one_program_for_both_processors() {
    let fixture = released();
    fixture.program(&["dist", "macos-x64", "macos-arm64", "--allow-untested", "--check"]).succeeds();
    let name = "small-0.1.0-universal2-apple-darwin";
    let file = out(&fixture).join(format!("{name}.tar.xz"));
    assert_eq!(manifest(&out(&fixture))["artifacts"][format!("{name}.tar.xz")]["cross-flake"]["tested"], false);
    archive::unpack(&file, archive::Form::Tar, &fixture.path("unpacked")).unwrap();
    let program = fixture.path("unpacked").join(name).join("small");
    let said = fixture.program(&["inspect", program.to_str().unwrap()]).succeeds();
    assert!(said.out.contains("x86_64") && said.out.contains("aarch64"), "{said}");

    // Apple's processors start nothing that is not as it was signed.
    let unpacked = fixture.path("one");
    archive::unpack(&out(&fixture).join("small-0.1.0-aarch64-apple-darwin.tar.xz"), archive::Form::Tar, &unpacked)
        .unwrap();
    let mut content = fs::read(unpacked.join("small-0.1.0-aarch64-apple-darwin/small")).unwrap();
    universal::check_signature(&content).unwrap();
    content[5000] ^= 1;
    let error = universal::check_signature(&content).unwrap_err().to_string();
    assert_eq!(error, "page 1 is not as it was signed");
}

#[test]
fn the_installer_takes_the_archive_of_the_machine_and_nothing_that_was_changed() {
    let fixture = released();
    fixture.program(&["dist", "x86_64-linux", "x86_64-linux-musl"]).succeeds();
    let folder = out(&fixture);
    let script = folder.join("small-install.sh");
    let place = |name: &str| fixture.path(name);
    let url = format!("file://{}", folder.display());
    let install = |to: &Path, url: &str| {
        fixture.command(
            "env",
            &[
                "-i",
                &format!("PATH={}", place("tools").display()),
                &format!("SMALL_URL={url}"),
                "sh",
                script.to_str().unwrap(),
                to.to_str().unwrap(),
            ],
        )
    };
    // A machine with nothing else.
    fs::create_dir_all(place("tools")).unwrap();
    for tool in [
        "sh",
        "uname",
        "sed",
        "grep",
        "getconf",
        "curl",
        "sha256sum",
        "mktemp",
        "tar",
        "xz",
        "mkdir",
        "cp",
        "mv",
        "rm",
        "cat",
    ] {
        let found = which::which(tool).unwrap_or_else(|_| panic!("{tool} is not here: checks/machine installs it"));
        std::os::unix::fs::symlink(found, place("tools").join(tool)).unwrap();
    }
    let said = install(&place("home/bin"), &url).succeeds();
    said.says(&["home/bin is not in PATH"]);
    assert_eq!(said.out, format!("{}\n", place("home/bin/small").display()));
    let run = fixture.command(place("home/bin/small").to_str().unwrap(), &["there"]).succeeds();
    assert!(run.out.ends_with("x86_64 there false\n"), "{run}");
    let is_static = |program: PathBuf| cross_flake_inspect::inspect(&program).unwrap().statically_linked;
    assert!(!is_static(place("home/bin/small")), "this machine has a glibc that is new enough");

    // An old glibc gets the archive that needs none.
    fs::remove_file(place("tools").join("getconf")).unwrap();
    fs::write(place("tools").join("getconf"), "#!/bin/sh\necho glibc 2.17\n").unwrap();
    fs::set_permissions(place("tools").join("getconf"), fs::Permissions::from_mode(0o755)).unwrap();
    install(&place("old"), &url).succeeds();
    assert!(is_static(place("old/small")));

    let bad = place("bad");
    fs::create_dir_all(&bad).unwrap();
    for name in names(&folder).iter().filter(|name| name.ends_with(".tar.xz")) {
        let mut content = fs::read(folder.join(name)).unwrap();
        *content.last_mut().unwrap() ^= 1;
        fs::write(bad.join(name), content).unwrap();
    }
    install(&place("none"), &format!("file://{}", bad.display()))
        .ends_with(1)
        .says(&["is not what was released: its SHA-256 is "]);
    install(&place("none"), "file:///nowhere").ends_with(1).says(&["cannot fetch file:///nowhere/small-0.1.0-"]);
    assert!(!place("none").exists(), "something was installed");
}

#[test]
fn sizes_are_measured_and_nothing_is_packed() {
    let fixture = released();
    let said = fixture.program(&["dist", "x86_64-linux-musl", "--sizes"]).succeeds();
    let line = said.out.lines().find(|line| line.contains("x86_64-linux-musl small")).unwrap();
    let sizes: Vec<u64> =
        line.split('|').skip(2).filter_map(|cell| cell.split_whitespace().next()?.parse().ok()).collect();
    assert!(sizes.len() == 6 && sizes[1] < sizes[0] && sizes[5] < sizes[1], "{said}");
    assert!(!out(&fixture).exists());
}

#[test]
fn what_failed_or_was_not_tested_is_not_packed() {
    let fixture = released();
    let lib = fs::read_to_string(fixture.root().join("src/lib.rs")).unwrap();
    let fails = "#[cfg(target_arch = \"aarch64\")] #[test] fn fails_on_arm() { panic!() }\n";
    fixture.write("src/lib.rs", &(lib.clone() + fails));
    let output = fixture.for_both("dist", &["--allow-dirty", "--json"]).ends_with(1);
    assert_eq!((&output.row(BOTH[0])["status"], &output.row(BOTH[1])["status"]), (&json!("passed"), &json!("failed")));
    let manifest = manifest(&out(&fixture));
    assert_eq!(names(&out(&fixture)).iter().filter(|name| name.ends_with(".tar.xz")).count(), 1);
    let archives = manifest["artifacts"].as_object().unwrap().values().filter(|one| one["kind"] == "executable-zip");
    assert_eq!((&manifest["cross-flake"]["dirty"], archives.count()), (&json!(true), 1));

    // A program that cannot start where it was unpacked.
    fixture.write("src/lib.rs", &lib);
    fixture.write("src/main.rs", "fn main() { std::fs::read(\"Cargo.toml\").unwrap(); }\n");
    let folder = fixture.path("other");
    let args = ["dist", "x86_64-linux", "--allow-dirty", "--out", folder.to_str().unwrap()];
    let output = fixture.program(&args).ends_with(1);
    output.says(&["small --version: called `Result::unwrap()`", "No such file or directory", "`smoke = [...]`"]);
    assert_eq!(names(&folder), [""; 0]);
    fixture.assert_nothing_left();
}

#[test]
fn what_is_not_fit_for_a_release_is_refused_before_anything_is_built() {
    let fixture = released();
    let refused = |words: &[&str]| {
        fixture.program(&["dist", "x86_64-linux"]).ends_with(2).says(words);
        assert!(!fixture.path("target").join("release").exists() && !out(&fixture).exists(), "something was built");
    };
    fixture
        .program(&["dist", "macos-arm64"])
        .ends_with(2)
        .says(&["tests for macos-arm64 cannot run here", "--allow-untested"]);

    fixture.write("new.txt", "");
    refused(&["not as the commit has them", "?? new.txt", "--allow-dirty"]);
    fixture.commit();

    fixture.git(&["tag", "v0.1.0"]);
    fixture.write("newer.txt", "");
    fixture.commit();
    refused(&["small 0.1.0 is released already: the tag v0.1.0 is at ", "raise the version in "]);
    fixture.git(&["tag", "--delete", "v0.1.0"]);

    let link = fixture.root().join("manual/other.1");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    fixture.commit();
    refused(&["cannot read ", "manual/other.1: No such file"]);
    fs::remove_file(&link).unwrap();
    fixture.commit();
    // Of which git knows nothing.
    fixture.command("mkfifo", &[link.to_str().unwrap()]).succeeds();
    refused(&["manual/other.1 is no file"]);

    fs::remove_dir_all(fixture.root().join("manual")).unwrap();
    fixture.commit();
    refused(&["`include` names manual, which is not there"]);

    fs::remove_file(fixture.root().join("LICENSE")).unwrap();
    fixture.commit();
    refused(&["small has no licence file", "license-file"]);
}
