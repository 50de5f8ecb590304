//! rustc and the C compiler must compile for one and the same platform.

use hello_zlib::platform::*;

#[test]
fn c_and_rust_compile_for_the_same_processor() {
    let [arch, _, _] = seen_by_c();
    assert_eq!(arch, std::env::consts::ARCH);
}

#[test]
#[cfg_attr(not(has_os), ignore = "bare wasm has no system to agree on")]
fn c_and_rust_compile_for_the_same_system_and_libc() {
    let [_, os, libc] = seen_by_c();
    assert_eq!(os, OS);
    if cfg!(target_os = "linux") {
        let rusts = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
        assert_eq!(libc, rusts);
    }
}

#[test]
fn pointers_are_as_wide_as_rust_and_c_say() {
    let width = if cfg!(target_pointer_width = "64") {
        8
    } else if cfg!(target_pointer_width = "32") {
        4
    } else {
        panic!("a pointer width that this test does not know")
    };
    let c = Layout::of_c();
    assert_eq!(size_of::<usize>(), width);
    assert_eq!(size_of::<&u8>(), width);
    assert_eq!(c.size_of_pointer as usize, width);
    assert_eq!(c.size_of_size_t as usize, width);
}

#[test]
fn c_and_rust_lay_out_every_type_alike() {
    assert_eq!(Layout::of_c(), Layout::of_rust());
}

#[test]
fn sixty_four_bit_integers_are_aligned_as_the_platform_documents() {
    // The System V ABI for i386 aligns them to 4 bytes; every other platform here, to 8.
    let expected = if cfg!(all(target_arch = "x86", not(windows))) { 4 } else { 8 };
    assert_eq!(Layout::of_c().align_of_int64, expected);
    assert_eq!(align_of::<i64>(), expected as usize);
}

#[test]
fn long_is_as_wide_as_the_platform_documents() {
    // LLP64: Windows keeps it at 32 bits.
    let expected = if cfg!(all(target_pointer_width = "64", not(windows))) { 8 } else { 4 };
    assert_eq!(Layout::of_c().size_of_long, expected);
}

#[test]
fn rust_reads_the_struct_that_c_wrote() {
    let mixed = filled_by_c();
    assert!(mixed.flag);
    assert_eq!(mixed.wide, -0x0123_4567_89ab_cdef);
    assert_eq!(mixed.letter as u8, b'z');
    assert_eq!(mixed.real.to_bits(), (-0.1_f64).to_bits());
    assert!(std::ptr::eq(mixed.pointer.cast(), &*mixed));
    assert_eq!(mixed.colour, Colour::Blue);
    assert_eq!(mixed.narrow, 1.5);
    assert_eq!(mixed.tail, 0xbeef);
}

#[test]
fn c_and_rust_agree_on_endianness() {
    let bytes = [1, 2, 3, 4];
    let expected = if cfg!(target_endian = "big") { 0x0102_0304 } else { 0x0403_0201 };
    assert_eq!(u32::from_ne_bytes(bytes), expected);
    assert_eq!(number_in_c(bytes), expected);
}

#[test]
fn scalars_pass_by_value() {
    assert_eq!(hello_half_float(-0.3), -0.15);
    assert_eq!(hello_half_double(0.3), 0.15);
    assert!(!hello_not(true));
    assert!(hello_not(false));
    assert_eq!(hello_next_colour(Colour::Red), Colour::Green);
    assert_eq!(hello_next_colour(Colour::Green), Colour::Blue);
    assert_eq!(hello_next_colour(Colour::Blue), Colour::Red);
}

#[test]
fn structs_pass_by_value() {
    let pair = Pair { whole: 42, part: -0.25 };
    let swapped = Pair { whole: -42, part: 0.25 };
    assert_eq!(hello_swap_sign(pair), swapped);

    let triple = Triple { first: 1 << 40, second: 0.1, third: -3 };
    let doubled = Triple { first: (1 << 41) + 7, second: 0.2, third: 5 };
    assert_eq!(hello_double_up(7, triple, 11), doubled);
}

#[test]
fn variadic_arguments_arrive() {
    // More than any processor has registers for.
    let sum = sum_in_c(&[(1, 1 << 40, 0.5), (-2, -(1 << 33), 0.25), (4, 7, -1.0), (8, 9, 2.0)]);
    let expected = 11.0 + ((1_i64 << 40) - (1 << 33) + 16) as f64 + 1.75;
    assert_eq!(sum, expected);
}

#[test]
fn c_calls_back_into_a_closure() {
    let mut seen = Vec::new();
    let sum = fold_in_c(&[3, -5, 7], 1 << 40, |sum, value| {
        seen.push(value);
        sum + i64::from(value)
    });
    assert_eq!(sum, (1 << 40) + 5);
    assert_eq!(seen, [3, -5, 7]);
}
