//! A process of Linux, which has memory and a stack before it starts.

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $crate::board::exit($run())
        }
    };
}
