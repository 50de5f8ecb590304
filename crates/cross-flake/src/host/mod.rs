//! The host, the machine that builds: its capacity, its programs, and the processes that are started on it.

pub mod capacity;
pub mod child;
pub mod digest;
pub mod git;
pub mod signals;
