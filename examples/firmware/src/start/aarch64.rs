//! 64-bit Arm: aarch64-rt, without its page table.

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        // With the size of the stack, 160 KB in pages: without it the macro does not find itself from here.
        ::aarch64_rt::entry!(main, 40);
        fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
            $crate::board::exit($run())
        }

        struct Handlers;
        impl ::aarch64_rt::ExceptionHandlers for Handlers {
            extern "C" fn sync_current(state: ::aarch64_rt::RegisterStateRef) {
                $crate::board::fault(state)
            }
        }
        ::aarch64_rt::exception_handlers!(Handlers);
    };
}
