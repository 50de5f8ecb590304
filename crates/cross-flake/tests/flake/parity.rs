//! Both providers give a row the same variables, except where `checks/parity.toml` says why not.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;

use crate::bench::{bench, repository, rows};
use crate::names;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parity {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// A variable that only one provider sets for these rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Its name; `<triple>` and `<TRIPLE>` stand for the row's.
    variable: String,
    /// The provider that sets it.
    provider: String,
    /// Names of rows.
    rows: Vec<String>,
    /// Why.
    reason: String,
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn both_providers_set_the_same_variables() {
    let text = fs::read_to_string(repository().join("checks/parity.toml")).unwrap();
    let parity: Parity = toml::from_str(&text).unwrap();
    assert!(parity.difference.iter().all(|d| !d.reason.is_empty() && !d.rows.is_empty()), "no reason, or no rows");
    let mut expected = BTreeSet::new();
    for difference in &parity.difference {
        for row in &difference.rows {
            let triple =
                rows().into_iter().find(|(name, _)| name == row).expect("parity.toml names a row").1["triple"].clone();
            let lower = triple.as_str().unwrap().replace('-', "_");
            let variable = difference.variable.replace("<triple>", &lower).replace("<TRIPLE>", &lower.to_uppercase());
            expected.insert((row.clone(), difference.provider.clone(), variable));
        }
    }

    let installables: Vec<String> = rows().iter().map(|(name, _)| format!(".#env-{name}")).collect();
    let documents = bench().build(&installables.iter().map(String::as_str).collect::<Vec<_>>());
    let mut found = BTreeSet::new();
    for ((row, _), document) in std::iter::zip(rows(), documents) {
        let nix: serde_json::Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
        let portable = bench().portable(&row);
        assert_eq!(names(&nix), names(portable), "the documents of {row} have different fields");
        for kind in ["scoped", "shell"] {
            let (nix, portable) = (names(&nix[kind]), names(&portable[kind]));
            let only = |provider: &str, variable: &String| (row.clone(), provider.to_owned(), variable.clone());
            found.extend(nix.difference(&portable).map(|variable| only("nix", variable)));
            found.extend(portable.difference(&nix).map(|variable| only("portable", variable)));
        }
    }
    let unexplained: Vec<_> = found.difference(&expected).collect();
    assert!(unexplained.is_empty(), "not in checks/parity.toml: {unexplained:#?}");
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(gone.is_empty(), "no longer different, and still in checks/parity.toml: {gone:#?}");
}
