//! Cortex-M: cortex-m-rt.

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        #[::cortex_m_rt::entry]
        fn main() -> ! {
            $crate::board::exit($run())
        }

        #[::cortex_m_rt::exception]
        unsafe fn HardFault(frame: &::cortex_m_rt::ExceptionFrame) -> ! {
            $crate::board::fault(frame)
        }
    };
}
