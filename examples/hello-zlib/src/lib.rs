//! A small program with everything in it that makes cross-building hard: a C library, assembly, C of
//! its own, a proc-macro and a build script. Its tests check what a wrong cross-build gets wrong.
//!
//! ```
//! let text = "hello, ".repeat(100);
//! let packed = hello_zlib::compress(text.as_bytes())?;
//! assert!(packed.len() < 30);
//! assert_eq!(hello_zlib::decompress(&packed)?, text.as_bytes());
//! # Ok::<(), hello_zlib::Error>(())
//! ```

pub mod platform;
mod zlib;

pub use zlib::{Error, adler32, compress, crc32, decompress, version};

/// The blake3 hash in hexadecimal digits: C or assembly on most processors.
pub fn digest(data: &[u8]) -> String {
    blake3::hash(data).to_hex().to_string()
}

/// One line about the target, the same wherever the program runs.
pub fn greeting() -> String {
    format!(
        "hello from {}-{}: {} bits, {} endian, zlib {}",
        std::env::consts::ARCH,
        platform::OS,
        usize::BITS,
        if cfg!(target_endian = "big") { "big" } else { "little" },
        version(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// blake3's own test vectors are made of this pattern.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn blake3_gives_its_published_values() {
        assert_eq!(digest(b""), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        // 100 chunks: long enough for every vector width it has code for.
        assert_eq!(digest(&pattern(102_400)), "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085");
    }

    #[test]
    fn the_greeting_names_the_target() {
        let greeting = greeting();
        assert!(greeting.contains(std::env::consts::ARCH), "{greeting}");
        let bits = if cfg!(target_pointer_width = "64") { "64 bits" } else { "32 bits" };
        assert!(greeting.contains(bits), "{greeting}");
    }
}
