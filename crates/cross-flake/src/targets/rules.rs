//! Demands of a row's fields on each other, as `data/rules.toml` has them, and the spelling of values.

use std::sync::LazyLock;

use cross_flake_inspect::GlibcVersion;
use serde::Deserialize;
use toml::{Table, Value};

use super::Target;

const DATA: &str = include_str!("../../data/rules.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Fields that say what one row is, which no other takes from it.
    own: Vec<String>,
    rule: Vec<Rule>,
}

/// A rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The field that the message is for.
    field: String,
    /// The field of the rows that it is for.
    of: Option<String>,
    /// The value there, if not any.
    is: Option<String>,
    /// Fields that such a row needs.
    #[serde(default)]
    needs: Vec<String>,
    /// The field that must have one of the texts `any` in it.
    #[serde(rename = "in")]
    within: Option<String>,
    #[serde(default)]
    any: Vec<String>,
    message: String,
}

impl Rule {
    fn is_broken(&self, row: &Table) -> bool {
        let has =
            |field: &str| row.get(field).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()));
        let of = self.of.as_ref().unwrap_or(&self.field);
        let applies = has(of) && self.is.as_deref().is_none_or(|is| row[of].as_str() == Some(is));
        let text = |field: &String| row.get(field).map(Value::to_string).unwrap_or_default();
        let has_text = |field: &String| self.any.iter().any(|any| text(field).contains(any));
        applies && !(self.needs.iter().all(|field| has(field)) && self.within.as_ref().is_none_or(has_text))
    }
}

static RULES: LazyLock<Rules> =
    LazyLock::new(|| toml::from_str(DATA).expect("rules.toml is what this program was built with"));

/// Tells if a row takes this field from no other row.
pub(super) fn is_own(field: &str) -> bool {
    RULES.own.iter().any(|own| own == field)
}

/// Returns the first rule that a row breaks: the field and the message.
pub fn broken(row: &Table) -> Option<(&'static str, &'static str)> {
    let rule = RULES.rule.iter().find(|rule| rule.is_broken(row))?;
    Some((&rule.field, &rule.message))
}

/// Checks what serde and the rules cannot see: how values are spelled.
pub(super) fn check(row: &Target) -> std::result::Result<(), (&'static str, String)> {
    let bad = |field, what: &str| Err((field, what.to_owned()));
    let name_ok = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if row.triple.is_empty() || !row.triple.chars().all(name_ok) {
        return bad("triple", "must be letters, digits, `-`, `_` and `.`");
    }
    if row.name.is_empty() || !row.name.chars().all(name_ok) {
        return bad("triple", "the row's name must be letters, digits, `-`, `_` and `.`");
    }
    if let Some(floor) = &row.glibc
        && floor.parse::<GlibcVersion>().is_err()
    {
        return bad("glibc", "must be a version like \"2.28\"");
    }
    if let Some(debian) = &row.debian
        && (!debian.starts_with(|c: char| c.is_ascii_lowercase())
            || !debian.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    {
        return bad("debian", "must be a name like \"arm64\", as `dpkg --print-architecture` gives it");
    }
    match row.packages.iter().find(|name| !is_package(name)) {
        Some(name) => Err(("packages", format!("`{name}` is no name of a package of Debian"))),
        None => Ok(()),
    }
}

/// Follows Debian's rule for names of packages (Debian Policy, 5.6.7). apt would take a `-` at the end for a wish to remove one.
pub fn is_package(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    first && rest && name.len() > 1 && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_package;

    #[test]
    fn a_name_of_a_package_is_not_an_option_nor_a_pattern() {
        for name in ["zlib1g", "g++", "libstdc++6", "python3.13-minimal", "0ad"] {
            assert!(is_package(name), "{name}");
        }
        for name in ["", "-y", "zlib1g-", "zlib*", "Zlib", "zlib1g=1", "zlib1g:arm64", "a/b", "a"] {
            assert!(!is_package(name), "{name}");
        }
    }
}
