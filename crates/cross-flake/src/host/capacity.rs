//! Cores and memory of the host.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

/// Bytes for one core's share of a run: a compiler or linker, and a test beside it. The benchmark's peak with two cores is below
/// twice that (docs/benchmarks.md).
const PER_JOB: u64 = 1_000_000_000;

/// Returns the number of test programs that run at once: as many as there are cores, but no more than fit into this many bytes, or
/// into what is free.
pub fn jobs(memory: Option<u64>) -> usize {
    jobs_for(cores(), memory.or_else(free_memory))
}

/// Returns the number of compilers that run at once. One more than there are cores keeps these busy while one of them waits, for a
/// file say (docs/benchmarks.md).
pub fn compilers(memory: Option<u64>) -> usize {
    jobs_for(cores() + 1, memory.or_else(free_memory))
}

/// Returns the number of programs that the machine runs at the same time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does the work for each of these things, as many at once as there are cores, and returns the results in the same order.
pub fn in_parallel<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(index) else { return done };
            done.push((index, work(thing)));
        }
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores().min(things.len())).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn jobs_for(cores: usize, memory: Option<u64>) -> usize {
    let fit = memory.map_or(cores, |bytes| usize::try_from(bytes / PER_JOB).unwrap_or(cores));
    cores.min(fit).max(1)
}

/// Bytes that programs can still take, by the kernel and by the control group (a container's limit) that this process is in.
fn free_memory() -> Option<u64> {
    let machine = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? * 1024;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let folder = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/'));
    let limits = folder.ancestors().take_while(|f| f.starts_with("/sys/fs/cgroup")).filter_map(free_in_group);
    Some(limits.fold(machine, u64::min))
}

/// Bytes left below the limit of a control group; files that were only read make room.
fn free_in_group(folder: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let files = field(&fs::read_to_string(folder.join("memory.stat")).ok()?, "inactive_file").unwrap_or(0);
    Some((number("memory.max")? + files).saturating_sub(number("memory.current")?))
}

/// The number after a name at the beginning of a line, as in /proc/meminfo.
pub fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Bytes of `800M` or `4G`.
///
/// # Errors
/// Another form.
pub fn parse_memory(text: &str) -> Result<u64> {
    let form = || "expected megabytes or gigabytes, such as 800M or 4G";
    let Some((at, unit)) = text.char_indices().next_back() else { bail!(form()) };
    let unit = match unit.to_ascii_uppercase() {
        'M' => 1e6,
        'G' => 1e9,
        _ => bail!(form()),
    };
    let number: f64 = text[..at].parse().with_context(form)?;
    if !number.is_finite() || number <= 0.0 {
        bail!(form());
    }
    Ok((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_follow_cores_and_memory() {
        let cases = [(8, Some(16), 8), (8, Some(5), 5), (8, Some(0), 1), (1, Some(16), 1), (4, None, 4)];
        for (cores, gigabytes, expected) in cases {
            let memory = gigabytes.map(|n: u64| n * 1_000_000_000);
            assert_eq!(jobs_for(cores, memory), expected, "{cores} cores, {gigabytes:?} GB");
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_things() {
        let things: Vec<usize> = (0..100).collect();
        assert_eq!(in_parallel(&things, |thing| thing * 2), (0..200).step_by(2).collect::<Vec<_>>());
        assert!(in_parallel(&[], |thing: &usize| *thing).is_empty());
    }

    #[test]
    fn memory_is_given_in_words() {
        assert_eq!(parse_memory("1.5G").unwrap(), 1_500_000_000);
        assert_eq!(parse_memory("800m").unwrap(), 800_000_000);
        for wrong in ["", "G", "4", "4 GB", "-1G", "nanG", "é"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }
}
