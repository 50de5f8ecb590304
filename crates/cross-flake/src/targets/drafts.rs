//! Rows as files give them: one file laid over another, and a row over the row or family that it is like.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use indexmap::IndexMap;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::near::near;
use super::{Target, rules};

/// One file of rows.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// A workspace's own, and not the one that ships with cross-flake.
    pub(super) is_workspaces: bool,
}

/// Fields by name, with their places in the file.
type Fields = IndexMap<Spanned<String>, Value>;

/// The form of a file of rows: `[target.NAME]` or `[family.NAME]`, and fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    family: IndexMap<Spanned<String>, Fields>,
    #[serde(default)]
    target: IndexMap<Spanned<String>, Fields>,
}

impl Source<'_> {
    /// Returns `file:line`.
    fn place(&self, span: &Range<usize>) -> String {
        let line = self.text[..span.start.min(self.text.len())].matches('\n').count() + 1;
        format!("{}:{line}", self.path)
    }

    fn read(&self) -> Result<Document> {
        toml::from_str(self.text)
            .map_err(|error| anyhow!("{}: {}", self.place(&error.span().unwrap_or_default()), error.message()))
    }
}

/// Something that has fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A row of the table.
    Row,
    /// What rows have in common.
    Family,
}

/// A row or a family while files are laid over each other: its place, and its fields with theirs.
#[derive(Clone)]
struct Draft {
    kind: Kind,
    place: String,
    fields: IndexMap<String, (Value, String)>,
}

impl Draft {
    fn error(&self, row: &str, field: &str, what: &str) -> anyhow::Error {
        let place = self.fields.get(field).map_or(&self.place, |(_, place)| place);
        anyhow!("{place}: row `{row}`, field `{field}`: {what}")
    }

    fn finish(self, name: &str) -> Result<Target> {
        for required in ["triple", "level"] {
            if !self.fields.contains_key(required) {
                return Err(self.error(name, required, "is missing"));
            }
        }
        let fields: toml::Table =
            self.fields.iter().map(|(field, (value, _))| (field.clone(), value.clone())).collect();
        if let Some((field, what)) = rules::broken(&fields) {
            return Err(self.error(name, field, what));
        }
        let mut row: Target =
            fields.try_into().map_err(|e: toml::de::Error| anyhow!("row `{name}`: {}", e.message()))?;
        name.clone_into(&mut row.name);
        rules::check(&row).map_err(|(field, what)| self.error(name, field, &what))?;
        Ok(row)
    }
}

/// Asks serde about one field, in a row that is complete otherwise.
fn check_field(kind: Kind, field: &str, value: &Value) -> std::result::Result<(), String> {
    if field == "like" {
        return if value.is_str() { Ok(()) } else { Err("must be the name of a row or family".to_owned()) };
    }
    if kind == Kind::Family && rules::is_own(field) {
        return Err("is a row's own".to_owned());
    }
    let mut probe =
        toml::Table::from_iter([("triple".to_owned(), Value::from("x-y-z")), ("level".to_owned(), Value::from("run"))]);
    probe.insert(field.to_owned(), value.clone());
    probe.try_into::<Target>().map(drop).map_err(|e| e.message().trim().to_owned())
}

/// All rows and families, in the order in which the files give them.
#[derive(Default)]
pub(super) struct Drafts(IndexMap<String, Draft>);

impl Drafts {
    /// Reads files, each laid over those before it.
    ///
    /// # Errors
    /// A malformed file: the error names file, line, row and field.
    pub(super) fn read(sources: &[Source<'_>]) -> Result<Drafts> {
        let mut drafts = Drafts::default();
        for source in sources {
            let Document { family, target } = source.read()?;
            for (kind, all) in [(Kind::Family, family), (Kind::Row, target)] {
                for (name, fields) in all {
                    drafts.lay(source, kind, &name, fields)?;
                }
            }
        }
        Ok(drafts)
    }

    /// Lays the fields that a file gives over those that are known.
    fn lay(&mut self, source: &Source<'_>, kind: Kind, name: &Spanned<String>, fields: Fields) -> Result<()> {
        let place = source.place(&name.span());
        let is_new = !self.0.contains_key(name.as_ref());
        let new = || Draft { kind, place: place.clone(), fields: IndexMap::new() };
        let draft = self.0.entry(name.as_ref().clone()).or_insert_with(new);
        if draft.kind != kind {
            bail!("{place}: `{}` is the name of a row and of a family", name.as_ref());
        }
        // The rows of a workspace's own are there to be taken.
        if is_new && kind == Kind::Row && source.is_workspaces {
            draft.fields.insert("common".to_owned(), (true.into(), place.clone()));
        }
        draft.place = place;
        let directory = Path::new(source.path).parent().unwrap_or(Path::new(""));
        for (field, mut value) in fields {
            let place = source.place(&field.span());
            let field = field.into_inner();
            let what = if kind == Kind::Row { "row" } else { "family" };
            check_field(kind, &field, &value)
                .map_err(|error| anyhow!("{place}: {what} `{}`, field `{field}`: {error}", name.as_ref()))?;
            if let ("spec" | "sdk", Some(path)) = (field.as_str(), value.as_str()) {
                value = directory.join(path).to_string_lossy().into_owned().into();
            }
            draft.fields.insert(field, (value, place));
        }
        Ok(())
    }

    /// Returns a row's draft with all that it takes from what it is like, which comes with the places where it stands.
    fn inherit(&self, name: &str, draft: &Draft) -> Result<Draft> {
        let mut whole = draft.clone();
        let mut chain = vec![name];
        let mut last = draft;
        while let Some((like, place)) = last.fields.get("like") {
            let like = like.as_str().unwrap_or_default();
            let error = |what: &str| anyhow!("{place}: row `{name}`, field `like`: {what}");
            let Some(next) = self.0.get(like) else {
                let near = near(like, self.0.keys().map(String::as_str));
                return Err(error(&format!("there is no row or family `{like}`{near}")));
            };
            chain.push(like);
            if chain[..chain.len() - 1].contains(&like) {
                return Err(error(&format!("goes round in a circle: {}", chain.join(", "))));
            }
            for (field, value) in next.fields.iter().filter(|(field, _)| !rules::is_own(field)) {
                whole.fields.entry(field.clone()).or_insert_with(|| value.clone());
            }
            last = next;
        }
        whole.fields.shift_remove("like");
        Ok(whole)
    }

    /// Returns the rows.
    ///
    /// # Errors
    /// A row is incomplete, breaks a rule, or is like something that does not exist.
    pub(super) fn rows(&self) -> Result<Vec<Target>> {
        let rows = self.0.iter().filter(|(_, draft)| draft.kind == Kind::Row);
        rows.map(|(name, draft)| self.inherit(name, draft)?.finish(name)).collect()
    }
}
