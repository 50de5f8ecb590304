//! What a program did with the world around it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// All that a program learned of the world outside and did to it, as far as its system calls tell. What it made itself and then read
/// is not in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Files that it opened to read, or tried to.
    pub read: BTreeSet<PathBuf>,
    /// What it asked after without reading it.
    pub asked: BTreeSet<PathBuf>,
    /// Directories whose entries it listed.
    pub listed: BTreeSet<PathBuf>,
    /// What was not there before; it may have removed it again.
    pub made: BTreeSet<PathBuf>,
    /// Why another run need not find and leave the world as this one did, in words that follow the program's name; none if it does.
    pub beyond: Option<String>,
}

/// How a path is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The program made it, or something that it is in.
    Own,
    /// The machine's.
    World,
    /// Says nothing that another run would not find: `/dev/null`.
    Neutral,
    /// Says what differs from run to run: `/proc/uptime`.
    Fleeting,
}

/// Devices that are the same for everybody, and random numbers: whose tests depend on those is not the same twice anyway.
const DEVICES: [&str; 11] =
    ["null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr", "ptmx", "fd"];
/// What a process reads of itself to know its own memory, program and limits: std, the C libraries and qemu do at their start.
const OWN: [&str; 7] = ["maps", "exe", "cgroup", "mountinfo", "fd", "auxv", "comm"];
/// What says how much of the machine a program may take.
const CAPACITY: [&str; 3] = ["/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage"];

impl Seen {
    /// Notes a reason for which another run may differ. The first is kept.
    pub(super) fn goes_beyond(&mut self, what: impl FnOnce() -> String) {
        if self.beyond.is_none() {
            self.beyond = Some(what());
        }
    }

    /// Returns how a path is treated.
    pub(super) fn place(&self, path: &Path) -> Place {
        let upwards = path.components().any(|part| part == Component::ParentDir);
        if !upwards && path.ancestors().any(|part| self.made.contains(part)) {
            return Place::Own;
        }
        let text = path.to_string_lossy();
        if let Some(device) = text.strip_prefix("/dev/") {
            let name = device.split('/').next().unwrap_or_default();
            return match name {
                "shm" => Place::World,
                "pts" => Place::Neutral,
                name if DEVICES.contains(&name) => Place::Neutral,
                _ => Place::Fleeting,
            };
        }
        if let Some(rest) = text.strip_prefix("/proc/") {
            let mut parts = rest.split('/');
            return match (parts.next().unwrap_or_default(), parts.next()) {
                ("sys" | "filesystems", _) => Place::World,
                ("self" | "thread-self", None) => Place::Neutral,
                ("self" | "thread-self", Some(name)) if OWN.contains(&name) => Place::Neutral,
                _ => Place::Fleeting,
            };
        }
        if text.starts_with("/sys/") {
            // Who makes such a path real asks after each part of it.
            let is_capacity = |folder: &&str| path.starts_with(folder) || Path::new(folder).starts_with(path);
            return if CAPACITY.iter().any(is_capacity) { Place::Neutral } else { Place::Fleeting };
        }
        match path.to_str() {
            Some(_) => Place::World,
            // It cannot be written down.
            None => Place::Fleeting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_made_is_its_own_and_what_differs_is_fleeting() {
        let seen = Seen { made: [PathBuf::from("/tmp/own")].into(), ..Seen::default() };
        for (path, place) in [
            ("/tmp/own", Place::Own),
            ("/tmp/own/a/b", Place::Own),
            ("/tmp/own/../other", Place::World),
            ("/tmp/owner", Place::World),
            ("/etc/passwd", Place::World),
            ("/dev/null", Place::Neutral),
            ("/dev/shm/x", Place::World),
            ("/dev/sda", Place::Fleeting),
            ("/proc/self/maps", Place::Neutral),
            ("/proc/self/root/etc", Place::Fleeting),
            ("/proc/uptime", Place::Fleeting),
            ("/proc/1/maps", Place::Fleeting),
            ("/proc/sys/vm/mmap_min_addr", Place::World),
            ("/sys/fs/cgroup/cpu.max", Place::Neutral),
            ("/sys/fs", Place::Neutral),
            ("/sys/class/net", Place::Fleeting),
        ] {
            assert_eq!(seen.place(Path::new(path)), place, "{path}");
        }
    }
}
