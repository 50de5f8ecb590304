//! Whole ways from a mirror to unpacked files, and what must not come that way.

use std::fs;
use std::path::PathBuf;

use super::testing::{Answer, Member, Repository, Signing};
use super::*;
use crate::events::{Event, View};

const DATE: &str = "Sat, 15 Nov 2025 10:24:33 UTC";

/// Hears nothing.
struct Deaf;

impl View for Deaf {
    fn event(&self, _: &Event<'_>) {}
}

/// A machine with a cache that uses an archive.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// A machine with this file of release, whose mirror is at this place and is signed by this key.
    fn new(release: &str, url: &str, components: &str, suite: &str, key: &Signing) -> Machine {
        let machine = Machine { dir: tempfile::tempdir().unwrap() };
        let (keys, etc) = (machine.dir.path().join("keys.asc"), machine.dir.path().join("etc/apt"));
        fs::create_dir_all(&etc).unwrap();
        fs::write(&keys, key.public()).unwrap();
        fs::write(machine.dir.path().join("etc/os-release"), release).unwrap();
        let line = format!("deb [signed-by={}] {url} {suite} {components}\n", keys.display());
        fs::write(etc.join("sources.list"), line).unwrap();
        machine
    }

    fn debian(repository: &Repository) -> Machine {
        let url = repository.server.url("");
        Machine::new("ID=debian\nVERSION_CODENAME=bookworm\n", &url, "main", "bookworm", &repository.signing)
    }

    fn cache(&self) -> Cache {
        Cache::at(&self.dir.path().join("cache"))
    }

    fn archive(&self) -> Archive {
        let sources = Sources::read(self.dir.path(), None).unwrap();
        let archive = Archive::with(&self.cache(), &Events::to(Deaf), sources);
        // What the machine that runs the test has installed is not this machine's, and neither is its proxy.
        archive.installed.set(Index::default()).ok().unwrap();
        archive.client.set(Client::with(proxy::Proxies::default())).ok().unwrap();
        archive
    }

    /// Fetches the lists and unpacks a package with all that it needs.
    fn install(&self, name: &str) -> Result<PathBuf> {
        let archive = self.archive().of_sysroot("arm64", NEWER_SUITE);
        archive.update(&[NEWER_SUITE.to_owned()])?;
        let packages = archive.closure(&[name])?;
        self.cache().install("packages/it", |new| archive.unpack(&packages, new))
    }

    /// What an attempt is refused with. Nothing of it stays but lists that were believed.
    fn refuses(&self, name: &str) -> String {
        let error = format!("{:#}", self.install(name).unwrap_err());
        assert!(!self.cache().has("packages/it"));
        assert_eq!(fs::read_dir(self.cache().path("tmp")).map_or(0, Iterator::count), 0);
        error
    }

    /// Lets the lists be a day older, so that newer ones are asked for.
    fn let_a_day_pass(&self) {
        for arch in fs::read_dir(self.cache().path("lists")).unwrap().flatten() {
            for suite in fs::read_dir(arch.path()).unwrap().flatten() {
                let _ = fs::remove_file(suite.path().join("asked"));
            }
        }
    }
}

/// An archive with a program, a library that it needs, and more.
fn repository(change: impl FnMut(&mut Answer) + Send + 'static) -> Repository {
    let mut repository = Repository::new(change);
    let program = [Member::Dir("./usr/bin"), Member::File("./usr/bin/program", b"run", 0o755)];
    repository.add("main", "arm64", "program", "Depends: library (>= 1), virtual\n", &program, "xz");
    let library = [Member::File("./usr/lib/library.so", b"library", 0o644)];
    repository.add("main", "arm64", "library", "Provides: virtual\n", &library, "gz");
    repository.publish("trixie", DATE, "");
    repository
}

#[test]
fn a_program_is_had_with_what_it_needs_and_lists_are_asked_for_once() {
    let repository = repository(|_| {});
    let machine = Machine::debian(&repository);
    let place = machine.install("program").unwrap();
    assert_eq!(fs::read_to_string(place.join("usr/bin/program")).unwrap(), "run");
    assert_eq!(fs::read_to_string(place.join("usr/lib/library.so")).unwrap(), "library");
    let before = repository.server.asked().len();
    let archive = machine.archive().of_sysroot("arm64", NEWER_SUITE);
    let suites = [NEWER_SUITE.to_owned()];
    assert!(archive.is_ready(&suites));
    archive.update(&suites).unwrap();
    assert_eq!(archive.versions("library").unwrap(), ["1"]);
    assert_eq!(repository.server.asked().len(), before);
    // A day later the release alone is asked for.
    machine.let_a_day_pass();
    assert!(!machine.archive().of_sysroot("arm64", NEWER_SUITE).is_ready(&suites));
    archive.update(&suites).unwrap();
    assert_eq!(repository.server.asked()[before..], ["dists/trixie/InRelease"]);
}

