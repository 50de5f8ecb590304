//! What a small device computes, and the board under it. The same code runs on the build machine.
#![cfg_attr(target_os = "none", no_std)]

pub mod board;
pub mod crc;
pub mod filter;
pub mod ring;
