//! zlib and blake3 must give the same bytes on every target.

use hello_zlib::{Error, adler32, compress, crc32, decompress, digest};

/// The same numbers everywhere, without a dependency: Knuth's MMIX generator.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn checksums_have_their_published_values() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    assert_eq!(crc32(b""), 0);
    assert_eq!(adler32(b""), 1);
}

#[test]
fn data_survives_the_round_trip() {
    for length in [0, 1, 1000, 65_536, 1_000_000] {
        let data = noise(length);
        assert_eq!(decompress(&compress(&data).unwrap()).unwrap(), data, "{length} bytes");
    }
    let zeros = vec![0; 1_000_000];
    let packed = compress(&zeros).unwrap();
    assert!(packed.len() < 2_000, "{} bytes", packed.len());
    assert_eq!(decompress(&packed).unwrap(), zeros);
}

#[test]
fn a_stream_packed_elsewhere_unpacks_here() {
    // By Python's zlib on x86_64.
    #[rustfmt::skip]
    let packed = [
        120, 218, 75, 205, 75, 201, 76, 204, 203, 75, 45, 46, 86, 200, 44, 86, 40, 207, 72, 44,
        81, 72, 84, 72, 206, 72, 77, 206, 46, 46, 205, 85, 40, 78, 77, 45, 86, 72, 203, 44, 42,
        46, 209, 81, 72, 29, 80, 149, 0, 93, 80, 61, 65,
    ];
    let text = b"endianness is what a checksum sees first, ".repeat(4);
    assert_eq!(decompress(&packed).unwrap(), text);
    assert_eq!(crc32(&text), 0xd364_821d);
    assert_eq!(adler32(&text), 0x5d50_3d41);
}

#[test]
fn damaged_input_is_an_error() {
    let mut packed = compress(&noise(1000)).unwrap();
    assert_eq!(decompress(&packed[..packed.len() / 2]), Err(Error::Truncated));
    *packed.last_mut().unwrap() ^= 1;
    assert_eq!(decompress(&packed), Err(Error::Corrupt));
    assert_eq!(Error::Corrupt.to_string(), "the input is not compressed data");
}

#[test]
fn the_hash_of_a_megabyte_is_the_same_everywhere() {
    assert_eq!(digest(&noise(1 << 20)), "ddbcda9a85a871494459f4a82a392674c063c46d37171f9acb5f9281c9d46ff1");
}
