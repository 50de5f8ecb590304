//! The exports as they are seen from Rust; `web.test.mjs` calls them from JavaScript.
#![cfg(target_os = "unknown")]

use slug::web::{allocate, release, slug_of};

fn call(title: &[u8]) -> Option<String> {
    // SAFETY: the bytes are there, and the result is released as it came.
    unsafe {
        let result = slug_of(title.as_ptr(), title.len());
        if result == 0 {
            return None;
        }
        let (start, length) = (result as u32 as *mut u8, (result >> 32) as usize);
        let slug = String::from_utf8(std::slice::from_raw_parts(start, length).to_vec());
        release(start, length);
        slug.ok()
    }
}

#[test]
fn a_string_goes_in_and_another_comes_out() {
    assert_eq!(call("Größer → 大きい!".as_bytes()).as_deref(), Some("größer-大きい"));
    assert_eq!(call(b"").as_deref(), Some(""));
}

#[test]
fn bytes_that_are_no_string_are_refused() {
    assert_eq!(call(b"\xff\xfe"), None);
}

#[test]
fn memory_grows_when_it_has_to() {
    let before = core::arch::wasm32::memory_size::<0>();
    let length = (before + 1) * 65536;
    let start = allocate(length);
    assert!(core::arch::wasm32::memory_size::<0>() > before);
    // SAFETY: it was given out above.
    unsafe {
        start.add(length - 1).write(1);
        release(start, length);
    }
}
