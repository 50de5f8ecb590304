//! The file of a ledger: JSON, packed, after its checksum.

use std::fmt;

use ledger_core::pack::{pack, unpack};
use ledger_core::{Entry, checksum};
use serde::{Deserialize, Serialize};

/// The largest file that is read, in bytes of JSON.
pub const LIMIT: usize = 1 << 22;

/// A whole ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Whose it is.
    pub owner: String,
    /// Its lines.
    pub entries: Vec<Entry>,
}

/// What may be wrong with a file.
#[derive(Debug)]
pub enum Error {
    /// It is shorter than its checksum.
    Short,
    /// zlib does not take it.
    Packing,
    /// The checksum is another.
    Checksum,
    /// It is no ledger.
    Json(serde_json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Short => f.write_str("the file is too short"),
            Error::Packing => f.write_str("the file cannot be unpacked"),
            Error::Checksum => f.write_str("the checksum is wrong"),
            Error::Json(error) => write!(f, "not a ledger: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// The bytes of a file.
///
/// # Errors
/// zlib or serde fails.
pub fn write(ledger: &Ledger) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec(ledger).map_err(Error::Json)?;
    let mut bytes = checksum(&json).to_le_bytes().to_vec();
    bytes.extend(pack(&json).ok_or(Error::Packing)?);
    Ok(bytes)
}

/// The ledger of a file.
///
/// # Errors
/// The file is damaged.
pub fn read(bytes: &[u8]) -> Result<Ledger, Error> {
    let (sum, packed) = bytes.split_first_chunk::<4>().ok_or(Error::Short)?;
    let json = unpack(packed, LIMIT).ok_or(Error::Packing)?;
    if checksum(&json) != u32::from_le_bytes(*sum) {
        return Err(Error::Checksum);
    }
    serde_json::from_slice(&json).map_err(Error::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_too_short() {
        assert!(matches!(read(&[]), Err(Error::Short)));
    }

    #[test]
    fn an_empty_ledger_is_kept() {
        assert_eq!(read(&write(&Ledger::default()).unwrap()).unwrap(), Ledger::default());
    }

    #[test]
    fn a_wrong_checksum_is_found() {
        let mut bytes = write(&Ledger::default()).unwrap();
        bytes[0] ^= 1;
        assert!(matches!(read(&bytes), Err(Error::Checksum)));
    }
}
