//! Peculiarities of single kinds of programs.

pub mod native;
pub mod wasmtime;
pub mod wine;
