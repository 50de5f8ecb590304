//! Demands of a row's fields on each other, as `data/rules.toml` has it.

use std::sync::LazyLock;

use serde::Deserialize;
use toml::{Table, Value};

const DATA: &str = include_str!("../../data/rules.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
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

/// Returns the first rule that a row breaks: the field and the message.
pub fn broken(row: &Table) -> Option<(&'static str, &'static str)> {
    static RULES: LazyLock<Rules> =
        LazyLock::new(|| toml::from_str(DATA).expect("rules.toml is what this program was built with"));
    let rule = RULES.rule.iter().find(|rule| rule.is_broken(row))?;
    Some((&rule.field, &rule.message))
}
