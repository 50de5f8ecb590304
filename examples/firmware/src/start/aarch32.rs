//! Arm without M: aarch32-rt.

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        #[::aarch32_rt::entry]
        fn main() -> ! {
            $crate::board::exit($run())
        }

        #[unsafe(export_name = "_undefined_handler")]
        extern "C" fn undefined_instruction(address: usize) -> ! {
            $crate::board::fault(("undefined instruction", address))
        }
        #[unsafe(export_name = "_prefetch_abort_handler")]
        extern "C" fn prefetch_abort(address: usize) -> ! {
            $crate::board::fault(("prefetch abort", address))
        }
        #[unsafe(export_name = "_data_abort_handler")]
        extern "C" fn data_abort(address: usize) -> ! {
            $crate::board::fault(("data abort", address))
        }
    };
}
