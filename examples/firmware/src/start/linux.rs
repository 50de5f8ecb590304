//! A process of Linux that asks the kernel itself, where there is no semihosting.

use core::arch::asm;
use core::fmt::{self, Write};

#[doc(hidden)]
#[macro_export]
macro_rules! start {
    ($run:path) => {
        // Not at once `main`: on x86-64 a function wants the stack 8 bytes off a multiple of 16, where a process has it on one.
        #[cfg(target_arch = "x86_64")]
        ::core::arch::global_asm!(".globl _start", "_start:", "call {}", sym main);
        #[cfg_attr(not(target_arch = "x86_64"), unsafe(export_name = "_start"))]
        extern "C" fn main() -> ! {
            $crate::board::exit($run())
        }
    };
}

/// Linux's numbers of its calls `write` and `exit_group`.
#[cfg(target_arch = "x86_64")]
const WRITE_AND_EXIT: (usize, usize) = (1, 231);
#[cfg(target_arch = "s390x")]
const WRITE_AND_EXIT: (usize, usize) = (4, 248);
#[cfg(target_arch = "loongarch64")]
const WRITE_AND_EXIT: (usize, usize) = (64, 94);

/// Makes a call with three arguments.
///
/// # Safety
/// That of the call.
unsafe fn call(number: usize, one: usize, two: usize, three: usize) -> isize {
    let result;
    // SAFETY: syscall(2) says which registers; the kernel changes no other than the result's and those that are named.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("syscall", inlateout("rax") number => result, in("rdi") one, in("rsi") two, in("rdx") three,
            out("rcx") _, out("r11") _, options(nostack));
        #[cfg(target_arch = "s390x")]
        asm!("svc 0", in("r1") number, inlateout("r2") one => result, in("r3") two, in("r4") three, options(nostack));
        #[cfg(target_arch = "loongarch64")]
        asm!("syscall 0", in("$a7") number, inlateout("$a0") one => result, in("$a1") two, in("$a2") three,
            out("$t0") _, out("$t1") _, out("$t2") _, out("$t3") _, out("$t4") _, out("$t5") _, out("$t6") _,
            out("$t7") _, out("$t8") _, options(nostack));
    }
    result
}

struct Stdout;

impl Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // SAFETY: the kernel reads what is in the slice.
            let written = unsafe { call(WRITE_AND_EXIT.0, 1, rest.as_ptr().addr(), rest.len()) };
            rest = usize::try_from(written).ok().and_then(|written| rest.get(written..)).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}

/// Writes to stdout, for the macros.
pub fn write(text: fmt::Arguments<'_>) {
    if Stdout.write_fmt(text).is_err() {
        exit(103);
    }
}

/// Ends the program.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: nothing of the program is used afterwards.
        unsafe { call(WRITE_AND_EXIT.1, code as usize, 0, 0) };
    }
}

#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::board::write(format_args!($($text)*)) };
}
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => { $crate::board::write(format_args!("{}\n", format_args!($($text)*))) };
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(101)
}
