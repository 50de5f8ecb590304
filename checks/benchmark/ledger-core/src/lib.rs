//! Entries of a ledger, their checksum, and how they are packed.

pub mod entry;
pub mod pack;

pub use entry::{Amount, Entry, Kind};

unsafe extern "C" {
    fn ledger_checksum(bytes: *const u8, length: usize) -> u32;
}

/// A sum that changes with every bit and with the order of the bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    // SAFETY: it reads `length` bytes and keeps nothing.
    unsafe { ledger_checksum(bytes.as_ptr(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// The same in Rust.
    fn expected(bytes: &[u8]) -> u32 {
        bytes.iter().fold(0x9e37_79b9, |sum: u32, byte| sum.rotate_left(5) ^ u32::from(*byte))
    }

    #[test]
    fn of_nothing_is_the_start() {
        assert_eq!(checksum(&[]), 0x9e37_79b9);
    }

    #[test]
    fn is_what_rust_makes_of_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(checksum(&bytes), expected(&bytes));
    }

    #[test]
    fn depends_on_the_order() {
        assert_ne!(checksum(b"ab"), checksum(b"ba"));
    }
}
