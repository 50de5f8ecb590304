//! The little that differs between a board and the build machine: printing, and ending with a code.

#[cfg(target_os = "none")]
pub use semihosting::{print, println, process::exit};
#[cfg(not(target_os = "none"))]
pub use std::{print, println, process::exit};

/// Makes a `fn() -> i32` the program's entry; what it returns is the exit code.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        #[cfg_attr(all(target_os = "none", target_arch = "arm"), ::cortex_m_rt::entry)]
        #[cfg_attr(all(target_os = "none", target_arch = "riscv32"), ::riscv_rt::entry)]
        fn main() -> ! {
            $crate::board::exit($run())
        }

        // The runtimes' own handlers wait forever, and the test would end by its time limit.
        #[cfg(all(target_os = "none", target_arch = "arm"))]
        #[::cortex_m_rt::exception]
        unsafe fn HardFault(frame: &::cortex_m_rt::ExceptionFrame) -> ! {
            $crate::board::println!("hard fault: {frame:?}");
            $crate::board::exit(102)
        }
        #[cfg(all(target_os = "none", target_arch = "riscv32"))]
        #[unsafe(export_name = "ExceptionHandler")]
        extern "C" fn fault(frame: &::riscv_rt::TrapFrame) -> ! {
            $crate::board::println!("exception: {frame:?}");
            $crate::board::exit(102)
        }
    };
}
