//! The low-pass filter in `c/filter.c`.

/// How well a signal has settled; as large as the C compiler makes an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs)]
pub enum Quality {
    Poor,
    Fair,
    Good,
}

/// A filter with its own state.
#[derive(Debug)]
pub struct LowPass {
    state: i32,
    alpha: i32,
}

impl LowPass {
    /// `alpha` is in Q15: 32768 follows the input at once.
    pub fn new(alpha: i32) -> Self {
        Self { state: 0, alpha }
    }

    /// Filters one sample.
    pub fn step(&mut self, input: i16) -> i16 {
        // SAFETY: C changes the state and nothing else.
        unsafe { filter_step(&mut self.state, input, self.alpha) }
    }
}

unsafe extern "C" {
    fn filter_step(state: *mut i32, input: i16, alpha: i32) -> i16;
    /// Sets the gain of every filter, in Q15.
    pub safe fn filter_set_gain(q15: i32);
    /// The gain of every filter, in Q15.
    pub safe fn filter_gain() -> i32;
    /// Judges the distance from the wanted value.
    pub safe fn filter_quality(error: i32) -> Quality;
    /// What C says that `Quality` is large.
    pub safe fn filter_size_of_quality() -> usize;
    /// `share` of `a`, the rest of `b`.
    pub safe fn filter_mix(a: f32, b: f32, share: f32) -> f32;
}
