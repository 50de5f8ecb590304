//! The little that differs between a board and the build machine: printing, and ending with a code.

#[cfg(start = "linux")]
pub use crate::{
    print, println,
    start::{exit, write},
};
#[cfg(not(any(start = "linux", start = "host")))]
pub use semihosting::{print, println, process::exit};
#[cfg(start = "host")]
pub use std::{print, println, process::exit};

/// Ends a program that has come to an exception: the runtimes' own handlers wait forever, and the test would end by its time limit.
#[cfg(not(start = "host"))]
pub fn fault(what: impl core::fmt::Debug) -> ! {
    println!("exception: {what:?}");
    exit(102)
}

/// Makes a `fn() -> i32` the program's entry; what it returns is the exit code.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        $crate::start!($run);
    };
}
