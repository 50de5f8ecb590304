//! The first set-up: everything that the targets need, into an empty cache.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::document::{Results, targets};
use super::measure::{Usage, measure, output};
use super::{About, Bench, empty};
use crate::cache::{VARIABLE, disk_usage};
use crate::provider::portable::rust_std;

/// The results. One sample: it takes long, and the network varies more than the machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Setup {
    /// On what.
    pub about: About,
    /// How many targets.
    pub targets: usize,
    /// Where Rust's std comes from, as the caller's variable has it.
    pub std: String,
    /// What it took.
    pub usage: Usage,
    /// Bytes that came over the network, to the whole machine.
    pub received: u64,
    /// What was going to be fetched, by its announcement.
    pub planned: Vec<Bytes>,
    /// Steps and their seconds; several go on at once.
    pub steps: Vec<Step>,
    /// What the cache holds afterwards.
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

/// A step and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The step.
    pub name: String,
    /// Seconds by the clock.
    pub seconds: f64,
}

/// Measures this part.
///
/// # Errors
/// A target cannot be set up.
pub fn run(bench: &Bench, results: &mut Results) -> Result<()> {
    let cache = bench.folder("cache");
    // What a killed run has left; packages may hold folders that cannot be written.
    let clean = || output(bench.xtask(&["clean", "--all"])?.env(VARIABLE, &cache)).and_then(|_| empty(&cache));
    clean()?;
    let about = bench.about();
    bench.events.note(&format!("setup: {}, into an empty cache", targets(bench.targets.len())));
    let before = received_bytes()?;
    let (said, usage, _) = measure(|| {
        let mut command = bench.xtask(&["setup", "--provider", "portable", "--json"])?;
        command.args(bench.targets.iter().map(|target| &target.name)).arg("--manifest-path").arg(bench.manifest());
        output(command.env(VARIABLE, &cache))?.checked("xtask setup")
    })?;
    let received = received_bytes()?.saturating_sub(before);
    let (planned, steps) = downloads_and_steps(&said.stdout)?;
    let mut disk = Vec::new();
    for (folder, prefix) in [(cache.clone(), ""), (cache.join("std"), "std, "), (cache.join("packages"), "packages, ")]
    {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        disk.extend(
            entries.filter(|e| !prefix.is_empty() || (e.file_name() != "std" && e.file_name() != "packages")).map(
                |entry| Bytes {
                    name: format!("{prefix}{}", entry.file_name().to_string_lossy()),
                    bytes: disk_usage(&entry.path()),
                },
            ),
        );
    }
    disk.retain(|part| part.bytes >= 100_000);
    disk.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    let std = std::env::var(rust_std::VARIABLE).unwrap_or_else(|_| "not set".to_owned());
    let setup = Setup { about, targets: bench.targets.len(), std, usage, received, planned, steps, disk };
    results.document.setup = Some(setup);
    results.save()?;
    clean()
}

/// Downloads and the steps that succeeded, by the document of `setup --json`.
fn downloads_and_steps(document: &str) -> Result<(Vec<Bytes>, Vec<Step>)> {
    #[derive(Deserialize)]
    struct Document {
        downloads: Vec<Download>,
        steps: Vec<Ended>,
    }
    #[derive(Deserialize)]
    struct Download {
        name: String,
        from: String,
        bytes: u64,
    }
    #[derive(Deserialize)]
    struct Ended {
        success: bool,
        #[serde(flatten)]
        step: Step,
    }
    let document: Document = serde_json::from_str(document).context("what xtask setup printed")?;
    let part = |d: Download| Bytes { name: format!("{} ({})", d.name, d.from), bytes: d.bytes };
    let steps = document.steps.into_iter().filter(|ended| ended.success).map(|ended| ended.step);
    Ok((document.downloads.into_iter().map(part).collect(), steps.collect()))
}

/// Of every network device but the machine's own, from proc_net(5).
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
            "downloads": [
                {"name": "zig 0.17.0", "from": "PyPI", "bytes": 101000000},
                {"name": "qemu-user", "from": "Debian's packages", "bytes": 1200}
            ],
            "steps": [
                {"name": "unpacking zig 0.17.0", "start": 0.5, "seconds": 3.2, "success": true},
                {"name": "building std (1.95.0) for 20 targets", "start": 4.0, "seconds": 424.0, "success": true},
                {"name": "unpacking wine", "start": 5.0, "seconds": 1.0, "success": false}
            ]
        }"#;
        let (planned, steps) = downloads_and_steps(text).unwrap();
        let part = |name: &str, bytes| Bytes { name: name.to_owned(), bytes };
        assert_eq!(planned, [part("zig 0.17.0 (PyPI)", 101_000_000), part("qemu-user (Debian's packages)", 1200)]);
        let step = |name: &str, seconds| Step { name: name.to_owned(), seconds };
        assert_eq!(steps, [step("unpacking zig 0.17.0", 3.2), step("building std (1.95.0) for 20 targets", 424.0)]);
    }

    #[test]
    fn the_machine_itself_sends_nothing_over_the_network() {
        let text = "Inter-| Receive\n face |bytes packets\n    lo: 500 1 0\n  eth0: 1200 3 0\n wlan0:34 1 0\n";
        assert_eq!(received_in(text), 1234);
    }
}
