//! Processes at one look: their kinds, their memory, and their time.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::iter;

use cross_flake::host::capacity;

/// The purpose of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Compiling Rust.
    Rustc,
    /// Compiling C, linking, and the scripts around both.
    Native,
    /// Processes that a runner has started.
    Test,
    /// cargo and xtask.
    Own,
    /// Anything else on the machine, and processes that lived for less than a look.
    Other,
}

/// The number of kinds.
pub const KINDS: usize = 5;

/// The names of the kinds in a plot.
pub const KIND_NAMES: [&str; KINDS] = ["rustc", "C compiler and linker", "tests", "cargo and xtask", "other"];

/// A process at one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// The number of its parent.
    pub parent: i32,
    /// Its name, cut off after 15 bytes.
    pub name: String,
    /// Pages in memory, those that it shares among them.
    pub pages: u64,
    /// CPU time of its threads, without its children's.
    pub ticks: u64,
}

/// Reads a line of proc_pid_stat(5): `pid (name) state parent …`, where the name may hold anything; fields 14 and 15 are utime
/// and stime, and 24 is rss.
fn process(stat: &str) -> Option<(i32, Process)> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let parent = fields.get(1)?.parse().ok()?;
    let process = Process { parent, name: name.to_owned(), pages: field(24)?, ticks: field(14)? + field(15)? };
    Some((pid.parse().ok()?, process))
}

/// Returns the busy ticks of the machine, from the first line of proc_stat(5).
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).map_while(|f| f.parse().ok()).collect();
    // user, nice, system, then idle and iowait, then irq, softirq and steal.
    Some(fields.iter().take(3).sum::<u64>() + fields.iter().skip(5).take(2).sum::<u64>())
}

/// Returns the kind of a process by its name, of which Linux keeps 15 bytes. Tests are known by the process that started them,
/// not by their names.
fn kind_of(name: &str, own: &str) -> Kind {
    const NATIVE: [&str; 20] = [
        "zig",
        "sh",
        "cc",
        "c++",
        "cc1",
        "as",
        "ar",
        "ld",
        "gcc",
        "clang",
        "lld",
        "ld.lld",
        "rust-lld",
        "wasm-ld",
        "collect2",
        "xargs",
        "sed",
        "dlltool",
        "rust-objcopy",
        "zig-ar",
    ];
    // xtask may stand in for the compiler, which goes by this name then.
    match name.strip_suffix(".real").unwrap_or(name) {
        "rustc" | "rustdoc" => Kind::Rustc,
        name if name == "cargo" || name == own => Kind::Own,
        // The scripts of the rows: `aarch64-linux-cc`, cut off.
        _ if NATIVE.contains(&name) || name.contains("-linux") || name.contains("-w64-") => Kind::Native,
        _ if ["ld.", "windows-", "macos-", "wasm32-", "x86_64-", "cargo-zig", "zigcc"]
            .iter()
            .any(|p| name.starts_with(p)) =>
        {
            Kind::Native
        }
        _ => Kind::Other,
    }
}

/// Returns the busy ticks of the machine so far.
pub fn machine_busy() -> u64 {
    head("/proc/stat").and_then(|stat| busy_ticks(&stat)).unwrap_or_default()
}

/// Returns every process, by its number.
pub fn processes() -> HashMap<i32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let numbers = entries.filter_map(|name| name.to_str()?.parse::<i32>().ok());
    numbers.filter_map(|pid| process(&head(&format!("/proc/{pid}/stat"))?)).collect()
}

/// Returns the first page of a file of the kernel's, read by one call: std asks for the size first, which such files do not tell,
/// and then reads in small pieces.
pub fn head(file: &str) -> Option<String> {
    let mut page = [0; 4096];
    let length = fs::File::open(file).and_then(|mut file| file.read(&mut page)).ok()?;
    Some(String::from_utf8_lossy(&page[..length]).into_owned())
}

/// Returns the kind of a process: that of a test if a runner is above it.
pub fn kind_below(pid: i32, all: &HashMap<i32, Process>, own: &str, is_runner: impl Fn(i32, &str) -> bool) -> Kind {
    let mut above = all.get(&pid).map(|p| p.parent);
    // Bounded, because numbers are reused while we read.
    for _ in 0..all.len() {
        let Some((parent, process)) = above.and_then(|pid| Some((pid, all.get(&pid)?))) else { break };
        if is_runner(parent, &process.name) {
            return Kind::Test;
        }
        above = Some(process.parent);
    }
    all.get(&pid).map_or(Kind::Other, |p| kind_of(&p.name, own))
}

/// Tells if a process is a runner of programs of a target.
pub fn is_runner(pid: i32, name: &str, own: &str) -> bool {
    // `cross-flake-run-<target>`, cut off, or `xtask runner`.
    name == "cross-flake-run"
        || name == own
            && head(&format!("/proc/{pid}/cmdline")).is_some_and(|line| line.split('\0').nth(1) == Some("runner"))
}

/// Returns every process below one.
pub fn below(own: i32, all: &HashMap<i32, Process>) -> Vec<(i32, &Process)> {
    let parent = |pid: &i32| all.get(pid).map(|process| process.parent);
    // Bounded, because numbers are reused while we read.
    let ours = |pid: i32| iter::successors(parent(&pid), parent).take(all.len()).any(|pid| pid == own);
    all.iter().filter(|(pid, _)| ours(**pid)).map(|(pid, process)| (*pid, process)).collect()
}

/// Returns the size of a page, as the kernel tells it to each process.
pub fn page_size() -> u64 {
    // AT_PAGESZ of getauxval(3), of which /proc/self/auxv is a list of pairs.
    let list = fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<usize> =
        list.chunks_exact(size_of::<usize>()).filter_map(|w| w.try_into().ok()).map(usize::from_ne_bytes).collect();
    words.chunks_exact(2).find(|pair| pair[0] == 6).map_or(4096, |pair| pair[1] as u64)
}

/// Returns the memory of one process: its share of every page, or all of its pages where the kernel does not tell the share.
pub fn memory_of(pid: i32, all: u64) -> u64 {
    let share = head(&format!("/proc/{pid}/smaps_rollup")).and_then(|text| capacity::field(&text, "Pss:"));
    share.map_or(all, |kb| kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "12 (a) (b c) S 7 1 1 0 -1 4194560 1 2 3 4 50 6 900 900 20 0 1 0 100 40960 8 99";
        let (pid, process) = process(stat).unwrap();
        assert_eq!((pid, process), (12, Process { parent: 7, name: "a) (b c".to_owned(), pages: 8, ticks: 56 }));
    }

    #[test]
    fn waiting_for_a_disk_is_not_busy() {
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"), Some(1 + 2 + 4 + 8 + 16));
    }

    #[test]
    fn what_a_runner_starts_is_a_test() {
        let process = |parent, name: &str| Process { parent, name: name.to_owned(), pages: 0, ticks: 0 };
        let all = HashMap::from([
            (1, process(0, "xtask")),
            (2, process(1, "cargo")),
            (3, process(2, "rustc.real")),
            (4, process(3, "aarch64-linux-c")),
            (5, process(1, "cross-flake-run")),
            (6, process(5, "sh")),
        ]);
        let kind = |pid| kind_below(pid, &all, "xtask", |_, name| name == "cross-flake-run");
        assert_eq!([1, 2, 3, 4, 5, 6].map(kind), {
            use Kind::*;
            [Own, Own, Rustc, Native, Other, Test]
        });
    }
}
