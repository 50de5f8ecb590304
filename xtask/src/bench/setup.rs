//! The first set-up: everything that the targets need, into an empty cache.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::document::Results;
use super::measure::{Usage, measure, output};
use super::processes::KINDS;
use super::{About, Bench, empty};
use cross_flake::cache::disk_usage;
use cross_flake::cli::setup::Document;
use cross_flake::settings;

/// The results. One sample: it takes long, and the network varies more than the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// On what.
    pub about: About,
    /// The origin of Rust's std, as the caller's variable has it.
    pub std: String,
    /// Its time and memory.
    pub usage: Usage,
    /// CPU seconds by what took them; see [`super::measure::Timeline::cpu`].
    pub cpu: [f64; KINDS],
    /// Bytes that came over the network, to the whole machine.
    pub received: u64,
    /// The account that `setup --json` gave of itself.
    pub account: Document,
    /// The content of the cache afterwards.
    pub disk: Vec<Bytes>,
}

/// A part and how large it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bytes {
    /// The part.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Measures this part.
///
/// # Errors
/// A target cannot be set up.
pub fn run(bench: &Bench, results: &mut Results) -> Result<()> {
    let cache = bench.folder("cache");
    // What a killed run has left; packages may hold directories that cannot be written.
    let clean = || output(bench.xtask(&["clean", "--all"])?.env(settings::CACHE, &cache)).and_then(|_| empty(&cache));
    clean()?;
    let about = bench.about();
    bench.events.note("setup: into an empty cache");
    let before = received_bytes()?;
    let (said, usage, timeline) = measure(|| {
        let mut command = bench.xtask(&["setup", "--provider", "portable", "--json"])?;
        // Without names, all that the repository has, of which checks/benchmark lacks what has no operating system.
        command.args(&bench.named).current_dir(bench.repository.root());
        output(command.env(settings::CACHE, &cache))?.checked("xtask setup")
    })?;
    let received = received_bytes()?.saturating_sub(before);
    let account = serde_json::from_str(&said.stdout).context("cannot read what xtask setup printed")?;
    let disk = parts(&cache, &cache.join("std").join(bench.repository.toolchain.key()));
    let std = std::env::var(settings::STD).unwrap_or_else(|_| "not set".to_owned());
    let setup = Setup { about, std, usage, cpu: timeline.cpu(), received, account, disk };
    results.document.setup = Some(setup);
    results.save()?;
    clean()
}

/// Returns the parts of the cache that take at least 100 kB, the largest first: its directories, and those of packages and of
/// std one by one.
fn parts(cache: &Path, built: &Path) -> Vec<Bytes> {
    let inside = |folder: &Path, prefix: &str| -> Vec<Bytes> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let part = |entry: fs::DirEntry| Bytes {
            name: format!("{prefix}{}", entry.file_name().to_string_lossy()),
            bytes: disk_usage(&entry.path()),
        };
        entries.map(part).collect()
    };
    let mut parts = inside(cache, "");
    parts.retain(|part| part.name != "std" && part.name != "packages");
    parts.extend(inside(&cache.join("packages"), "packages, "));
    parts.extend(inside(built, "std, "));
    parts.retain(|part| part.bytes >= 100_000);
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    parts
}

/// Returns the bytes that all network devices but the loopback received, from proc_net(5).
fn received_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/dev").context("cannot read /proc/net/dev")?;
    Ok(received_in(&text))
}

fn received_in(text: &str) -> u64 {
    let devices = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    devices.filter_map(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_setup_prints_is_read_back() {
        let text = r#"{
            "provider": "portable",
            "downloads": [
                {"name": "zig 0.17.0", "from": "PyPI", "bytes": 101000000},
                {"name": "qemu-user", "from": "Debian's packages", "bytes": 1200}
            ],
            "bytes": 101001200,
            "steps": [
                {"name": "unpacking zig 0.17.0", "start": 0.5, "seconds": 3.2, "success": true},
                {"name": "building std (1.95.0) for 20 targets", "start": 4.0, "seconds": 424.0, "success": true},
                {"name": "unpacking wine", "start": 5.0, "seconds": 1.0, "success": false}
            ],
            "seconds": 430.0,
            "targets": [{"name": "x86_64-linux", "triple": "x86_64-unknown-linux-gnu", "ready": true, "reason": null}]
        }"#;
        let account: Document = serde_json::from_str(text).unwrap();
        let downloads: Vec<_> = account.downloads.iter().map(|d| (d.name.as_str(), d.from.as_str(), d.bytes)).collect();
        assert_eq!(downloads, [("zig 0.17.0", "PyPI", 101_000_000), ("qemu-user", "Debian's packages", 1200)]);
        let steps: Vec<_> = account.done().map(|step| (step.name.as_str(), step.seconds)).collect();
        assert_eq!(steps, [("unpacking zig 0.17.0", 3.2), ("building std (1.95.0) for 20 targets", 424.0)]);
    }

    #[test]
    fn the_machine_itself_sends_nothing_over_the_network() {
        let text = "Inter-| Receive\n face |bytes packets\n    lo: 500 1 0\n  eth0: 1200 3 0\n wlan0:34 1 0\n";
        assert_eq!(received_in(text), 1234);
    }
}
