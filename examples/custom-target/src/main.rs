//! Prints what it measures.
#![no_std]
#![no_main]

use custom_target::{mean, variance_of};
use semihosting::{println, process};

#[cortex_m_rt::entry]
fn main() -> ! {
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    println!("mean {}, variance {}", mean(&values), variance_of(&values));
    process::exit(0)
}
