//! The program's own name, and the variables by which it is told what to do.

use std::sync::OnceLock;

/// Names the program as people call it, for its children: the scripts that compile give hints as well.
pub const CALLED: &str = "CROSS_FLAKE_CALLED";

static PROGRAM: OnceLock<String> = OnceLock::new();

/// Remembers the name under which people call the program. What [`CALLED`] says wins: an app of a flake sets it.
pub fn set_program(name: &str) {
    let called = std::env::var(CALLED).ok().filter(|called| !called.is_empty());
    PROGRAM.get_or_init(|| called.unwrap_or_else(|| name.to_owned()));
}

/// The words that call this program: `cargo cross-flake`, `cargo xtask`.
pub fn program() -> &'static str {
    PROGRAM.get().map_or("cargo cross-flake", String::as_str)
}
