//! Arithmetic that goes through a runtime library on some processor, or through its own flags.

use std::hint::black_box;

#[test]
fn integers_of_128_bits_multiply_divide_and_print() {
    let large = black_box(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128);
    let small = black_box(0xffff_ffff_ffff_u128);
    let (quotient, rest) = (large / small, large % small);
    assert_eq!(quotient * small + rest, large);
    assert!(rest < small);
    assert_eq!(u128::MAX.to_string(), "340282366920938463463374607431768211455");
    assert_eq!(black_box(i128::MIN) / 10, -17_014_118_346_046_923_173_168_730_371_588_410_572);
    assert_eq!(black_box(1_u128 << 100) as f64, 1_267_650_600_228_229_401_496_703_205_376.0);
    assert_eq!(black_box(1e30_f64) as u128 % 1_000, 656);
    assert_eq!(large.rotate_left(64).to_be(), large.to_be().rotate_left(64));
}

#[test]
fn integers_of_64_bits_divide_and_shift() {
    let value = black_box(0xfedc_ba98_7654_3210_u64);
    assert_eq!(value / black_box(1_000_000_007), 18_364_758_415);
    assert_eq!(value % black_box(1_000_000_007), 939_755_815);
    assert_eq!(value >> black_box(33), 0x7f6e_5d4c);
    assert_eq!((value as i64) / black_box(-3), 27_328_509_738_828_965);
}

#[test]
fn doubles_have_no_hidden_precision() {
    // x87 registers would give 0.3 exactly.
    let sum = black_box(0.1_f64) + black_box(0.2);
    assert_eq!(sum.to_bits(), 0x3fd3_3333_3333_3334);
    let product = black_box(1e308_f64) * black_box(10.0) / black_box(10.0);
    assert_eq!(product, f64::INFINITY);
}

#[test]
fn floats_round_to_even_and_keep_subnormals() {
    assert_eq!(black_box(16_777_217_i32) as f32, 16_777_216.0);
    assert_eq!(black_box(9_007_199_254_740_993_i64) as f64, 9_007_199_254_740_992.0);
    // Flushing to zero is a habit of some ARM and SIMD units.
    assert_eq!((black_box(f32::MIN_POSITIVE) / 2.0).to_bits(), 0x0040_0000);
    assert_eq!((black_box(f64::MIN_POSITIVE) / 2.0).to_bits(), 1 << 51);
    assert_eq!(black_box(-1.5_f32) as u8, 0);
    assert_eq!(black_box(f32::NAN) as i32, 0);
    assert_eq!(black_box(1e20_f64) as i64, i64::MAX);
}

#[test]
fn mathematics_comes_from_a_working_library() {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-15 * b.abs().max(1.0);
    assert!(near(black_box(2.0_f64).sqrt(), std::f64::consts::SQRT_2));
    assert!(near(black_box(1.0_f64).exp(), std::f64::consts::E));
    assert!(near(black_box(1.0_f64).atan2(1.0), std::f64::consts::FRAC_PI_4));
    assert!(near(black_box(std::f64::consts::FRAC_PI_6).sin(), 0.5));
    assert!(near(black_box(10.0_f64).ln(), std::f64::consts::LN_10));
    assert!(near(black_box(2.0_f64).powf(0.5), std::f64::consts::SQRT_2));
    assert!((black_box(0.5_f32).cos() - 0.877_582_6).abs() < 1e-6);
    assert_eq!(black_box(-7.0_f64) % 3.0, -1.0);
    // Without SSE2 an f64 is computed in 80 bits by x87, and Rust's own function, which is taken where the C library has none, rounds by
    // what 64 lose: its fault, which is expected here so that we hear of its end.
    let is_well = cfg!(any(has_plain_floats, target_env = "gnu"));
    assert_eq!(black_box(2.5_f64).round_ties_even(), if is_well { 2.0 } else { 2.5 });
    // One rounding instead of two: 2^-54 survives.
    let tiny = f64::EPSILON / 4.0;
    let a = 1.0 + f64::EPSILON;
    assert_eq!(black_box(a).mul_add(a, -(a * a)), f64::EPSILON * f64::EPSILON);
    assert_eq!(black_box(1.0_f64).mul_add(1.0, tiny), 1.0);
}

#[test]
fn numbers_survive_text() {
    for value in [0.1, 1.0 / 3.0, 5e-324, f64::MAX, -2.5e-8] {
        assert_eq!(value.to_string().parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
    assert_eq!("3.4028235e38".parse::<f32>().unwrap(), f32::MAX);
}
