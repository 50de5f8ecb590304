//! program as people use it: the program itself, on the workspaces of `tests/fixtures`, with real compilers and emulators.
//!
//! One crate, so that it links once. Only `x86_64-linux` and `aarch64-linux` are set up, in the cache that everybody
//! uses; what is about the cache itself has one of its own, made of links to that.

mod archives;
mod as_cargo;
mod cache;
mod cached;
mod checks;
mod company;
mod compilers;
mod costs;
mod dist;
mod dist_parts;
mod doors;
mod environments;
mod failures;
mod families;
mod interruptions;
mod mistakes;
mod nextest;
mod nix;
mod reports;
mod rustup;
mod suites;
mod support;
mod workspaces;
