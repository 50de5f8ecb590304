//! Packages of Debian, unpacked: an `ar` archive whose member `data.tar.*` is the package's files (deb(5)).
//!
//! A package is one that the archive's keys vouch for. It is still unpacked below its directory only: the hash of a package tells
//! whose it is and nothing of what it holds.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tar::{Entry, EntryType};

use super::xz::Xz;
use crate::host::signals;

/// The bytes that a package may hold: so much, and so many times its own size. Of Debian's, hardly any grows to ten times its size.
const LEAST: u64 = if cfg!(test) { 1 << 20 } else { 256 << 20 };
const TIMES: u64 = 100;

/// Unpacks a package, or what is below `part` of it, into a directory. Returns the number of files.
///
/// # Errors
/// It is no package, or holds what must not be written.
pub fn unpack(package: &Path, part: &str, into: &Path) -> Result<usize> {
    let file = File::open(package).with_context(|| format!("cannot read {}", package.display()))?;
    let limit = LEAST.max(file.metadata()?.len().saturating_mul(TIMES));
    let files = data(io::BufReader::with_capacity(1 << 16, file))?;
    unpack_tar(files, limit, part, into)
}

/// Returns the files of a package as a tar archive.
fn data(mut deb: impl Read + 'static) -> Result<Box<dyn Read>> {
    let mut magic = [0; 8];
    deb.read_exact(&mut magic).context("it is no package: it is too short")?;
    if &magic != b"!<arch>\n" {
        bail!("it is no package: it begins with other bytes than `!<arch>`");
    }
    loop {
        let mut header = [0; 60];
        deb.read_exact(&mut header).context("it is no package: it has no data.tar")?;
        let field = |from: usize, to: usize| String::from_utf8_lossy(&header[from..to]).trim().to_owned();
        let name = field(0, 16).trim_end_matches('/').to_owned();
        let size: u64 = field(48, 58).parse().with_context(|| format!("the size of its member {name} is no number"))?;
        if name.starts_with("data.tar") {
            return decompress(&name, deb.take(size));
        }
        let padded = size + size % 2;
        if io::copy(&mut deb.by_ref().take(padded), &mut io::sink())? != padded {
            bail!("it is no package: its member {name} is cut off");
        }
    }
}

/// Returns what decompresses a file of this name.
///
/// # Errors
/// The name ends otherwise than those of the formats that are known.
pub fn decompress(name: &str, packed: impl Read + 'static) -> Result<Box<dyn Read>> {
    Ok(match name.rsplit('.').next().unwrap_or_default() {
        "xz" => Box::new(Xz::new(packed)),
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        "zst" => Box::new(ruzstd::decoding::StreamingDecoder::new(packed).context("its zstd is damaged")?),
        "tar" => Box::new(packed),
        other => bail!("{name} is compressed as {other}, and only xz, gz and zst are known"),
    })
}

/// Unpacks a tar archive of at most so many bytes.
///
/// # Errors
/// See [`unpack`].
pub fn unpack_tar(archive: impl Read, limit: u64, part: &str, into: &Path) -> Result<usize> {
    let root = fs::canonicalize(into).with_context(|| format!("cannot read {}", into.display()))?;
    let mut root = Root { root, left: limit, limit };
    let mut archive = tar::Archive::new(archive);
    let mut files = 0;
    for entry in archive.entries()? {
        signals::check()?;
        let mut entry = entry.context("its tar is damaged")?;
        let path = inside(&entry.path()?)?;
        if !path.as_os_str().is_empty() && path.starts_with(part) {
            root.write(&mut entry, &path)?;
            files += 1;
        }
    }
    Ok(files)
}

/// A directory below which everything is written.
struct Root {
    root: PathBuf,
    /// Bytes that may still be written.
    left: u64,
    limit: u64,
}

impl Root {
    fn write(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path) -> Result<()> {
        let place = self.place(path)?;
        let failed = || format!("cannot write {}", place.display());
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory {
            // One that is there may also be a link to one.
            if !place.is_dir() {
                fs::DirBuilder::new().mode(0o755).create(&place).with_context(failed)?;
            }
            return Ok(());
        }
        // What stands there is replaced, never written through.
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(failed),
            _ => {}
        }
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.write_file(entry, &place, path).with_context(failed)
            }
            EntryType::Symlink => {
                let to = entry.link_name()?.with_context(|| format!("{} links to nothing", path.display()))?;
                symlink(to, &place).with_context(failed)
            }
            EntryType::Link => {
                let to = entry.link_name()?.with_context(|| format!("{} links to nothing", path.display()))?;
                fs::hard_link(self.place(&inside(&to)?)?, &place).with_context(failed)
            }
            other => bail!(
                "it holds {} of the kind {other:?}: only files, directories and links are unpacked",
                path.display()
            ),
        }
    }

    fn write_file(&mut self, entry: &mut Entry<'_, impl Read>, place: &Path, path: &Path) -> Result<()> {
        // Only what programs need of it: no foreign owner's bits, and nothing that its owner cannot read or replace.
        let mode = if entry.header().mode()? & 0o111 == 0 { 0o644 } else { 0o755 };
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(place)?;
        let written = copy(&mut entry.take(self.left + 1), &mut file)?;
        if written > self.left {
            bail!("it grows beyond {} bytes at {}: that is no package, but a bomb", self.limit, path.display());
        }
        self.left -= written;
        if let Ok(seconds) = entry.header().mtime() {
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))?;
        }
        Ok(())
    }

    /// Returns the place of a path, whose directory is made if it is not there, and lies below the root through whatever links.
    fn place(&self, path: &Path) -> Result<PathBuf> {
        let mut place = self.root.clone();
        for name in path.parent().into_iter().flat_map(Path::components) {
            let next = place.join(name);
            let Ok(meta) = fs::symlink_metadata(&next) else {
                fs::create_dir(&next).with_context(|| format!("cannot write {}", next.display()))?;
                place = next;
                continue;
            };
            place = if meta.is_symlink() { fs::canonicalize(&next).unwrap_or_default() } else { next };
            if !place.starts_with(&self.root) || !place.is_dir() {
                bail!("it holds {}, which leads out of its directory by a link", path.display());
            }
        }
        Ok(place.join(path.file_name().unwrap_or_default()))
    }
}

