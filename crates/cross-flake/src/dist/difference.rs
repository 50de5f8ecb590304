//! The first difference of two archives that should be the same.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::archive::{self, Form};
use super::files_below;

/// Bytes that are shown on each side of a difference.
const AROUND: usize = 60;

/// Says where two archives, or other files of a release, differ first, and what stands there; `None` if they are the same.
///
/// # Errors
/// One cannot be read.
pub fn first(one: &Path, other: &Path) -> Result<Option<String>> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let [a, b] = [read(one)?, read(other)?];
    if a == b {
        return Ok(None);
    }
    let Some(form) = Form::of_file(one) else { return Ok(Some(of_bytes(&a, &b))) };
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    archive::unpack(one, form, folders[0].path())?;
    archive::unpack(other, form, folders[1].path())?;
    let [left, right] = [files_below(folders[0].path())?, files_below(folders[1].path())?];
    if left != right {
        let only: Vec<String> = left
            .iter()
            .filter(|file| !right.contains(file))
            .chain(right.iter().filter(|file| !left.contains(file)))
            .map(|file| file.display().to_string())
            .collect();
        return Ok(Some(format!("only one of them has {}", only.join(", "))));
    }
    for file in left {
        let [a, b] = [fs::read(folders[0].path().join(&file))?, fs::read(folders[1].path().join(&file))?];
        if a != b {
            return Ok(Some(format!("{} {}", file.display(), of_bytes(&a, &b))));
        }
    }
    Ok(Some("the files in them are the same: the archives' own bytes differ".to_owned()))
}

fn of_bytes(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let sizes = if a.len() == b.len() { String::new() } else { format!(" ({} and {} bytes)", a.len(), b.len()) };
    format!("differs at byte {at:#x}{sizes}: {} and {}", words(a, at), words(b, at))
}

/// What can be read around a place.
fn words(content: &[u8], at: usize) -> String {
    let part = &content[at.saturating_sub(AROUND).min(content.len())..(at + AROUND).min(content.len())];
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    format!("`{}`", part.iter().map(shown).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::contents::Entry;
    use super::*;

    #[test]
    fn the_first_difference_is_shown_with_what_stands_there() {
        let folder = tempfile::tempdir().unwrap();
        let pack = |name: &str, content: &str| {
            let file = folder.path().join(format!("{name}.txt"));
            fs::write(&file, content).unwrap();
            let entries = [Entry { path: "program".to_owned(), file, executable: true }];
            let archive = folder.path().join(format!("{name}.zip"));
            archive::write(&archive, Form::Zip, "x-1", &entries, 0).unwrap();
            archive
        };
        let one = pack("one", "begin /build/one/src end");
        assert_eq!(first(&one, &pack("same", "begin /build/one/src end")).unwrap(), None);
        let said = first(&one, &pack("two", "begin /build/two/src end")).unwrap().unwrap();
        assert!(said.starts_with("x-1/program differs at byte 0xd: "), "{said}");
        assert!(said.contains("/build/one/src") && said.contains("/build/two/src"), "{said}");
    }
}
