//! Placeholders: `{name}` in the data that both providers read, filled with what a provider says.

use std::collections::BTreeMap;

/// Values of placeholders. One that stands for nothing takes what it is in along: the variable, the word, the line.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Says what a placeholder stands for.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    /// Says it where there is something that it stands for.
    pub fn set_if(&mut self, name: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Returns whether a placeholder stands for something.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Fills a text; `None` if one of its placeholders stands for nothing.
    pub fn fill(&self, text: &str) -> Option<String> {
        self.fill_escaped(text, str::to_owned)
    }

    fn fill_escaped(&self, text: &str, escape: impl Fn(&str) -> String) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next(rest) {
            out.push_str(before);
            out.push_str(&escape(self.0.get(name)?));
            rest = after;
        }
        Some(out + rest)
    }

    /// Fills a template line by line, each value as the file escapes it, without the lines that have to be left out.
    pub fn fill_lines(&self, template: &str, escape: impl Fn(&str) -> String) -> String {
        template.lines().filter_map(|line| self.fill_escaped(line, &escape)).map(|line| line + "\n").collect()
    }
}

/// Returns the first placeholder of a text, between what is before and what is after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find('{')?;
        let rest = &text[start + 1..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-')?;
        if end > 0 && rest[end..].starts_with('}') {
            return Some((&text[..start], &rest[..end], &rest[end + 1..]));
        }
        from = start + 1;
    }
}

/// Returns the names of all placeholders of a text.
#[cfg(test)]
pub fn placeholders(mut text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    while let Some((_, name, after)) = next(text) {
        names.push(name);
        text = after;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_that_stands_for_nothing_takes_its_line_along() {
        let mut values = Values::default();
        values.set("cc", "it's {ar}");
        values.set_if("ar", None::<String>);
        assert_eq!(values.fill("a {cc} ${X} {}").as_deref(), Some("a it's {ar} ${X} {}"));
        assert_eq!(values.fill("{cc}{ar}"), None);
        assert_eq!(values.fill_lines("c = '{cc}'\nar = '{ar}'\n", |v| v.replace('\'', "\\'")), "c = 'it\\'s {ar}'\n");
        assert_eq!(placeholders("{a}{ b}{c-d}x{"), ["a", "c-d"]);
    }
}
