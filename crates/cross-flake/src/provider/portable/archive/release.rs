//! A signed list of what a suite of an archive holds, with the hash of each list of packages.

use std::collections::HashMap;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::date;
use super::fetch::Expected;
use super::keys::Keys;

/// The seconds by which clocks may differ.
const SLACK: u64 = 24 * 60 * 60;

/// The release of a suite.
#[derive(Debug)]
pub struct Release {
    suite: String,
    codename: String,
    /// When it was made, in seconds since 1970.
    date: u64,
    /// When it ends to be believed, if ever.
    valid_until: Option<u64>,
    /// Lists can be had by their hash, so that a mirror in the middle of a push has the old ones, too.
    by_hash: bool,
    /// Sizes and hashes of files, by name.
    files: HashMap<String, (u64, String)>,
}

impl Release {
    /// Reads a release that one of the keys has signed and that is to be believed now. Returns what was signed, too.
    ///
    /// # Errors
    /// It is not signed by any of the keys, is another suite's, or has expired.
    pub fn open(message: &str, suite: &str, keys: &Keys, now: SystemTime) -> Result<(Release, String)> {
        let text = keys.verify(message, now)?;
        let release = Release::parse(&text)?;
        if ![&release.suite, &release.codename].iter().any(|name| *name == suite) {
            bail!("it is the release of {}, and not that of {suite}", release.codename);
        }
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if release.date > now + SLACK {
            bail!(
                "it was made on {}, which is still to come: is this machine's clock right?",
                date::show(release.date)
            );
        }
        if let Some(end) = release.valid_until.filter(|end| *end < now) {
            bail!(
                "it has expired: it was valid until {}, so the mirror has not been brought up to date since, or this machine's \
                 clock is wrong",
                date::show(end)
            );
        }
        Ok((release, text))
    }

    /// Reads what was signed.
    ///
    /// # Errors
    /// It lacks what each release has.
    pub fn parse(text: &str) -> Result<Release> {
        let field = |name: &str| {
            let values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            values.map(|value| value.trim().to_owned()).next()
        };
        let date = field("Date").context("it has no field Date")?;
        let date = date::read(&date).with_context(|| format!("its Date is none: {date}"))?;
        let valid_until = match field("Valid-Until") {
            Some(text) => Some(date::read(&text).with_context(|| format!("its Valid-Until is no date: {text}"))?),
            None => None,
        };
        let mut files = HashMap::new();
        let lines = text.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1);
        for line in lines.take_while(|line| line.starts_with(' ')) {
            let mut words = line.split_whitespace();
            let (hash, size, name) = (words.next(), words.next().and_then(|size| size.parse().ok()), words.next());
            if let (Some(hash), Some(size), Some(name)) = (hash, size, name) {
                files.insert(name.to_owned(), (size, hash.to_lowercase()));
            }
        }
        if files.is_empty() {
            bail!("it has no hashes of the kind SHA256");
        }
        Ok(Release {
            suite: field("Suite").unwrap_or_default(),
            codename: field("Codename").unwrap_or_default(),
            date,
            valid_until,
            by_hash: field("Acquire-By-Hash").is_some_and(|value| value == "yes"),
            files,
        })
    }

    /// Refuses this release where a later one was seen before.
    ///
    /// # Errors
    /// It is older.
    pub fn follows(&self, seen: &Release) -> Result<()> {
        if self.date < seen.date {
            bail!(
                "it is of {} and one of {} was seen before: somebody gives out old packages, or the mirror is behind another",
                date::show(self.date),
                date::show(seen.date)
            );
        }
        Ok(())
    }

    /// The list of packages of a component: its name below the suite, and what it must be. The best compressed one that is known.
    pub fn list(&self, component: &str, arch: &str) -> Option<(String, Expected<'_>)> {
        let names = ["xz", "gz"].map(|end| format!("{component}/binary-{arch}/Packages.{end}"));
        names.into_iter().find_map(|name| {
            let (bytes, sha256) = self.files.get(&name)?;
            Some((name, Expected { bytes: *bytes, sha256 }))
        })
    }

    /// Where a list is, in the order in which to ask.
    pub fn places(&self, name: &str, sha256: &str) -> Vec<String> {
        let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
        let by_hash = self.by_hash.then(|| format!("{dir}/by-hash/SHA256/{sha256}"));
        by_hash.into_iter().chain([name.to_owned()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Signing;
    use super::*;

    const TEXT: &str = "Suite: stable\nCodename: trixie\nDate: Sat, 15 Nov 2025 10:24:33 UTC\nAcquire-By-Hash: yes\n\
                        MD5Sum:\n 00 1 main/binary-amd64/Packages.xz\nSHA256:\n AA 9 main/binary-amd64/Packages.gz\n \
                        bb 7 main/binary-amd64/Packages.xz\n";

    fn open(text: &str, suite: &str) -> Result<Release> {
        let own = Signing::new();
        let mut keys = Keys::default();
        keys.add(own.public().as_bytes(), "own.asc");
        Release::open(&own.sign(text), suite, &keys, SystemTime::now()).map(|(release, _)| release)
    }

    #[test]
    fn a_release_tells_of_its_lists() {
        for suite in ["stable", "trixie"] {
            let release = open(TEXT, suite).unwrap();
            let (name, expected) = release.list("main", "amd64").unwrap();
            assert_eq!((name.as_str(), expected.bytes, expected.sha256), ("main/binary-amd64/Packages.xz", 7, "bb"));
            assert_eq!(release.places(&name, "bb"), ["main/binary-amd64/by-hash/SHA256/bb", &name]);
            assert!(release.list("main", "arm64").is_none());
        }
    }

    #[test]
    fn a_release_of_another_suite_or_of_another_time_is_refused() {
        let refused = |text: &str, suite| format!("{:#}", open(text, suite).unwrap_err());
        assert!(refused(TEXT, "bookworm").contains("the release of trixie, and not that of bookworm"));
        let expired = format!("Valid-Until: Sun, 16 Nov 2025 10:24:33 UTC\n{TEXT}");
        assert!(refused(&expired, "trixie").contains("it was valid until 2025-11-16"));
        let early = TEXT.replace("2025", "2225");
        assert!(refused(&early, "trixie").contains("2225-11-15, which is still to come"));
        assert!(refused("Suite: stable\n", "stable").contains("no field Date"));
        assert!(refused(&TEXT.replace("SHA256:", "SHA1:"), "stable").contains("no hashes"));
    }

    #[test]
    fn an_older_release_than_the_one_that_was_seen_is_refused() {
        let new = open(TEXT, "trixie").unwrap();
        let old = open(&TEXT.replace("15 Nov", "14 Nov"), "trixie").unwrap();
        assert!(new.follows(&new).is_ok() && new.follows(&old).is_ok());
        let error = old.follows(&new).unwrap_err().to_string();
        assert!(error.contains("of 2025-11-14 and one of 2025-11-15 was seen before"), "{error}");
    }
}
