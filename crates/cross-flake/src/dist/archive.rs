//! Archives whose bytes follow from what is in them: sorted, of one time, and nobody's.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use lzma_rust2::{XzOptions, XzReader, XzWriter};
use ring::digest;
use zip::write::SimpleFileOptions;

use super::contents::Entry;
use crate::targets::Target;

/// The effort of xz; 6 is the one that xz itself has.
const PRESET: u32 = 6;

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `.tar.xz`.
    Tar,
    /// `.zip`, which Windows opens by itself.
    Zip,
}

impl Form {
    /// Returns the one that users of a target expect.
    pub fn of(target: &Target) -> Form {
        if target.platform().suffix == ".exe" { Form::Zip } else { Form::Tar }
    }

    /// Returns that of a file, by its name.
    pub fn of_file(file: &Path) -> Option<Form> {
        let name = file.file_name()?.to_string_lossy().into_owned();
        [Form::Tar, Form::Zip].into_iter().find(|form| name.ends_with(&format!(".{}", form.suffix())))
    }

    /// Its suffix.
    pub fn suffix(self) -> &'static str {
        match self {
            Form::Tar => "tar.xz",
            Form::Zip => "zip",
        }
    }
}

/// An archive that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its file's name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Packs these files into one folder of that name; the archive appears when it is whole.
///
/// # Errors
/// A file cannot be read, or the archive not be written; then there is none.
pub fn write(to: &Path, form: Form, folder: &str, entries: &[Entry], time: u64) -> Result<Written> {
    let failed = || format!("cannot write {}", to.display());
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort();
    if let Some(twice) = entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
        bail!(
            "two files would be {folder}/{}: {} and {}",
            twice[0].path,
            twice[0].file.display(),
            twice[1].file.display()
        );
    }
    let directory = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).with_context(failed)?;
    let mut temporary = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
    let mut out = BufWriter::new(temporary.as_file_mut());
    match form {
        Form::Tar => tar(&mut out, folder, &entries, time)?,
        Form::Zip => zip_up(&mut out, folder, &entries)?,
    }
    out.flush().with_context(failed)?;
    drop(out);
    set_mode(temporary.as_file(), 0o644).with_context(failed)?;
    let content = fs::read(temporary.path()).with_context(failed)?;
    temporary.persist(to).with_context(failed)?;
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Written { name, bytes: content.len() as u64, sha256: sha256(&content) })
}

/// Returns a SHA-256 in hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    digest::digest(&digest::SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

fn mode(entry: &Entry) -> u32 {
    if entry.executable { 0o755 } else { 0o644 }
}

fn tar(out: impl Write, folder: &str, entries: &[&Entry], time: u64) -> Result<()> {
    let mut builder = tar::Builder::new(XzWriter::new(out, XzOptions::with_preset(PRESET))?);
    for entry in entries {
        let failed = || format!("cannot pack {}", entry.file.display());
        let content = fs::read(&entry.file).with_context(failed)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode(entry));
        header.set_mtime(time);
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(&mut header, format!("{folder}/{}", entry.path), &content[..]).with_context(failed)?;
    }
    builder.into_inner()?.finish()?;
    Ok(())
}

/// All is of 1980, where the time of this form begins: it knows no time zone.
fn zip_up(out: impl Write, folder: &str, entries: &[&Entry]) -> Result<()> {
    let mut writer = zip::ZipWriter::new_stream(out);
    for entry in entries {
        let failed = || format!("cannot pack {}", entry.file.display());
        let content = fs::read(&entry.file).with_context(failed)?;
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(mode(entry));
        writer.start_file(format!("{folder}/{}", entry.path), options).with_context(failed)?;
        writer.write_all(&content).with_context(failed)?;
    }
    writer.finish()?;
    Ok(())
}

/// Unpacks an archive of ours.
///
/// # Errors
/// It is none, or the folder cannot be written.
pub fn unpack(archive: &Path, form: Form, to: &Path) -> Result<()> {
    let failed = || format!("cannot unpack {}", archive.display());
    let file = BufReader::new(File::open(archive).with_context(failed)?);
    match form {
        Form::Tar => tar::Archive::new(XzReader::new(file, false)).unpack(to).with_context(failed),
        Form::Zip => zip::ZipArchive::new(file).with_context(failed)?.extract(to).with_context(failed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn entry(folder: &Path, name: &str, content: &str, executable: bool) -> Entry {
        let file = folder.join(name.replace('/', "-"));
        fs::write(&file, content).unwrap();
        Entry { path: name.to_owned(), file, executable }
    }

    #[test]
    fn an_archive_follows_from_its_content_and_comes_back_as_it_was() {
        use std::os::unix::fs::PermissionsExt;
        for form in [Form::Tar, Form::Zip] {
            let folder = tempfile::tempdir().unwrap();
            let mut entries =
                vec![entry(folder.path(), "program", "ELF", true), entry(folder.path(), "man/page.1", "words", false)];
            let write = |name: &str, entries: &[Entry]| {
                let file = folder.path().join(name).with_extension(form.suffix());
                let written = super::write(&file, form, "program-1.0", entries, 1_000_000_000).unwrap();
                assert_eq!(written.sha256, sha256(&fs::read(&file).unwrap()));
                assert_eq!(written.bytes, fs::metadata(&file).unwrap().len());
                (file, written.sha256)
            };
            let (first, hash) = write("first", &entries);
            // Neither the order nor the files' own time and mode count.
            entries.reverse();
            for entry in &entries {
                fs::set_permissions(&entry.file, fs::Permissions::from_mode(0o600)).unwrap();
                File::open(&entry.file).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(7)).unwrap();
            }
            assert_eq!(write("second", &entries).1, hash);
            let out = folder.path().join("out");
            unpack(&first, form, &out).unwrap();
            let program = out.join("program-1.0/program");
            assert_eq!(fs::read_to_string(&program).unwrap(), "ELF");
            assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
            assert_eq!(fs::read_to_string(out.join("program-1.0/man/page.1")).unwrap(), "words");
        }
    }

    #[test]
    fn what_cannot_be_packed_leaves_no_archive() {
        let folder = tempfile::tempdir().unwrap();
        let one = entry(folder.path(), "one", "1", false);
        let missing = Entry { path: "two".to_owned(), file: folder.path().join("nowhere"), executable: false };
        let twice = Entry { path: "one".to_owned(), file: folder.path().join("other"), executable: false };
        for (second, says) in [(missing, "cannot pack"), (twice, "two files would be x/one")] {
            let file = folder.path().join("out/x.tar.xz");
            let error = write(&file, Form::Tar, "x", &[one.clone(), second], 0).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
            let left = fs::read_dir(folder.path().join("out")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "something half-written is left");
        }
    }
}
