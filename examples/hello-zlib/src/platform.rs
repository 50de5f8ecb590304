//! The boundary to `c/platform.c`: the same types on both sides, and each side's opinion of them.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::mem::offset_of;

/// The system that Rust compiles for.
pub const OS: &str = env!("HELLO_ZLIB_OS");

/// An enumeration with a negative and a large value, so that no compiler makes it a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs)]
pub enum Colour {
    Red = -1,
    Green = 5,
    Blue = 70000,
}

/// A member of every kind, with padding between them.
#[derive(Debug)]
#[repr(C)]
#[expect(missing_docs)]
pub struct Mixed {
    pub flag: bool,
    pub wide: i64,
    pub letter: c_char,
    pub real: f64,
    pub pointer: *mut c_void,
    pub colour: Colour,
    pub narrow: f32,
    pub tail: u16,
}

/// Small enough for registers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[expect(missing_docs)]
pub struct Pair {
    pub whole: i32,
    pub part: f32,
}

/// Too large for registers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[expect(missing_docs)]
pub struct Triple {
    pub first: i64,
    pub second: f64,
    pub third: i8,
}

/// Sizes, alignments and offsets; the same struct is in `c/platform.c`.
#[derive(Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs)]
pub struct Layout {
    pub char_is_signed: u32,
    pub size_of_int: u32,
    pub size_of_long: u32,
    pub size_of_size_t: u32,
    pub size_of_pointer: u32,
    pub size_of_bool: u32,
    pub size_of_enum: u32,
    pub size_of_int128: u32,
    pub align_of_int128: u32,
    pub align_of_int64: u32,
    pub align_of_double: u32,
    pub size_of_mixed: u32,
    pub align_of_mixed: u32,
    pub flag: u32,
    pub wide: u32,
    pub letter: u32,
    pub real: u32,
    pub pointer: u32,
    pub colour: u32,
    pub narrow: u32,
    pub tail: u32,
    pub size_of_pair: u32,
    pub size_of_triple: u32,
}

impl Layout {
    /// What rustc believes.
    pub fn of_rust() -> Self {
        // C compilers have a 128-bit integer on 64-bit processors only, and clang on wasm.
        let int128 = cfg!(any(target_pointer_width = "64", target_family = "wasm"));
        Self {
            char_is_signed: u32::from(c_char::MIN != 0),
            size_of_int: size_of::<c_int>() as u32,
            size_of_long: size_of::<c_long>() as u32,
            size_of_size_t: size_of::<usize>() as u32,
            size_of_pointer: size_of::<*mut c_void>() as u32,
            size_of_bool: size_of::<bool>() as u32,
            size_of_enum: size_of::<Colour>() as u32,
            size_of_int128: if int128 { size_of::<i128>() as u32 } else { 0 },
            align_of_int128: if int128 { align_of::<i128>() as u32 } else { 0 },
            align_of_int64: align_of::<i64>() as u32,
            align_of_double: align_of::<f64>() as u32,
            size_of_mixed: size_of::<Mixed>() as u32,
            align_of_mixed: align_of::<Mixed>() as u32,
            flag: offset_of!(Mixed, flag) as u32,
            wide: offset_of!(Mixed, wide) as u32,
            letter: offset_of!(Mixed, letter) as u32,
            real: offset_of!(Mixed, real) as u32,
            pointer: offset_of!(Mixed, pointer) as u32,
            colour: offset_of!(Mixed, colour) as u32,
            narrow: offset_of!(Mixed, narrow) as u32,
            tail: offset_of!(Mixed, tail) as u32,
            size_of_pair: size_of::<Pair>() as u32,
            size_of_triple: size_of::<Triple>() as u32,
        }
    }

    /// What the target's C compiler believes.
    pub fn of_c() -> Self {
        let mut layout = Self::default();
        // SAFETY: C writes one struct of the same plain integers.
        unsafe { hello_layout(&mut layout) };
        layout
    }
}

/// A `Mixed` that C has filled.
pub fn filled_by_c() -> Box<Mixed> {
    let mut mixed = Box::<Mixed>::new_uninit();
    // SAFETY: C writes every member.
    unsafe {
        hello_fill_mixed(mixed.as_mut_ptr());
        mixed.assume_init()
    }
}

/// Processor, system and libc that the C compiler compiles for, in Rust's words.
pub fn seen_by_c() -> [&'static str; 3] {
    // SAFETY: each returns a constant string.
    unsafe { [hello_arch(), hello_os(), hello_libc()].map(|text| CStr::from_ptr(text)) }
        .map(|text| text.to_str().expect("C returns ASCII"))
}

/// How C reads four bytes as one number.
pub fn number_in_c(bytes: [u8; 4]) -> u32 {
    // SAFETY: C reads four bytes.
    unsafe { hello_first_four_bytes_as_number(bytes.as_ptr()) }
}

/// Folds in C, with a step in Rust.
pub fn fold_in_c<F: FnMut(i64, i32) -> i64>(values: &[i32], start: i64, mut step: F) -> i64 {
    unsafe extern "C" fn call<F: FnMut(i64, i32) -> i64>(context: *mut c_void, sum: i64, value: i32) -> i64 {
        // SAFETY: `context` is the closure that `fold_in_c` borrows for the whole call.
        unsafe { (*context.cast::<F>())(sum, value) }
    }
    // SAFETY: pointer and length are a slice's, and `call` is made for this closure's type.
    unsafe { hello_fold(values.as_ptr(), values.len(), start, call::<F>, (&raw mut step).cast()) }
}

/// Adds up in C what travels there as variadic arguments.
pub fn sum_in_c(v: &[(c_int, i64, f64); 4]) -> f64 {
    // SAFETY: the count is that of the groups that follow.
    unsafe {
        hello_sum(4, v[0].0, v[0].1, v[0].2, v[1].0, v[1].1, v[1].2, v[2].0, v[2].1, v[2].2, v[3].0, v[3].1, v[3].2)
    }
}

unsafe extern "C" {
    fn hello_layout(out: *mut Layout);
    fn hello_fill_mixed(out: *mut Mixed);
    fn hello_arch() -> *const c_char;
    fn hello_os() -> *const c_char;
    fn hello_libc() -> *const c_char;
    fn hello_first_four_bytes_as_number(bytes: *const u8) -> u32;
    fn hello_fold(
        values: *const i32,
        count: usize,
        start: i64,
        step: unsafe extern "C" fn(*mut c_void, i64, i32) -> i64,
        context: *mut c_void,
    ) -> i64;
    /// Half of a float, by value.
    pub safe fn hello_half_float(value: f32) -> f32;
    /// Half of a double, by value.
    pub safe fn hello_half_double(value: f64) -> f64;
    /// The other boolean.
    pub safe fn hello_not(value: bool) -> bool;
    /// The colour after this one.
    pub safe fn hello_next_colour(colour: Colour) -> Colour;
    /// A small struct by value, both ways.
    pub safe fn hello_swap_sign(pair: Pair) -> Pair;
    /// A large struct by value, both ways, between two integers.
    pub safe fn hello_double_up(before: i32, triple: Triple, after: i32) -> Triple;
    fn hello_sum(count: c_int, ...) -> f64;
}
