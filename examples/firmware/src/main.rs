//! Filters a step, and prints what a logger would send.
#![cfg_attr(not(start = "host"), no_std, no_main)]

use firmware::board::println;
use firmware::crc::crc32;
use firmware::filter::{LowPass, filter_quality};
use firmware::ring::Ring;

firmware::entry!(run);

fn run() -> i32 {
    let mut filter = LowPass::new(1 << 13);
    let mut last = Ring::<i16, 4>::new();
    for _ in 0..24 {
        last.push(filter.step(1000));
    }
    let mut sum = 0;
    while let Some(value) = last.pop() {
        println!("{value}");
        sum ^= crc32(&value.to_le_bytes());
    }
    println!("checksum {sum:08x}, {:?}", filter_quality(1000 - i32::from(filter.step(1000))));
    0
}
