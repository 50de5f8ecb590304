//! The native half of the package `samplepack`: frames of samples, the same bytes on every machine.
//!
//! A frame is the number of samples (big endian, 32 bits) and the samples' differences (likewise), deflated.

use std::ffi::{CStr, c_char};

use libz_sys as z;
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

unsafe extern "C" {
    fn samplepack_delta(samples: *mut u32, count: usize);
    fn samplepack_sum(samples: *mut u32, count: usize);
    fn samplepack_machine() -> *const c_char;
}

/// Bytes of the number in front.
const HEAD: usize = 4;

/// More is no frame of ours but an attempt on the memory.
const MOST: usize = 1 << 24;

/// Packs samples into a frame.
#[pyfunction]
fn pack<'py>(py: Python<'py>, samples: Vec<i32>) -> PyResult<Bound<'py, PyBytes>> {
    if samples.len() > MOST {
        return Err(PyValueError::new_err(format!("{} samples are more than a frame takes", samples.len())));
    }
    let mut differences: Vec<u32> = samples.iter().map(|sample| sample.cast_unsigned()).collect();
    // SAFETY: the pointer and the length are those of one vector.
    unsafe { samplepack_delta(differences.as_mut_ptr(), differences.len()) };
    let plain: Vec<u8> = differences.iter().flat_map(|difference| difference.to_be_bytes()).collect();
    let mut frame = u32::try_from(samples.len()).expect("MOST fits").to_be_bytes().to_vec();
    frame.extend(deflate(&plain)?);
    Ok(PyBytes::new(py, &frame))
}

/// Takes the samples out of a frame.
#[pyfunction]
fn unpack(frame: &[u8]) -> PyResult<Vec<i32>> {
    let (head, deflated) = frame.split_first_chunk::<HEAD>().ok_or_else(|| PyValueError::new_err("no frame"))?;
    let count = u32::from_be_bytes(*head) as usize;
    if count > MOST {
        return Err(PyValueError::new_err(format!("{count} samples are more than a frame takes")));
    }
    let plain = inflate(deflated, count * size_of::<u32>())?;
    let (words, _) = plain.as_chunks();
    let mut samples: Vec<u32> = words.iter().map(|word| u32::from_be_bytes(*word)).collect();
    // SAFETY: the pointer and the length are those of one vector.
    unsafe { samplepack_sum(samples.as_mut_ptr(), samples.len()) };
    Ok(samples.into_iter().map(u32::cast_signed).collect())
}

/// What this extension was compiled for: the processor by C's word, the bits of a pointer and the order of bytes by Rust's.
#[pyfunction]
fn built_for() -> (String, u32, &'static str) {
    // SAFETY: C gives a constant string.
    let machine = unsafe { CStr::from_ptr(samplepack_machine()) };
    let order = if cfg!(target_endian = "big") { "big" } else { "little" };
    (machine.to_string_lossy().into_owned(), usize::BITS, order)
}

/// The version of zlib that is inside.
#[pyfunction]
fn zlib_version() -> String {
    // SAFETY: zlib gives a constant string.
    unsafe { CStr::from_ptr(z::zlibVersion()) }.to_string_lossy().into_owned()
}

fn deflate(plain: &[u8]) -> PyResult<Vec<u8>> {
    let too_long = |_| PyMemoryError::new_err("too many samples");
    let length = z::uLong::try_from(plain.len()).map_err(too_long)?;
    // SAFETY: a function of its argument only.
    let mut room = unsafe { z::compressBound(length) };
    let mut out = vec![0; room as usize];
    // SAFETY: `room` says how long `out` is, and `length` how long `plain`.
    match unsafe { z::compress(out.as_mut_ptr(), &mut room, plain.as_ptr(), length) } {
        z::Z_OK => {
            out.truncate(room as usize);
            Ok(out)
        }
        code => Err(PyMemoryError::new_err(format!("zlib cannot deflate: {code}"))),
    }
}

fn inflate(deflated: &[u8], expected: usize) -> PyResult<Vec<u8>> {
    let broken = || PyValueError::new_err("a broken frame");
    // A byte more than is expected, so that a frame with more samples than it says does not pass.
    let mut out = vec![0; expected + 1];
    let mut room = z::uLong::try_from(out.len()).map_err(|_| broken())?;
    let length = z::uLong::try_from(deflated.len()).map_err(|_| broken())?;
    // SAFETY: `room` says how long `out` is, and `length` how long `deflated`.
    let code = unsafe { z::uncompress(out.as_mut_ptr(), &mut room, deflated.as_ptr(), length) };
    out.truncate(room as usize);
    if code == z::Z_OK && out.len() == expected { Ok(out) } else { Err(broken()) }
}

/// The module `samplepack._native`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{built_for, pack, unpack, zlib_version};
}
