//! Packing by zlib.

use std::ffi::CStr;

/// The version of the zlib that is linked.
pub fn zlib_version() -> String {
    // SAFETY: zlib gives a static string.
    unsafe { CStr::from_ptr(libz_sys::zlibVersion()) }.to_string_lossy().into_owned()
}

/// Packs bytes; none if zlib refuses.
pub fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = libz_sys::uLong::try_from(bytes.len()).ok()?;
    // SAFETY: the buffer is as long as zlib says is enough, and `packed` is the length that it gets.
    unsafe {
        let mut packed = libz_sys::compressBound(length);
        let mut buffer = vec![0; usize::try_from(packed).ok()?];
        let code = libz_sys::compress(buffer.as_mut_ptr(), &mut packed, bytes.as_ptr(), length);
        buffer.truncate(usize::try_from(packed).ok()?);
        (code == libz_sys::Z_OK).then_some(buffer)
    }
}

/// Unpacks at most `limit` bytes; none if they are damaged or more.
pub fn unpack(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; limit];
    let mut length = libz_sys::uLong::try_from(limit).ok()?;
    let packed = libz_sys::uLong::try_from(bytes.len()).ok()?;
    // SAFETY: both lengths are those of the buffers.
    let code = unsafe { libz_sys::uncompress(buffer.as_mut_ptr(), &mut length, bytes.as_ptr(), packed) };
    buffer.truncate(usize::try_from(length).ok()?);
    (code == libz_sys::Z_OK).then_some(buffer)
}
