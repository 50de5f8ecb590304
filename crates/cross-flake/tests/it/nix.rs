//! What program says where Nix is missing or not ready. The stand-ins only say what the real program says there; with real Nix
//! the provider is tested by `tests/flake`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Fixture, Output, Start};

const FLAKE: &str = "{ inputs.cross-flake.url = \"github:cross-flake/cross-flake\"; }\n";

/// `program env x86_64-linux` with a `nix` on PATH that answers so.
fn env(fixture: &Fixture, nix: Option<&str>, provider: &str) -> Start {
    let bin = fixture.path("bin");
    fs::create_dir_all(&bin).unwrap();
    if let Some(script) = nix {
        fs::write(bin.join("nix"), format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(bin.join("nix"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let inherited = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&inherited).filter(|folder| !folder.join("nix").exists());
    let path = std::env::join_paths([bin].into_iter().chain(folders)).unwrap();
    fixture.program(&["env", "x86_64-linux", "--provider", provider]).env("PATH", path)
}

fn is_refused(output: &Output, words: &[&str]) {
    assert_eq!(output.out, "", "{output}");
    output.says(words);
}

const OLD: &str = "echo 'nix (Nix) 2.8.0'";
const NO_FLAKES: &str = "case $1 in --version) echo 'nix (Nix) 2.26.3' ;; \
     *) echo \"error: experimental Nix feature 'nix-command' is disabled\" >&2; exit 1 ;; esac";

#[test]
fn nix_that_is_asked_for_and_cannot_be_used_is_refused_with_what_to_do() {
    let fixture = Fixture::new("small");
    let absent = env(&fixture, None, "nix").ends_with(2);
    is_refused(&absent, &["nix is not on PATH", "--provider portable"]);
    let no_flake = env(&fixture, Some(OLD), "nix").ends_with(2);
    is_refused(&no_flake, &["no flake.nix that uses cross-flake", "nix flake init", "CROSS_FLAKE_FLAKE"]);
    fixture.write("flake.nix", FLAKE);
    is_refused(&env(&fixture, Some(OLD), "nix").ends_with(2), &["nix 2.8.0 is too old", "2.26"]);
    let disabled = env(&fixture, Some(NO_FLAKES), "nix").ends_with(2);
    is_refused(&disabled, &["experimental-features = nix-command flakes", "~/.config/nix/nix.conf"]);
}

#[test]
fn without_a_usable_nix_auto_is_portable_and_says_why_where_that_may_surprise() {
    let fixture = Fixture::new("small");
    let no_flake = env(&fixture, Some(OLD), "auto").succeeds();
    assert!(no_flake.out.contains("\"provider\": \"portable\"") && !no_flake.err.contains("note:"), "{no_flake}");
    fixture.write("flake.nix", FLAKE);
    let disabled = env(&fixture, Some(NO_FLAKES), "auto").succeeds();
    assert!(disabled.out.contains("\"provider\": \"portable\""), "{disabled}");
    disabled.says(&["note: the portable provider is used", "experimental-features = nix-command flakes"]);
}
