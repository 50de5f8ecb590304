//! Ledgers of some size.

use ledger_core::{Amount, Entry, Kind};
use ledger_format::{Error, Ledger, read, write};

fn ledger(entries: u64) -> Ledger {
    let entry = |id| Entry {
        id,
        kind: if id % 3 == 0 { Kind::Debit } else { Kind::Credit },
        amount: Amount(i64::try_from(id * 17 % 10_000).unwrap()),
        note: format!("entry {id}"),
    };
    Ledger { owner: "benchmark".to_owned(), entries: (0..entries).map(entry).collect() }
}

#[test]
fn a_thousand_entries_are_kept() {
    assert_eq!(read(&write(&ledger(1000)).unwrap()).unwrap(), ledger(1000));
}

#[test]
fn two_thousand_entries_are_kept() {
    assert_eq!(read(&write(&ledger(2000)).unwrap()).unwrap(), ledger(2000));
}

#[test]
fn what_is_cut_off_is_found() {
    let bytes = write(&ledger(100)).unwrap();
    assert!(matches!(read(&bytes[..bytes.len() - 5]), Err(Error::Packing)));
}

#[test]
fn an_unknown_field_is_refused() {
    let json = r#"{"id": 1, "kind": "debit", "amount": 5, "colour": "red"}"#;
    assert!(serde_json::from_str::<Entry>(json).is_err());
}
