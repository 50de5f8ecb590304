//! One line of a ledger.

use serde::{Deserialize, Serialize};

/// Cents, so that sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(pub i64);

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Money that comes.
    Credit,
    /// Money that goes.
    Debit,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// How much.
    pub amount: Amount,
    /// What for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Entry {
    /// What it does to the balance.
    pub fn signed(&self) -> i64 {
        match self.kind {
            Kind::Credit => self.amount.0,
            Kind::Debit => -self.amount.0,
        }
    }
}

/// The sum of all entries; none if it does not fit.
pub fn balance(entries: &[Entry]) -> Option<i64> {
    entries.iter().try_fold(0_i64, |sum, entry| sum.checked_add(entry.signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, amount: i64) -> Entry {
        Entry { id: 1, kind, amount: Amount(amount), note: String::new() }
    }

    #[test]
    fn credit_and_debit_cancel() {
        assert_eq!(balance(&[entry(Kind::Credit, 5), entry(Kind::Debit, 5)]), Some(0));
    }

    #[test]
    fn an_empty_ledger_has_nothing() {
        assert_eq!(balance(&[]), Some(0));
    }

    #[test]
    fn too_much_is_no_balance() {
        assert_eq!(balance(&[entry(Kind::Credit, i64::MAX), entry(Kind::Credit, 1)]), None);
    }
}
