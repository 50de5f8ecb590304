//! Hashes for names on disk. Those of std's `DefaultHasher` differ between releases of Rust.

use std::hash::Hasher;

use ring::digest::{Context, SHA256};

/// The start of a SHA-256, as a hasher of std's.
pub struct StableHasher(Context);

impl Default for StableHasher {
    fn default() -> Self {
        StableHasher(Context::new(&SHA256))
    }
}

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finish();
        u64::from_be_bytes(std::array::from_fn(|at| digest.as_ref()[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_with_every_compiler() {
        let mut hasher = StableHasher::default();
        hasher.write(b"abc");
        // The first of FIPS 180's examples.
        assert_eq!(format!("{:016x}", hasher.finish()), "ba7816bf8f01cfea");
    }
}
