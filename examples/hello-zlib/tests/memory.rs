//! Large, aligned and growing blocks of memory.

use std::alloc::{Layout, alloc_zeroed, dealloc};

#[test]
fn a_large_block_is_zero_and_writable_throughout() {
    let megabytes = if cfg!(target_pointer_width = "64") { 256 } else { 64 };
    // calloc: untouched pages cost nothing, so that many tests may do this at once.
    let mut block = vec![0_u8; megabytes << 20];
    for part in block.chunks_mut(1 << 20) {
        assert_eq!(part[4095], 0);
        part[4095] = 1;
    }
    let written: usize = block.chunks(1 << 20).map(|part| part[4095] as usize).sum();
    assert_eq!(written, megabytes);
}

#[test]
fn blocks_are_aligned_as_asked() {
    for shift in 0..=16 {
        let layout = Layout::from_size_align(100, 1 << shift).unwrap();
        // SAFETY: the layout is not empty and the block is released once.
        unsafe {
            let block = alloc_zeroed(layout);
            assert!(!block.is_null());
            assert_eq!(block as usize % layout.align(), 0);
            assert_eq!(*block.add(99), 0);
            dealloc(block, layout);
        }
    }
}

#[test]
fn growing_keeps_what_was_written() {
    let mut numbers = Vec::new();
    for i in 0..500_000_u32 {
        numbers.push(i);
    }
    assert!(numbers.iter().enumerate().all(|(i, &n)| i as u32 == n));
}

#[test]
fn more_memory_than_exists_is_an_error_and_not_a_crash() {
    // One of this size fits into the four gigabytes of wasm, and of some 32-bit systems.
    let mut blocks = [Vec::<u8>::new(), Vec::new()];
    let results = blocks.each_mut().map(|block| block.try_reserve_exact(isize::MAX as usize));
    assert!(results.iter().any(Result::is_err));
}
