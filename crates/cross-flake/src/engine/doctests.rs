//! Signs of documentation tests in sources: rustdoc takes a second to find that there are none.

use std::path::Path;

/// Tells if a source below a directory may have documentation tests.
pub(super) fn has_code_blocks(folder: &Path) -> bool {
    let mut todo = vec![folder.to_owned()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        } else if path.extension().is_some_and(|e| e == "rs")
            && std::fs::read_to_string(&path).is_ok_and(|text| is_marked(&text))
        {
            return true;
        }
    }
    false
}

/// Fences, indented blocks, and documentation that comes from elsewhere (a macro, a file).
fn is_marked(text: &str) -> bool {
    ["```", "~~~", "///     ", "//!     ", "doc = ", "doc="].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_are_seen_in_every_form() {
        for text in
            ["/// ```\n/// f();\n/// ```", "//! ~~~", "///     f();", "#![doc = include_str!(\"../README.md\")]"]
        {
            assert!(is_marked(text), "{text}");
        }
        assert!(!is_marked("/// Adds `a` and `b`.\nfn add() {}"));
    }
}
