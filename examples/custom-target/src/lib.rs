//! What the board measures with: doubles, because it has the hardware for them.
#![no_std]

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean square distance from the mean, which C computes.
pub fn variance_of(values: &[f64]) -> f64 {
    // SAFETY: C reads as many values as there are.
    unsafe { variance(values.as_ptr(), values.len() as u32, mean(values)) }
}

unsafe extern "C" {
    fn variance(values: *const f64, count: u32, mean: f64) -> f64;
}
