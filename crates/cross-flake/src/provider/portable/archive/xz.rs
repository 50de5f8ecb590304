//! The format xz.
//!
//! `lzma_rust2::XzReader` is compiled for each kind of reader by whoever uses it, unoptimized in a profile for development, and
//! takes half as long again then; [`XzStream`] is compiled once, by its own crate's profile.

use std::io::{self, Read};

use lzma_rust2::{Action, Status, XzStream};

/// The header of a stream whose blocks end with a CRC64, as dpkg-deb writes them (The .xz File Format, 2.1.1).
const HEADER: [u8; 12] = [0xFD, b'7', b'z', b'X', b'Z', 0, 0, 4, 0xE6, 0xD6, 0xB4, 0x46];

/// Decompresses what it reads.
pub struct Xz<R> {
    stream: XzStream,
    from: R,
    buffer: Vec<u8>,
    /// The bytes of the buffer that are still to be used.
    rest: std::ops::Range<usize>,
    is_over: bool,
}

impl<R: Read> Xz<R> {
    /// Decompresses what `from` gives.
    pub fn new(from: R) -> Xz<R> {
        Xz { stream: XzStream::new(true), from, buffer: vec![0; 1 << 16], rest: 0..0, is_over: false }
    }
}

impl<R: Read> Read for Xz<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.rest.is_empty() && !self.is_over {
                let length = self.from.read(&mut self.buffer)?;
                self.rest = 0..length;
                self.is_over = length == 0;
            }
            let action = if self.is_over { Action::Finish } else { Action::Run };
            let result = self.stream.process(&self.buffer[self.rest.clone()], out, action)?;
            self.rest.start += result.bytes_consumed;
            if result.bytes_produced > 0 || result.status == Status::StreamEnd || out.is_empty() {
                return Ok(result.bytes_produced);
            }
            if self.is_over && result.bytes_consumed == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is cut off"));
            }
        }
    }
}

/// Decompresses blocks of a stream, the last of which may lack its end.
///
/// # Errors
/// They are damaged.
pub fn blocks(blocks: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = XzStream::new(false);
    let mut out = Vec::new();
    let mut buffer = vec![0; 1 << 18];
    for mut input in [&HEADER[..], blocks] {
        loop {
            let result = stream.process(input, &mut buffer, Action::Run)?;
            out.extend_from_slice(&buffer[..result.bytes_produced]);
            input = &input[result.bytes_consumed..];
            let is_stuck = result.bytes_consumed == 0 && result.bytes_produced == 0;
            if is_stuck || result.status == Status::StreamEnd {
                break;
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::testing::xz;
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = out.len().min(self.0.len()).min(1);
            out[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn files_are_decompressed_and_those_that_are_cut_off_are_refused() {
        let text: Vec<u8> = (0..100_000u32).map(|i| (i >> 3) as u8).collect();
        let packed = xz(&text, None);
        let read = |from: &[u8]| {
            let mut out = Vec::new();
            Xz::new(Slow(from)).read_to_end(&mut out).map(|_| out)
        };
        assert!(read(&packed).unwrap() == text);
        assert!(read(&[&packed[..], &packed].concat()).unwrap().len() == 2 * text.len());
        for cut in [packed.len() - 1, packed.len() / 2, 10] {
            assert!(read(&packed[..cut]).is_err(), "{cut}");
        }
        let mut changed = packed.clone();
        changed[packed.len() / 2] ^= 1;
        assert!(read(&changed).is_err());
    }
}
