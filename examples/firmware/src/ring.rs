//! A queue of fixed size.

/// Keeps the last values, and drops the oldest when it is full.
#[derive(Debug)]
pub struct Ring<T, const N: usize> {
    values: [T; N],
    start: usize,
    length: usize,
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// An empty ring.
    pub fn new() -> Self {
        Self { values: [T::default(); N], start: 0, length: 0 }
    }

    /// Adds a value, and returns the one that had to go.
    pub fn push(&mut self, value: T) -> Option<T> {
        let dropped = if self.length == N { self.pop() } else { None };
        self.values[(self.start + self.length) % N] = value;
        self.length += 1;
        dropped
    }

    /// Takes the oldest value.
    pub fn pop(&mut self) -> Option<T> {
        if self.length == 0 {
            return None;
        }
        let value = self.values[self.start];
        self.start = (self.start + 1) % N;
        self.length -= 1;
        Some(value)
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<T: Copy + Default, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self::new()
    }
}
