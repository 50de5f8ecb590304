//! The repository's own commands, given what they cannot take.

use std::process::Command;

#[test]
fn the_benchmark_is_for_a_checkout_of_cross_flake() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(elsewhere.path().join("src")).unwrap();
    std::fs::write(elsewhere.path().join("src/lib.rs"), "").unwrap();
    std::fs::write(elsewhere.path().join("Cargo.toml"), "[package]\nname = \"elsewhere\"\n").unwrap();
    let cases: [(&[&str], &[&str]); 4] = [
        (&["matrix"], &["is no checkout of cross-flake"]),
        (&["metrix"], &["invalid value 'metrix'", "matrix", "changes", "setup", "own", "nix"]),
        (&["--counts", "1,some"], &["expected a number or `all`"]),
        (&["--repeats", "16"], &["1..=15"]),
    ];
    for (args, words) in cases {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = xtask.arg("bench").args(args).current_dir(elsewhere.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        words.iter().for_each(|word| assert!(stderr.contains(word), "`{word}` is missing\n{stderr}"));
    }
}
