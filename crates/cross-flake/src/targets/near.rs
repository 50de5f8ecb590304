//! Names that somebody may have meant.

/// Returns `; did you mean a, b?`: the names that are nearest to one that does not exist, or nothing.
pub(super) fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut near: Vec<(f64, &str)> = known.map(|name| (strsim::jaro_winkler(wanted, name), name)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.iter().take(3).filter(|(score, _)| *score > 0.7).map(|(_, name)| *name).collect();
    match near.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}
