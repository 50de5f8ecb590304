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

use super::capture;
use crate::commands::doctor::which;

/// The variable that turns this off when it is `whole`.
pub const VARIABLE: &str = "CROSS_FLAKE_PACKAGES";

/// Fetches and unpacks blocks.
const SCRIPT: &str = include_str!("../../../assets/pieces.py");

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
    toml::from_str::<Table>(include_str!("../../../assets/pieces.toml")).map(|t| t.package).unwrap_or_default()
});

/// Whether they can be had here.
static USABLE: LazyLock<bool> = LazyLock::new(|| {
    let wanted = std::env::var(VARIABLE).is_ok_and(|v| v == "whole");
    let Ok(sh) = Shell::new() else { return false };
    // Python can be built without the module.
    !wanted && which("python3").is_some() && capture(cmd!(sh, "python3 -c 'import lzma, ssl'")).is_ok()
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
}
