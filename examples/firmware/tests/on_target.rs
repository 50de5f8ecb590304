//! The device's tests, on the device: libtest needs an operating system, so these bring a harness
//! of their own, which prints as libtest does.
#![cfg_attr(not(start = "host"), no_std, no_main)]

use firmware::board::{print, println};
use firmware::crc::crc32;
use firmware::filter::*;
use firmware::ring::Ring;

/// Fails with what was expected and where. Nothing can catch a panic here, and the tests after a
/// failed one should run as well; a panic ends the program with a code of its own.
type Outcome = Result<(), (&'static str, u32)>;

macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err((stringify!($condition), line!()));
        }
    };
}

macro_rules! tests {
    ($($name:ident $body:block)*) => {
        $(fn $name() -> Outcome { $body; Ok(()) })*
        const TESTS: &[(&str, fn() -> Outcome)] = &[$((stringify!($name), $name)),*];
    };
}

firmware::entry!(run);

fn run() -> i32 {
    println!("\nrunning {} tests", TESTS.len());
    let mut failed = 0;
    for (name, test) in TESTS {
        print!("test {name} ... ");
        match test() {
            Ok(()) => println!("ok"),
            Err((condition, line)) => {
                failed += 1;
                println!("FAILED\n{}:{line}: {condition}", file!());
            }
        }
    }
    println!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out\n",
        if failed == 0 { "ok" } else { "FAILED" },
        TESTS.len() - failed,
    );
    i32::from(failed > 0)
}

// No atomics: the small ones among the processors have none.
static mut INITIALISED: u32 = 0xfeed_beef;
static mut ZEROED: [u32; 64] = [0; 64];

tests! {
    the_startup_code_filled_the_memory {
        let (initialised, zeroed) = (&raw mut INITIALISED, (&raw const ZEROED).cast::<u32>());
        // SAFETY: nobody else uses them. Volatile, for else the compiler knows what is in them.
        unsafe {
            check!(initialised.read_volatile() == 0xfeed_beef);
            initialised.write_volatile(1);
            check!(initialised.read_volatile() == 1);
            check!((0..64).all(|i| zeroed.add(i).read_volatile() == 0));
        }
        check!(filter_gain() == 1 << 15);
    }

    the_ring_keeps_the_last_values_in_order {
        let mut ring = Ring::<u8, 3>::new();
        check!(ring.is_empty() && ring.pop().is_none());
        check!(ring.push(1).is_none() && ring.push(2).is_none() && ring.push(3).is_none());
        check!(ring.push(4) == Some(1));
        check!(ring.len() == 3);
        check!([ring.pop(), ring.pop(), ring.pop(), ring.pop()] == [Some(2), Some(3), Some(4), None]);
    }

    the_checksum_has_its_published_value {
        check!(crc32(b"123456789") == 0xcbf4_3926);
        check!(crc32(b"") == 0);
    }

    the_filter_in_c_settles_and_saturates {
        let mut filter = LowPass::new(1 << 13);
        check!(filter.step(1000) == 250);
        let mut last = 0;
        for _ in 0..64 {
            let next = filter.step(1000);
            check!(next >= last);
            last = next;
        }
        check!((999..=1000).contains(&last));
        filter_set_gain(100 << 15);
        check!(filter.step(1000) == i16::MAX);
        filter_set_gain(1 << 15);
        check!((998..=1000).contains(&filter.step(1000)));
    }

    c_and_rust_agree_on_the_size_of_an_enum {
        check!(filter_size_of_quality() == size_of::<Quality>());
        check!(filter_quality(5) == Quality::Good);
        check!(filter_quality(50) == Quality::Fair);
        check!(filter_quality(500) == Quality::Poor);
    }

    floats_pass_between_c_and_rust {
        check!(filter_mix(8.0, 4.0, 0.25) == 5.0);
        check!(filter_mix(-1.5, 0.0, 1.0) == -1.5);
    }

    wide_arithmetic_works_without_an_operating_system {
        let large = core::hint::black_box(0xfedc_ba98_7654_3210_u64);
        check!(large / 1_000_000_007 == 18_364_758_415);
        check!(core::hint::black_box(2.0_f64) * 0.5 + 0.1 == 1.1);
        check!(u128::from(large) * u128::from(large) % 1_000_003 == 325_918);
    }
}
