//! Both providers give a row the same variables with the same values, and the same runner, except where `checks/parity.toml` says why
//! not. They read the same data (`environment.toml`, `runners.toml`, the templates), so this compares what they fill in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cross_flake::targets::{Table, Target};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bench::{bench, made, repository};
use crate::names;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parity {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Values in which the providers differ.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Names of values, with `<triple>` and `<TRIPLE>` for the row's.
    values: Vec<String>,
    /// Names of rows; all rows without.
    #[serde(default)]
    rows: Vec<String>,
    /// The reason.
    reason: String,
    /// Depends on the machine that builds, and may be the same.
    #[serde(default)]
    maybe: bool,
}

/// Every value of a document by its name: variables, the lines of the files for CMake and Meson, the runner.
fn values(document: &Value) -> BTreeMap<String, String> {
    let lower = document["triple"].as_str().unwrap().replace('-', "_");
    let upper = lower.to_uppercase();
    let mut all = BTreeMap::new();
    for (name, value) in ["scoped", "shell"].iter().flat_map(|kind| document[kind].as_object().unwrap()) {
        let name = name.replace(&lower, "<triple>").replace(&upper, "<TRIPLE>");
        let value = value.as_str().unwrap();
        let file = match name.as_str() {
            "CMAKE_TOOLCHAIN_FILE" | "HOST_CMAKE_TOOLCHAIN_FILE" | "MESON_CROSS_FILE" => {
                fs::read_to_string(value).unwrap()
            }
            // The same file.
            "CMAKE_TOOLCHAIN_FILE_<triple>" => {
                assert_eq!(document["shell"]["CMAKE_TOOLCHAIN_FILE"], value);
                continue;
            }
            _ => {
                all.insert(name, without_places(value));
                continue;
            }
        };
        for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.trim_start_matches("set(").split_once(' ').unwrap_or((line, ""));
            all.insert(format!("{name}: {key}"), without_places(value));
        }
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    all.insert("glibc".to_owned(), text(&document["glibc"]));
    for (name, value) in document["runner"].as_object().into_iter().flatten() {
        match name.as_str() {
            // That of the portable provider is what happens to be set up.
            "binfmt" => {}
            "env" => all.extend(
                value.as_object().unwrap().iter().map(|(key, v)| (format!("runner: {key}"), without_places(&text(v)))),
            ),
            "command" => {
                let words: Vec<String> =
                    value.as_array().unwrap().iter().map(|word| without_places(&text(word))).collect();
                all.insert("runner: command".to_owned(), words.join(" "));
            }
            _ => drop(all.insert(format!("runner: {name}"), text(value))),
        }
    }
    all
}

/// A text in which every path is its last part alone: without the cache, and without the store and its hash. The prefix with zlib is
/// called after it.
fn without_places(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || ":;,='\"[]()".contains(c);
    let mut out = String::new();
    for part in text.split_inclusive(ends) {
        let (path, end) = match part.chars().last().filter(|c| ends(*c)) {
            Some(last) => part.split_at(part.len() - last.len_utf8()),
            None => (part, ""),
        };
        let name = match path.rsplit_once('/') {
            Some((_, name)) if path.starts_with('/') => match name.split_once('-') {
                Some((hash, rest)) if hash.len() == 32 && path.contains("/store/") => rest,
                _ => name,
            },
            _ => path,
        };
        out.push_str(if name.contains("zlib-for-") || name.contains("-zlib-") { "zlib" } else { name });
        out.push_str(end);
    }
    out
}

/// What a row takes from the row or family that it is like, and what a workspace lays over both.
#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn nix_and_rust_read_the_same_of_every_row() {
    let workspace = bench().folder().join("overlay");
    fs::create_dir_all(&workspace).unwrap();
    let overlay = "[family.aarch64]\nqemu-cpu = \"cortex-a72\"\n[family.ours]\nlike = \"aarch64-linux\"\nglibc = \"2.31\"\n\
                   [target.board]\nlike = \"ours\"\ntriple = \"our-linux-board\"\n";
    fs::write(workspace.join("targets.toml"), overlay).unwrap();
    let (clone, file) = (bench().clone(), workspace.join("targets.toml"));
    let expression = format!(
        "let lib = (builtins.getFlake \"path:{0}\").inputs.nixpkgs.lib;
         in (import {0}/nix/targets.nix {{ inherit lib; data = {0}/crates/cross-flake/data; overlay = {1}; }}).fields",
        clone.display(),
        file.display()
    );
    let nix = bench().nix(&["eval", "--impure", "--json", "--expr", &expression]).json();
    let table = Table::load(&workspace).unwrap();
    assert_eq!(names(&nix), table.rows().iter().map(|row| row.name.clone()).collect());
    // A row that says nothing but what it has to.
    let row: Target = serde_json::from_value(json!({ "triple": "a-b-c", "level": "run" })).unwrap();
    let usual = serde_json::to_value(row).unwrap();
    for row in table.rows() {
        let mut rust = serde_json::to_value(row).unwrap();
        let nix = &nix[&row.name];
        rust.as_object_mut().unwrap().retain(|field, value| {
            let may_be_left_out = nix.get(field).is_none() && (field == "name" || *value == usual[field.as_str()]);
            !may_be_left_out
        });
        if let Some(go) = rust.get_mut("go").and_then(Value::as_object_mut) {
            go.retain(|_, value| !value.is_null());
        }
        assert_eq!(&rust, nix, "{row}");
    }
}

#[test]
#[ignore = "needs Nix: checks/nix runs it"]
fn both_providers_give_every_row_the_same_values() {
    let text = fs::read_to_string(repository().join("checks/parity.toml")).unwrap();
    let parity: Parity = toml::from_str(&text).unwrap();
    let installables: Vec<String> = made().iter().map(|row| format!(".#env-{row}")).collect();
    let documents = bench().build(&installables.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut unexplained, mut used) = (Vec::new(), BTreeSet::new());
    for (row, document) in std::iter::zip(made().into_iter().map(|row| row.name), documents) {
        let nix: Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
        let portable = bench().portable(&row);
        // What only one provider has to tell: by what something was made, and which of its ways to a std served.
        let is_common = |name: &String| !["inputs", "std"].contains(&name.as_str());
        let fields = |document: &Value| names(document).into_iter().filter(is_common).collect::<Vec<_>>();
        assert_eq!(fields(&nix), fields(portable), "the documents of {row} have different fields");
        let (nix, portable) = (values(&nix), values(portable));
        for name in nix.keys().chain(portable.keys()).collect::<BTreeSet<_>>() {
            let (nix, portable) = (nix.get(name), portable.get(name));
            if nix == portable {
                continue;
            }
            let explains =
                |one: &Difference| one.values.contains(name) && (one.rows.is_empty() || one.rows.contains(&row));
            match parity.difference.iter().position(explains) {
                Some(index) => drop(used.insert((index, name.clone()))),
                None => unexplained.push(format!("{row}: {name}: nix {nix:?}, portable {portable:?}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "not in checks/parity.toml: {unexplained:#?}");
    for (index, difference) in parity.difference.iter().enumerate() {
        assert!(!difference.reason.is_empty(), "{:?} has no reason", difference.values);
        let gone: Vec<_> = difference.values.iter().filter(|name| !used.contains(&(index, (*name).clone()))).collect();
        assert!(gone.is_empty() || difference.maybe, "no longer different, and still in checks/parity.toml: {gone:?}");
    }
}