#[test]
fn parts_of_packages_and_packages_of_a_suite_are_had() {
    let repository = repository(|_| {});
    let machine = Machine::debian(&repository);
    let archive = machine.archive().of_sysroot("arm64", NEWER_SUITE);
    archive.update(&[NEWER_SUITE.to_owned()]).unwrap();
    let packages = archive.resolve(&["program", "library=1"], NEWER_SUITE).unwrap();
    assert_eq!(packages[0].needs, ["library", "virtual"]);
    let dir = tempfile::tempdir().unwrap();
    archive.unpack_part(&packages, "usr/lib", dir.path()).unwrap();
    assert!(dir.path().join("usr/lib/library.so").exists() && !dir.path().join("usr/bin").exists());
    let error = archive.unpack_part(&packages, "no/such", dir.path()).unwrap_err().to_string();
    assert_eq!(error, "program holds no no/such");
    let error = archive.resolve(&["library=2"], NEWER_SUITE).unwrap_err().to_string();
    assert_eq!(error, "Debian's trixie has no package `library=2` for arm64");
    assert_eq!(archive.fetched()[0].name, "lists of packages of trixie for arm64");
}

#[test]
fn a_pin_that_is_out_of_date_costs_bytes_and_nothing_else() {
    let repository = repository(|_| {});
    let machine = Machine::debian(&repository);
    let archive = machine.archive().of_sysroot("arm64", NEWER_SUITE);
    archive.update(&[NEWER_SUITE.to_owned()]).unwrap();
    let mut package = archive.resolve(&["library"], NEWER_SUITE).unwrap().remove(0);
    let pin = "name = 'library'\nversion = '1'\narch = 'arm64'\nsha256 = ''\nranges = [[0, 9, 'other']]\n";
    package.pieces = Some(Box::leak(Box::new(toml::from_str(pin).unwrap())));
    assert!(package.is_part() && !package.clone().for_bundle("of no pieces").is_part());
    let dir = tempfile::tempdir().unwrap();
    archive.unpack(&[package], dir.path()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("usr/lib/library.so")).unwrap(), "library");
}

#[test]
fn ubuntus_own_suite_serves_with_all_its_parts_and_its_compression() {
    for (version, suite) in [("22.04", "jammy"), ("24.04", "noble"), ("26.04", "resolute")] {
        let mut repository = Repository::new(|_| {});
        let program = [Member::File("./usr/bin/program", b"run", 0o755)];
        repository.add("universe", "arm64", "program", "Depends: library\n", &program, "zst");
        let library = [Member::File("./usr/lib/library.so", b"library", 0o644)];
        repository.add("main", "arm64", "library", "", &library, "zst");
        repository.publish(suite, DATE, "");
        let release = format!("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"{version}\"\nVERSION_CODENAME={suite}\n");
        let url = repository.server.url("");
        let machine = Machine::new(&release, &url, "main restricted universe multiverse", suite, &repository.signing);
        let place = machine.install("program").unwrap();
        assert_eq!(fs::read_to_string(place.join("usr/lib/library.so")).unwrap(), "library", "{version}");
        let error = machine.archive().of_sysroot("arm64", NEWER_SUITE).closure(&["no"]).unwrap_err().to_string();
        assert_eq!(error, format!("Ubuntu's {suite} has no package `no` for arm64"));
    }
}

