//! What a small device computes, and the board under it. The same code runs on the build machine.
#![cfg_attr(not(start = "host"), no_std)]

pub mod board;
pub mod crc;
pub mod filter;
pub mod ring;

// build.rs says which: `start!` calls a function from what runs first on the processor.
#[cfg_attr(start = "cortex-m", path = "start/cortex_m.rs")]
#[cfg_attr(start = "aarch32", path = "start/aarch32.rs")]
#[cfg_attr(start = "aarch64", path = "start/aarch64.rs")]
#[cfg_attr(start = "riscv", path = "start/riscv.rs")]
#[cfg_attr(start = "process", path = "start/process.rs")]
#[cfg_attr(start = "linux", path = "start/linux.rs")]
#[cfg_attr(start = "host", path = "start/host.rs")]
mod start;
