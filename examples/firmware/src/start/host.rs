//! The build machine.

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        fn main() -> ! {
            $crate::board::exit($run())
        }
    };
}
