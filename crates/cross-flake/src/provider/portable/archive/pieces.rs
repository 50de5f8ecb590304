//! Parts of large packages, fetched without the rest of them.
//!
//! Of the 71 MB of qemu-user, say, a third are the emulators of the common rows. A package is compressed in blocks of which
//! each can be read alone, and mirrors give ranges of files. The archive's signatures cover whole packages only, so every range has
//! its hash here, as a wheel has; for any other version, and wherever this does not work, the package is fetched whole.

use std::sync::LazyLock;

use crate::settings;
use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::fetch::{Client, sha256};
use super::xz;

/// Ranges of one version of a package.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Pieces {
    name: String,
    version: String,
    arch: String,
    /// The bundle for which they are fetched, where another one has other pieces of the same package.
    bundle: Option<String>,
    /// The hash of the whole package.
    pub sha256: String,
    /// Ranges of the package: where one begins, its length, and its hash.
    ranges: Vec<(u64, u64, String)>,
}

/// The entries of the table.
static TABLE: LazyLock<Vec<Pieces>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Table {
        package: Vec<Pieces>,
    }
    toml::from_str::<Table>(include_str!("../../../../data/pieces.toml")).map(|t| t.package).unwrap_or_default()
});

/// Returns the pieces of a package, if they are known and wanted: those of a bundle, or those for everybody else.
pub fn find(name: &str, version: &str, arch: &str, bundle: Option<&str>) -> Option<&'static Pieces> {
    let is_wanted = !settings::get().whole_packages;
    let fits = |p: &&Pieces| p.name == name && p.version == version && p.arch == arch && p.bundle.as_deref() == bundle;
    TABLE.iter().find(fits).filter(|_| is_wanted)
}

impl Pieces {
    /// Bytes to fetch.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// Fetches the pieces and gives a tar archive of each file that is whole in them.
    ///
    /// # Errors
    /// The mirror gives no ranges, or others than those that are pinned.
    pub fn archive(&self, client: &Client, url: &str) -> Result<Vec<u8>> {
        let mut archive = Vec::new();
        for (at, bytes, hash) in &self.ranges {
            let range = client.range(url, *at, *bytes)?;
            if sha256(&range) != *hash {
                bail!("the part of {url} at byte {at} is not the one that is pinned");
            }
            let files = xz::blocks(&range).context("a part of a package is damaged")?;
            members(&files, &mut archive);
        }
        // The end of an archive.
        archive.resize(archive.len() + 1024, 0);
        Ok(archive)
    }
}

/// Tells if a file of a tar archive begins here.
fn is_header(block: &[u8]) -> bool {
    if block.len() < 512 || &block[257..262] != b"ustar" {
        return false;
    }
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let own = sum(&block[..512]) - sum(&block[148..156]) + 8 * u64::from(b' ');
    octal(&block[148..156]) == Some(own)
}

/// A number in a tar header.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

/// Copies every member that is complete, with the headers of its long name.
fn members(data: &[u8], archive: &mut Vec<u8>) {
    let header = |at: usize| data.get(at..at + 512).filter(|block| is_header(block));
    let Some(mut at) = (0..data.len()).step_by(512).find(|at| header(*at).is_some()) else { return };
    let mut first = at;
    while let Some(block) = header(at) {
        let Some(size) = octal(&block[124..136]).and_then(|size| usize::try_from(size).ok()) else { return };
        let end = at + 512 + size.div_ceil(512) * 512;
        if end > data.len() {
            return;
        }
        if !b"LKxg".contains(&block[156]) {
            archive.extend_from_slice(&data[first..end]);
            first = end;
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::super::deb;
    use super::super::proxy::Proxies;
    use super::super::testing::{Member, Server, in_blocks};
    use super::*;

    #[test]
    fn the_table_is_whole_and_in_order() {
        assert!(TABLE.len() >= 4);
        for pieces in TABLE.iter() {
            assert_eq!(pieces.sha256.len(), 64, "{}", pieces.name);
            assert!(pieces.ranges.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0), "{}", pieces.name);
        }
    }

    #[test]
    fn one_file_of_a_package_is_had_from_its_blocks_and_other_blocks_are_refused() {
        let texts: Vec<Vec<u8>> =
            (0u8..4).map(|n| (0..900_000u32).map(|i| n ^ (i.wrapping_mul(i) >> 7) as u8).collect()).collect();
        let names = ["./usr/a", "./usr/b", "./usr/c", "./usr/d"];
        let files: Vec<Member<'_>> =
            names.iter().zip(&texts).map(|(name, text)| Member::File(name, text, 0o644)).collect();
        let (whole, blocks) = in_blocks(&files, 1 << 20);
        let server = Server::start(|_| {});
        server.write("p.deb", &whole);
        // The second file begins in the first block and ends in the second, whose end is not fetched.
        let (at, end) = (blocks[0].0, blocks[1].1 - 16);
        let hash = sha256(&whole[at..end]);
        let pieces = |hash: &str| Pieces {
            name: "p".into(),
            version: "1".into(),
            arch: "all".into(),
            bundle: None,
            sha256: String::new(),
            ranges: vec![(at as u64, (end - at) as u64, hash.to_owned())],
        };
        let (client, url) = (Client::with(Proxies::default()), server.url("p.deb"));
        let archive = pieces(&hash).archive(&client, &url).unwrap();
        let dir = tempfile::tempdir().unwrap();
        deb::unpack_tar(&archive[..], 1 << 30, "usr/b", dir.path()).unwrap();
        assert!(std::fs::read(dir.path().join("usr/b")).unwrap() == texts[1]);
        let refused = pieces(&"0".repeat(64)).archive(&client, &url).unwrap_err();
        assert!(format!("{refused:#}").contains("is not the one that is pinned"), "{refused:#}");
    }
}
