//! RISC-V: riscv-rt.

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        #[::riscv_rt::entry]
        fn main() -> ! {
            $crate::board::exit($run())
        }

        #[unsafe(export_name = "ExceptionHandler")]
        extern "C" fn fault(frame: &::riscv_rt::TrapFrame) -> ! {
            $crate::board::fault(frame)
        }
    };
}
