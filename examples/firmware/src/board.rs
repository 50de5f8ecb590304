//! The little that differs between a board and the build machine: printing, and ending with a code.

#[cfg(target_os = "none")]
pub use semihosting::{print, println, process::exit};
#[cfg(not(target_os = "none"))]
pub use std::{print, println, process::exit};

/// Ends a program that has come to an exception: the runtimes' own handlers wait forever, and the test would end by its time limit.
#[cfg(target_os = "none")]
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
