//! Packing and unpacking.

use ledger_core::checksum;
use ledger_core::pack::{pack, unpack, zlib_version};

fn sample() -> Vec<u8> {
    (0..20_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect()
}

#[test]
fn what_was_packed_is_unpacked() {
    let packed = pack(&sample()).unwrap();
    assert_eq!(unpack(&packed, 80_000).unwrap(), sample());
}

#[test]
fn packing_makes_it_smaller() {
    assert!(pack(&sample()).unwrap().len() < 20_000);
}

#[test]
fn damage_is_found() {
    let mut packed = pack(&sample()).unwrap();
    let middle = packed.len() / 2;
    packed[middle] ^= 0x55;
    assert_eq!(unpack(&packed, 80_000), None);
}

#[test]
fn no_more_than_the_limit_is_unpacked() {
    assert_eq!(unpack(&pack(&sample()).unwrap(), 1000), None);
}

#[test]
fn zlib_says_its_version() {
    assert!(zlib_version().starts_with("1."));
}

#[test]
fn the_checksum_survives_packing() {
    let packed = pack(&sample()).unwrap();
    assert_eq!(checksum(&unpack(&packed, 80_000).unwrap()), checksum(&sample()));
}
