//! What JavaScript calls. Numbers pass as they are; bytes are written into the module's memory, and their address passes.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// The time in milliseconds: bare wasm has no clock, so JavaScript hands its own in.
    safe fn now() -> f64;
}

/// Memory for `length` bytes from JavaScript. It may grow the module's memory, and then JavaScript's views of it are void.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    let layout = layout(length);
    // SAFETY: the layout has a size.
    let start = unsafe { alloc(layout) };
    if start.is_null() { handle_alloc_error(layout) } else { start }
}

/// Gives memory back that came from [`allocate`] or with a result.
///
/// # Safety
/// The address and the length must be those that were given out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn release(start: *mut u8, length: usize) {
    // SAFETY: as this function's.
    unsafe { dealloc(start, layout(length)) }
}

/// The slug of a title in UTF-8: its address in the low half of the result and its length in the high half, to be
/// released; 0 if the title is not UTF-8.
///
/// # Safety
/// The bytes must be there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slug_of(start: *const u8, length: usize) -> u64 {
    // SAFETY: as this function's.
    let title = unsafe { std::slice::from_raw_parts(start, length) };
    let Ok(title) = str::from_utf8(title) else { return 0 };
    let slug = crate::slug(title, "-");
    let result = allocate(slug.len());
    // SAFETY: it is new and long enough.
    unsafe { result.copy_from_nonoverlapping(slug.as_ptr(), slug.len()) };
    (slug.len() as u64) << 32 | result as u64
}

/// Hours since `then`, which is in milliseconds as JavaScript counts them.
#[unsafe(no_mangle)]
pub extern "C" fn hours_since(then: f64) -> f64 {
    (now() - then) / 3_600_000.0
}

/// Panics, as a bug would.
#[unsafe(no_mangle)]
pub extern "C" fn panics(index: usize) -> u8 {
    [1, 2, 3][index]
}

fn layout(length: usize) -> Layout {
    // No allocation is empty: an address of its own for each.
    Layout::from_size_align(length.max(1), 1).expect("longer than the memory can be")
}