#[test]
fn lists_that_nobody_vouches_for_are_refused() {
    // Signed, but by somebody else; or by nobody; or changed on the way.
    let repository = repository(|_| {});
    repository.publish_by(&Signing::new(), "trixie", DATE, "");
    let error = Machine::debian(&repository).refuses("program");
    assert!(error.contains("dists/trixie/InRelease is refused") && error.contains("none of the keys"), "{error}");
    repository.server.write("dists/trixie/InRelease", b"Suite: trixie\n");
    assert!(Machine::debian(&repository).refuses("program").contains("it is not signed"));
    let changed = self::repository(|answer| {
        if answer.path.ends_with("InRelease") {
            answer.body =
                String::from_utf8_lossy(&answer.body).replace("Acquire-By-Hash: yes", "Acquire-By-Hash: yeS").into();
        }
    });
    assert!(Machine::debian(&changed).refuses("program").contains("the text is another one"));
    // The machine's mirror has one key, and another archive's key is known to the machine as well.
    let other = self::repository(|_| {});
    let url = other.server.url("");
    let machine = Machine::new("ID=debian\nVERSION_CODENAME=bookworm\n", &url, "main", "bookworm", &repository.signing);
    assert!(machine.refuses("program").contains("none of the keys"));
}

#[test]
fn old_releases_and_those_of_other_suites_are_refused() {
    let repository = repository(|_| {});
    let machine = Machine::debian(&repository);
    machine.install("program").unwrap();
    repository.publish("trixie", "Fri, 14 Nov 2025 10:24:33 UTC", "");
    machine.let_a_day_pass();
    let archive = machine.archive().of_sysroot("arm64", NEWER_SUITE);
    let error = format!("{:#}", archive.update(&[NEWER_SUITE.to_owned()]).unwrap_err());
    assert!(error.contains("of 2025-11-14 and one of 2025-11-15 was seen before"), "{error}");
    repository.publish("trixie", DATE, "Valid-Until: Sun, 16 Nov 2025 10:24:33 UTC\n");
    let error = Machine::debian(&repository).refuses("program");
    assert!(error.contains("it has expired: it was valid until 2025-11-16"), "{error}");
    repository.publish("bookworm", DATE, "");
    let bytes = fs::read(repository.server.root().join("dists/bookworm/InRelease")).unwrap();
    repository.server.write("dists/trixie/InRelease", &bytes);
    assert!(
        Machine::debian(&repository).refuses("program").contains("the release of bookworm, and not that of trixie")
    );
}

#[test]
fn files_that_are_not_the_signed_ones_are_refused() {
    for (end, is_cut, reason) in [
        (".deb", false, "its hash is not the one that the archive has signed"),
        (".deb", true, "bytes of"),
        ("/by-hash/", false, "its hash is not the one that the archive has signed"),
    ] {
        let spoilt = repository(move |answer| {
            if answer.path.contains(end) {
                let middle = answer.body.len() / 2;
                if is_cut {
                    answer.body.truncate(middle);
                } else {
                    answer.body[middle] ^= 1;
                }
            }
        });
        let error = Machine::debian(&spoilt).refuses("library");
        assert!(error.contains(reason), "{error}");
        assert!(end != ".deb" || error.contains("the package library 1"), "{error}");
    }
}

#[test]
fn packages_that_reach_out_of_their_directory_are_refused() {
    for (members, reason) in [
        (&[Member::File("../../escaped", b"x", 0o644)][..], "../../escaped"),
        (&[Member::File("/escaped", b"x", 0o644)], "/escaped"),
        (&[Member::Link("./l", "../.."), Member::File("./l/escaped", b"x", 0o644)], "l/escaped"),
    ] {
        let mut repository = Repository::new(|_| {});
        repository.add("main", "arm64", "evil", "", members, "xz");
        repository.publish("trixie", DATE, "");
        let machine = Machine::debian(&repository);
        let error = machine.refuses("evil");
        assert!(error.contains("cannot unpack the package evil 1") && error.contains(reason), "{error}");
        assert!(!machine.dir.path().join("cache/escaped").exists() && !machine.dir.path().join("escaped").exists());
    }
}

#[test]
fn a_mirror_without_a_file_and_one_that_is_silent_are_told_apart() {
    let repository = repository(|_| {});
    let machine = Machine::debian(&repository);
    fs::remove_file(repository.server.root().join("pool/library_1_arm64.deb")).unwrap();
    let error = machine.install("program").unwrap_err();
    assert!(is_absent(&error) && format!("{error:#}").contains("library_1_arm64.deb: the mirror has no such file"));
    let silent = Machine::new(
        "ID=debian\nVERSION_CODENAME=bookworm\n",
        "http://127.0.0.1:1",
        "main",
        "bookworm",
        &repository.signing,
    );
    let error = silent.install("program").unwrap_err();
    assert!(!is_absent(&error) && format!("{error:#}").contains("work without"), "{error:#}");
}