/// Copies in pieces that let an interrupted run end soon.
fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(bytes);
        }
        to.write_all(&buffer[..length])?;
        bytes += length as u64;
        signals::check()?;
    }
}

/// Returns a member's path without `./`.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            _ => bail!("it holds {}, which leads out of its directory", path.display()),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Member, deb};
    use super::*;

    /// Unpacks members in a directory beside another one, and gives both.
    fn unpacked(members: &[Member<'_>], compression: &str) -> (tempfile::TempDir, Result<usize>) {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("p.deb");
        fs::write(&package, deb("Package: p\n", members, compression)).unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        let result = unpack(&package, "", &dir.path().join("root"));
        (dir, result)
    }

    #[test]
    fn files_links_and_programs_are_unpacked_whatever_compresses_them() {
        for compression in ["xz", "gz", "zst", ""] {
            let members = [
                Member::Dir("./usr"),
                Member::File("./usr/text", b"text", 0o600),
                Member::File("./usr/bin/program", b"run", 0o4711),
                Member::Link("./usr/near", "text"),
                Member::Link("./usr/far", "/etc/text"),
                Member::Hard("./usr/second", "./usr/text"),
                Member::Link("./lib", "usr"),
                Member::Dir("./lib"),
                Member::File("./lib/through", b"inside", 0o644),
            ];
            let (dir, result) = unpacked(&members, compression);
            assert_eq!(result.unwrap(), members.len(), "{compression}");
            let usr = dir.path().join("root/usr");
            let mode = |name: &str| {
                use std::os::unix::fs::PermissionsExt;
                fs::metadata(usr.join(name)).unwrap().permissions().mode() & 0o7777
            };
            assert_eq!((mode("text"), mode("bin/program")), (0o644, 0o755));
            assert_eq!(fs::read_to_string(usr.join("second")).unwrap(), "text");
            assert_eq!(fs::read_link(usr.join("far")).unwrap(), Path::new("/etc/text"));
            assert_eq!(fs::read_to_string(usr.join("through")).unwrap(), "inside");
        }
    }

    #[test]
    fn nothing_is_written_outside_of_the_directory() {
        for members in [
            &[Member::File("../outside/x", b"x", 0o644)][..],
            &[Member::File("./a/../../outside/x", b"x", 0o644)],
            &[Member::File("/outside/x", b"x", 0o644)],
            &[Member::Link("./l", "../outside"), Member::File("./l/x", b"x", 0o644)],
            &[Member::Link("./l", "/tmp"), Member::File("./l/x", b"x", 0o644)],
            &[Member::Link("./l", ".."), Member::Link("./m", "l/outside"), Member::File("./m/x", b"x", 0o644)],
            &[Member::Link("./l", "/no/such"), Member::File("./l/x", b"x", 0o644)],
            &[Member::Hard("./x", "../outside/x")],
            &[Member::Link("./l", "../outside"), Member::Hard("./x", "l/x")],
        ] {
            let (dir, result) = unpacked(members, "xz");
            let error = format!("{:#}", result.unwrap_err());
            assert!(error.contains("leads out of its directory"), "{error}");
            assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
        }
        // What a link leads to is left alone when a file takes the link's place.
        let members = [Member::Link("./l", "../outside/x"), Member::File("./l", b"x", 0o644)];
        let (dir, result) = unpacked(&members, "xz");
        assert_eq!(result.unwrap(), 2);
        assert!(!dir.path().join("outside/x").exists() && dir.path().join("root/l").is_file());
    }

    #[test]
    fn devices_and_bombs_are_refused() {
        let (_dir, result) = unpacked(&[Member::Device("./dev/sda")], "xz");
        assert!(format!("{:#}", result.unwrap_err()).contains("dev/sda of the kind Block"));
        let zeros = vec![0; usize::try_from(LEAST).unwrap() / 16 + 1];
        let (names, mut members) = ((0..16).map(|n| format!("./{n}")).collect::<Vec<_>>(), Vec::new());
        members.extend(names.iter().map(|name| Member::File(name, &zeros, 0o644)));
        let (_dir, result) = unpacked(&members, "zst");
        assert!(format!("{:#}", result.unwrap_err()).contains("a bomb"));
    }

    #[test]
    fn what_is_no_package_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.deb");
        let mut whole = deb("Package: p\n", &[Member::File("./x", &[1; 4000], 0o644)], "gz");
        for (bytes, reason) in
            [(&b"PK"[..], "too short"), (b"<html></html>", "other bytes"), (&whole[..140], "cut off")]
        {
            fs::write(&file, bytes).unwrap();
            let error = format!("{:#}", unpack(&file, "", dir.path()).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
        whole.truncate(whole.len() - 20);
        fs::write(&file, &whole).unwrap();
        assert!(unpack(&file, "", dir.path()).is_err());
    }
}
