//! Reasons why something cannot be had.

use std::fmt;

/// A reason, and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The thing that is in the way.
    pub what: String,
    /// Things to do about it.
    pub hints: Vec<String>,
}

impl Reason {
    /// Makes a reason without hints.
    pub fn new(what: impl Into<String>) -> Reason {
        Reason { what: what.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Reason {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.hints.is_empty() { Ok(()) } else { write!(f, ": {}", self.hints.join("; ")) }
    }
}

impl std::error::Error for Reason {}

impl From<anyhow::Error> for Reason {
    fn from(error: anyhow::Error) -> Reason {
        // Below a context a reason would lose it.
        match error.downcast_ref::<Reason>() {
            Some(reason) if error.chain().count() == 1 => reason.clone(),
            _ => Reason::new(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_reason_keeps_its_hints_through_an_error_and_its_text_through_a_context() {
        let reason = Reason::new("nix is too old").hint("2.26 or newer is needed").hint("another provider needs none");
        let text = "nix is too old: 2.26 or newer is needed; another provider needs none";
        assert_eq!(reason.to_string(), text);
        assert_eq!(Reason::from(anyhow::Error::from(reason.clone())), reason);
        let error = Err::<(), _>(reason).context("cannot build").unwrap_err();
        assert_eq!(Reason::from(error).to_string(), format!("cannot build: {text}"));
    }
}
