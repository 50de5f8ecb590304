//! zlib's streams with Rust's allocator behind them: C calls back into Rust for every block, and
//! zlib works even where it is built without a libc (`Z_SOLO`, as libz-sys does for bare wasm).

use std::alloc::{self, Layout};
use std::ffi::{CStr, c_int};
use std::ptr;

use libz_sys::{self as z, uInt, voidpf, z_stream};

/// Why zlib gave up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input is no zlib stream.
    #[error("the input is not compressed data")]
    Corrupt,
    /// The input ends before its stream does.
    #[error("the input ends too early")]
    Truncated,
    /// `uInt` is 32 bits wide on every target.
    #[error("the input is longer than zlib takes at once")]
    TooLong,
    /// Anything else, by zlib's own number.
    #[error("zlib says {0}")]
    Other(c_int),
}

impl Error {
    fn of(code: c_int) -> Self {
        match code {
            z::Z_DATA_ERROR => Self::Corrupt,
            z::Z_BUF_ERROR => Self::Truncated,
            code => Self::Other(code),
        }
    }
}

/// Packs `data` into a zlib stream.
pub fn compress(data: &[u8]) -> Result<Vec<u8>, Error> {
    let open = |stream: &mut z_stream| {
        // SAFETY: the stream has its allocator, and zlib checks version and size.
        unsafe { z::deflateInit_(stream, z::Z_BEST_COMPRESSION, z::zlibVersion(), SIZE) }
    };
    drive(data, open, z::deflate, z::deflateEnd)
}

/// Unpacks a zlib stream.
pub fn decompress(data: &[u8]) -> Result<Vec<u8>, Error> {
    let open = |stream: &mut z_stream| {
        // SAFETY: as in `compress`.
        unsafe { z::inflateInit_(stream, z::zlibVersion(), SIZE) }
    };
    drive(data, open, z::inflate, z::inflateEnd)
}

/// zlib's CRC-32 of `data`.
pub fn crc32(data: &[u8]) -> u32 {
    // SAFETY: pointer and length are a slice's.
    unsafe { z::crc32(0, data.as_ptr(), length(data).unwrap_or(0)) as u32 }
}

/// zlib's Adler-32 of `data`.
pub fn adler32(data: &[u8]) -> u32 {
    // SAFETY: pointer and length are a slice's.
    unsafe { z::adler32(1, data.as_ptr(), length(data).unwrap_or(0)) as u32 }
}

/// The version of the zlib that was linked, which need not be that of its header.
pub fn version() -> String {
    // SAFETY: zlib returns a constant string.
    unsafe { CStr::from_ptr(z::zlibVersion()) }.to_string_lossy().into_owned()
}

/// zlib refuses a stream of another size than its own, which a wrong layout would give.
const SIZE: c_int = size_of::<z_stream>() as c_int;

type Step = unsafe extern "C" fn(*mut z_stream, c_int) -> c_int;
type Close = unsafe extern "C" fn(*mut z_stream) -> c_int;

fn length(data: &[u8]) -> Result<uInt, Error> {
    uInt::try_from(data.len()).map_err(|_| Error::TooLong)
}

fn drive(data: &[u8], open: impl FnOnce(&mut z_stream) -> c_int, step: Step, close: Close) -> Result<Vec<u8>, Error> {
    // zlib's state points back to the stream: it must not move until it is closed.
    let mut stream = z_stream {
        next_in: data.as_ptr().cast_mut(),
        avail_in: length(data)?,
        total_in: 0,
        next_out: ptr::null_mut(),
        avail_out: 0,
        total_out: 0,
        msg: ptr::null_mut(),
        state: ptr::null_mut(),
        zalloc: allocate,
        zfree: release,
        opaque: ptr::null_mut(),
        data_type: 0,
        adler: 0,
        reserved: 0,
    };
    match open(&mut stream) {
        z::Z_OK => {}
        code => return Err(Error::of(code)),
    }
    let mut output = Vec::new();
    let mut chunk = [0; 16 * 1024];
    let result = loop {
        stream.next_out = chunk.as_mut_ptr();
        stream.avail_out = chunk.len() as uInt;
        // SAFETY: `open` succeeded, and both buffers outlive the call.
        let code = unsafe { step(&mut stream, z::Z_FINISH) };
        let filled = chunk.len() - stream.avail_out as usize;
        output.extend_from_slice(&chunk[..filled]);
        match code {
            z::Z_STREAM_END => break Ok(output),
            z::Z_OK | z::Z_BUF_ERROR if stream.avail_out == 0 => {}
            code => break Err(Error::of(code)),
        }
    };
    // SAFETY: `open` succeeded and this is the only close.
    unsafe { close(&mut stream) };
    result
}

/// Room before each block for its size, which zlib does not tell `release`; as wide as malloc aligns.
const HEADER: usize = 16;

unsafe extern "C" fn allocate(_: voidpf, items: uInt, size: uInt) -> voidpf {
    let layout = (items as usize)
        .checked_mul(size as usize)
        .and_then(|bytes| bytes.checked_add(HEADER))
        .and_then(|bytes| Layout::from_size_align(bytes, HEADER).ok());
    let Some(layout) = layout else {
        return ptr::null_mut();
    };
    // SAFETY: the layout is not empty, and the block begins with room for its size.
    unsafe {
        let block = alloc::alloc(layout);
        if block.is_null() {
            return ptr::null_mut();
        }
        block.cast::<usize>().write(layout.size());
        block.add(HEADER).cast()
    }
}

unsafe extern "C" fn release(_: voidpf, address: voidpf) {
    // SAFETY: zlib hands back what `allocate` returned, whose layout stands before it.
    unsafe {
        let block = address.cast::<u8>().sub(HEADER);
        let size = block.cast::<usize>().read();
        alloc::dealloc(block, Layout::from_size_align_unchecked(size, HEADER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allocation_can_be_released_and_is_aligned() {
        for items in [1, 3, 1000] {
            // SAFETY: a block is written within its size and released once.
            unsafe {
                let block = allocate(ptr::null_mut(), items, 7);
                assert_eq!(block as usize % HEADER, 0);
                block.cast::<u8>().write_bytes(0xff, items as usize * 7);
                release(ptr::null_mut(), block);
            }
        }
    }

    #[test]
    fn an_impossible_size_gives_null() {
        // SAFETY: nothing is allocated.
        assert!(unsafe { allocate(ptr::null_mut(), uInt::MAX, uInt::MAX) }.is_null());
    }
}
