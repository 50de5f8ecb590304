//! Parts of large packages of the distribution, fetched without the rest of them.
//!
//! Of the 71 MB of qemu-user, say, a third are the emulators of the table's rows. A package is compressed in blocks of which
//! each can be read alone, and mirrors give ranges of files. apt's signatures cover whole packages only, so every range has
//! its hash here, as a wheel has; for any other version, and wherever this does not work, apt fetches the package whole.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::{Shell, cmd};

use crate::host::child::capture;
use crate::host::child::which;
use crate::settings;

/// Fetches and unpacks blocks.
const SCRIPT: &str = include_str!("../../../data/pieces.py");

/// What is wanted of one version of a package.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Pieces {
    name: String,
    version: String,
    arch: String,
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
    toml::from_str::<Table>(include_str!("../../../data/pieces.toml")).map(|t| t.package).unwrap_or_default()
});

/// Whether they can be had here.
static USABLE: LazyLock<bool> = LazyLock::new(|| {
    let wanted = settings::get().whole_packages;
    let Ok(sh) = Shell::new() else { return false };
    // Python can be built without the module.
    !wanted && which("python3").is_some() && capture(cmd!(sh, "python3 -c 'import lzma'")).is_ok()
});

/// The pieces of a package, if it is known and they can be had here.
pub fn find(name: &str, version: &str, arch: &str) -> Option<&'static Pieces> {
    let fits = |p: &&Pieces| p.name == name && p.version == version && p.arch == arch;
    TABLE.iter().find(fits).filter(|_| *USABLE)
}

impl Pieces {
    /// Bytes to fetch.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// A command that writes a tar archive of what is in the pieces.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn archive(&self, url: &str) -> Result<Command> {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, "fetch"]);
        // apt's own setting; Python knows the variables already.
        let sh = Shell::new()?;
        let format = "%v%n";
        let proxy = capture(cmd!(sh, "apt-config dump Acquire::http::Proxy --format {format}")).unwrap_or_default();
        let proxy = proxy.trim();
        if !proxy.is_empty() && proxy != "DIRECT" {
            command.env("http_proxy", proxy);
        }
        let wish = serde_json::json!({ "url": url, "ranges": self.ranges });
        let mut file = tempfile::tempfile().context("cannot write a temporary file")?;
        write!(file, "{wish}")?;
        std::io::Seek::rewind(&mut file)?;
        command.stdin(Stdio::from(file));
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_in_order() {
        assert!(TABLE.len() >= 4);
        for pieces in TABLE.iter() {
            assert_eq!(pieces.sha256.len(), 64, "{}", pieces.name);
            assert!(pieces.ranges.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0), "{}", pieces.name);
        }
    }

    /// Answers requests for ranges of these bytes, on the loopback, as long as the test runs.
    fn serve(bytes: Vec<u8>) -> String {
        use std::io::{BufRead, BufReader};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/package.deb", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                let range = lines.filter_map(|line| Some(line.split_once("bytes=")?.1.to_owned())).last().unwrap();
                let (first, last) = range.trim().split_once('-').unwrap();
                let part = &bytes[first.parse().unwrap()..=last.parse().unwrap()];
                write!(stream, "HTTP/1.0 206 Partial Content\r\nContent-Length: {}\r\n\r\n", part.len()).unwrap();
                stream.write_all(part).unwrap();
            }
        });
        url
    }

    #[test]
    fn one_file_of_a_package_is_had_from_its_blocks_and_other_blocks_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let sh = Shell::new().unwrap();
        sh.change_dir(dir.path());
        // The sandbox of a Nix build has neither Python nor dpkg.
        if std::env::var_os("NIX_BUILD_TOP").is_some() {
            return;
        }
        assert!(*USABLE && which("dpkg-deb").is_some());
        sh.write_file(
            "p/DEBIAN/control",
            "Package: p\nVersion: 1:2\nArchitecture: all\nMaintainer: m\nDescription: d\n",
        )
        .unwrap();
        // Four blocks at this level of compression, of numbers that look like none.
        let mut seed: u64 = 1;
        let mut text = |length: usize| -> Vec<u8> {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            };
            std::iter::repeat_with(&mut next).take(length).collect()
        };
        for name in ["a", "b", "c"] {
            sh.write_file(format!("p/usr/{name}"), text(1_200_000)).unwrap();
        }
        cmd!(sh, "dpkg-deb --threads-max=2 -Zxz -z0 --root-owner-group --build p p_1%3a2_all.deb")
            .quiet()
            .ignore_stdout()
            .run()
            .unwrap();
        sh.write_file("pieces.py", SCRIPT).unwrap();
        let pinned = capture(cmd!(sh, "python3 pieces.py pin p_1%3a2_all.deb").stdin("/usr/b$"));
        // On one processor dpkg-deb makes no blocks that tell their sizes.
        if crate::host::capacity::cores() == 1 {
            return;
        }
        let pinned = pinned.unwrap();
        let pieces: Pieces = toml::from_str(&pinned.replace("[[package]]", "")).unwrap();
        assert_eq!((pieces.name.as_str(), pieces.version.as_str(), pieces.arch.as_str()), ("p", "1:2", "all"));
        let deb = sh.read_binary_file("p_1%3a2_all.deb").unwrap();
        assert!(pieces.bytes() < deb.len() as u64 * 9 / 10, "{pinned}");
        let url = serve(deb);
        let archive = pieces.archive(&url).unwrap().output().unwrap();
        assert!(archive.status.success(), "{}", String::from_utf8_lossy(&archive.stderr));
        sh.write_file("part.tar", archive.stdout).unwrap();
        cmd!(sh, "tar --extract --file part.tar ./usr/b").quiet().run().unwrap();
        assert!(sh.read_binary_file("usr/b").unwrap() == sh.read_binary_file("p/usr/b").unwrap());
        let wrong = Pieces { ranges: vec![(pieces.ranges[0].0, pieces.ranges[0].1, "0".repeat(64))], ..pieces };
        let refused = wrong.archive(&url).unwrap().output().unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty());
    }
}
