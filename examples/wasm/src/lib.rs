//! Makes the part of an address that names an article of its title.
//!
//! ```
//! assert_eq!(slug::slug("Größer → 大きい!", "-"), "größer-大きい");
//! ```

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub mod web;

/// The title's words in small letters, with the separator between them.
pub fn slug(title: &str, separator: &str) -> String {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_in_small_letters() {
        assert_eq!(slug("  Hello,   World! ", "-"), "hello-world");
        assert_eq!(slug("ÉTÉ 1999", "_"), "été_1999");
    }

    #[test]
    fn a_title_without_words_has_none() {
        assert_eq!(slug("→ … 🦀", "-"), "");
        assert_eq!(slug("", "-"), "");
    }
}
