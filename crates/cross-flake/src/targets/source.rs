//! One file of rows, read so that an error can name the line.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use toml::de::{DeTable, DeValue};

use super::Target;

/// One file of rows, kept with its text so that an error can name the line.
pub struct Source<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text[..offset.min(self.text.len())].matches('\n').count() + 1
    }

    pub fn error(&self, offset: usize, row: &str, field: Option<&str>, what: &str) -> anyhow::Error {
        let field = field.map(|f| format!(", field `{f}`")).unwrap_or_default();
        anyhow!("{}:{}: row `{row}`{field}: {what}", self.path.display(), self.line(offset))
    }

    fn parse(&self) -> Result<DeTable<'_>> {
        DeTable::parse(self.text).map(toml::Spanned::into_inner).map_err(|e| {
            let line = e.span().map_or(1, |s| self.line(s.start));
            anyhow!("{}:{line}: {}", self.path.display(), e.message())
        })
    }

    /// Returns the offset of a field of a row.
    pub fn offset(&self, row: &str, field: &str) -> Option<usize> {
        let table = self.parse().ok()?;
        let rows = table.get("target")?.get_ref().as_table()?;
        let fields = rows.get(row)?.get_ref().as_table()?;
        fields.iter().find(|(key, _)| key.get_ref().as_ref() == field).map(|(key, _)| key.span().start)
    }
}

/// Returns the rows of one file, each checked for unknown fields and wrong types, so that an error can name the line.
pub fn source_rows(source: &Source<'_>) -> Result<Vec<(String, toml::Table)>> {
    let document = source.parse()?;
    for (key, _) in &document {
        if key.get_ref() != "target" {
            bail!(
                "{}:{}: unknown key `{}`: a row is a table named [target.<name>]",
                source.path.display(),
                source.line(key.span().start),
                key.get_ref()
            );
        }
    }
    let Some(rows) = document.get("target") else { return Ok(Vec::new()) };
    let DeValue::Table(rows) = rows.get_ref() else {
        bail!("{}: `target` must be a table of rows", source.path.display());
    };
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let mut out = Vec::new();
    for (name, fields) in rows {
        let row = name.get_ref().as_ref();
        let DeValue::Table(fields) = fields.get_ref() else {
            return Err(source.error(name.span().start, row, None, "must be a table"));
        };
        let mut plain = toml::Table::new();
        for (key, value) in fields {
            let field = key.get_ref().as_ref();
            let text = &source.text[value.span()];
            // One field at a time through serde, so that its error belongs to this line.
            let mut value: toml::Value = toml::from_str::<toml::Table>(&format!("value = {text}"))
                .ok()
                .and_then(|mut t| t.remove("value"))
                .or_else(|| inline_table(value.get_ref()))
                .ok_or_else(|| source.error(key.span().start, row, Some(field), "cannot be read"))?;
            check_field(field, &value).map_err(|e| source.error(key.span().start, row, Some(field), &e))?;
            if field == "spec"
                && let Some(spec) = value.as_str()
            {
                value = folder.join(spec).to_string_lossy().into_owned().into();
            }
            plain.insert(field.to_owned(), value);
        }
        out.push((row.to_owned(), plain));
    }
    Ok(out)
}

/// Returns the value of a table of its own, `[target.x.runtime]`, which has no text to take over.
fn inline_table(value: &DeValue<'_>) -> Option<toml::Value> {
    let DeValue::Table(table) = value else { return None };
    let mut out = toml::Table::new();
    for (key, value) in table {
        let value = value.get_ref();
        let value = value.as_bool().map(toml::Value::Boolean).or_else(|| Some(value.as_str()?.into()))?;
        out.insert(key.get_ref().to_string(), value);
    }
    Some(out.into())
}

/// Returns whether serde takes this one field, given a row that is otherwise complete.
fn check_field(field: &str, value: &toml::Value) -> std::result::Result<(), String> {
    let mut probe = toml::Table::from_iter([
        ("triple".to_owned(), toml::Value::from("x-y-z")),
        ("level".to_owned(), toml::Value::from("run")),
    ]);
    probe.insert(field.to_owned(), value.clone());
    probe.try_into::<Target>().map(drop).map_err(|e| e.message().trim().to_owned())
}
