//! What only programs of one kind need.

pub mod native;
pub mod wasmtime;
pub mod wine;
