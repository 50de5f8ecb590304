//! The board's tests, on the board. libtest needs an operating system, so a list of functions takes its place; a panic
//! ends the program with a code of its own and says where.
#![no_std]
#![no_main]

use core::arch::asm;

use custom_target::{mean, variance_of};
use semihosting::{print, println, process};

const TESTS: [(&str, fn()); 4] = [
    ("the_processor_is_that_of_the_specification", the_processor_is_that_of_the_specification),
    ("doubles_are_computed_in_hardware", doubles_are_computed_in_hardware),
    ("c_and_rust_pass_doubles_in_the_same_registers", c_and_rust_pass_doubles_in_the_same_registers),
    ("doubles_are_exact", doubles_are_exact),
];

#[cortex_m_rt::entry]
fn main() -> ! {
    println!("\nrunning {} tests", TESTS.len());
    for (name, test) in TESTS {
        print!("test {name} ... ");
        test();
        println!("ok");
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n", TESTS.len());
    process::exit(0)
}

// The runtime's own handler waits forever, and the test would end by its time limit.
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    println!("hard fault: {frame:?}");
    process::exit(102)
}

fn the_processor_is_that_of_the_specification() {
    // CPUID (ARMv7-M, B3.2.3): the part's number is 0xc27 for a Cortex-M7.
    // SAFETY: every Cortex-M has the register there.
    let cpuid = unsafe { (0xe000_ed00 as *const u32).read_volatile() };
    assert_eq!(cpuid >> 4 & 0xfff, 0xc27);
}

fn doubles_are_computed_in_hardware() {
    let (mut x, y) = (1.5, 2.5);
    // The assembler refuses this instruction for thumbv7em-none-eabihf, whose processors have it for floats only.
    // SAFETY: it multiplies.
    unsafe { asm!("vmul.f64 {x}, {x}, {y}", x = inout(dreg_low16) x, y = in(dreg_low16) y) };
    assert_eq!(x, 3.75);
}

fn c_and_rust_pass_doubles_in_the_same_registers() {
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    assert_eq!((mean(&values), variance_of(&values)), (5.0, 4.0));
}

fn doubles_are_exact() {
    let tenth = core::hint::black_box(0.1);
    assert_eq!(tenth + 0.2, 0.300_000_000_000_000_04);
    assert_eq!((1u64 << 53) as f64 * tenth / tenth, 9_007_199_254_740_992.0);
}
