//! Results of earlier runs, for test programs of which nothing has changed (`--cached`).
//!
//! A program that passed is watched by the runner: which files it read or asked after, which directories it listed, what it left behind
//! ([`Seen`]). Its result is kept under the hash of all that it was given: its path, its runner, its arguments, its variables, the
//! user, the kernel and the number of processors. With it stands what each of those files looked like then. Where all of them look so
//! now, the program would do the same again, and its result is taken.
//!
//! - What asks for the date, uses the network or talks to other processes, changes or leaves a file, or looks at something that differs
//!   from run to run has no result that could be kept. Nor has a program of wine's, whose server opens files for it.
//! - One result in [`SHARE`] is not believed: the program runs all the same. If it does something else then, all results are dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use cross_flake_runner::{RunnerKind, Seen};
use serde::{Deserialize, Serialize};

use super::job::{Job, Program};
use crate::cache::write_whole;
use crate::host::digest::StableHasher;
use crate::outcome::{Case, Counts, ProgramResult};
use crate::workspace::Workspace;

/// One result in so many is not believed.
const SHARE: usize = 20;
/// The file system's clock goes in steps of as much (`CONFIG_HZ` of 100).
const STEP: Duration = Duration::from_millis(10);
/// Variables that differ from one terminal to the next. Programs do not get them in a run that keeps results.
const VOLATILE: [&str; 12] = [
    "COLUMNS",
    "LINES",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "TERM_SESSION_ID",
    "WINDOWID",
    "XDG_SESSION_ID",
    "_",
];

/// The results of a workspace, in its target directory.
pub struct Kept {
    folder: PathBuf,
    /// What is the same for all programs.
    machine: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Results that were found, in this run and before.
    found: usize,
    /// The program whose result was not true.
    lie: Option<String>,
    /// The reason for which a result could not be written.
    failure: Option<anyhow::Error>,
    /// Programs whose results cannot be kept, by the reason.
    never: BTreeMap<String, BTreeSet<String>>,
}

/// The name of a result.
#[derive(Clone, Debug)]
pub struct Key(String);

/// A result, and what the program saw.
#[derive(Serialize, Deserialize)]
struct Record {
    title: String,
    counts: Counts,
    cases: Vec<Case>,
    binfmt: Option<bool>,
    /// How what it saw looked at its end.
    files: BTreeMap<PathBuf, String>,
    folders: BTreeMap<PathBuf, String>,
}

impl Kept {
    /// Opens those of a workspace.
    pub fn open(workspace: &Workspace) -> Kept {
        let folder = workspace.metadata.target_directory.as_std_path().join("cross-flake/kept");
        let mut hasher = StableHasher::default();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let system = nix::sys::utsname::uname().ok();
        let system = system.iter().flat_map(|system| [system.nodename(), system.release(), system.version()]);
        system.for_each(|text| text.hash(&mut hasher));
        (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()).hash(&mut hasher);
        std::thread::available_parallelism().map_or(0, usize::from).hash(&mut hasher);
        let found = fs::read_to_string(folder.join(FOUND)).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        Kept { folder, machine: hasher.finish(), state: Mutex::new(State { found, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what differs from one terminal to the next out of a job, and returns the name of its result; `None` for one that cannot be
    /// watched.
    pub fn key(&self, job: &mut Job) -> Option<Key> {
        let Program::Test { file, runner } = &job.program else { return None };
        if runner.as_ref().is_some_and(|runner| runner.kind == RunnerKind::Wine) {
            self.never(job, "wine's server opens files for it");
            return None;
        }
        VOLATILE.iter().for_each(|name| drop(job.env.remove(OsStr::new(name))));
        let mut hasher = StableHasher::default();
        (self.machine, file, &job.title, &job.args, &job.cwd, &job.env).hash(&mut hasher);
        serde_json::to_string(runner).unwrap_or_default().hash(&mut hasher);
        Some(Key(format!("{:016x}", hasher.finish())))
    }

    fn file(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.json", key.0))
    }

    /// Returns the result of a program of which nothing has changed, and whether it is believed.
    pub fn find(&self, key: &Key) -> Option<(ProgramResult, bool)> {
        let record: Record = serde_json::from_slice(&fs::read(self.file(key)).ok()?).ok()?;
        let same = record.files.iter().all(|(path, looks)| look(path) == *looks)
            && record.folders.iter().all(|(path, looks)| entries(path) == *looks);
        if !same {
            return None;
        }
        let Record { title, counts, cases, binfmt, .. } = record;
        let mut state = self.state();
        state.found += 1;
        let believed = !state.found.is_multiple_of(SHARE);
        let result = ProgramResult { counts, cases, binfmt, kept: true, ..ProgramResult::of(title) };
        Some((result, believed))
    }

    /// Keeps the result of a program that has run, if another run would be the same.
    pub fn keep(&self, key: &Key, job: &Job, begin: SystemTime, seen: &Seen, result: &ProgramResult) {
        if let Some(beyond) = &seen.beyond {
            return self.never(job, beyond);
        }
        let own = match &job.program {
            Program::Test { file, .. } => Some(file.as_path()),
            Program::Doctests { .. } | Program::Nextest { .. } | Program::Step { .. } => None,
        };
        let looks = |path: &PathBuf| (path.clone(), look(path));
        let files: BTreeMap<_, _> = seen.read.iter().chain(&seen.asked).map(looks).collect();
        let folders: BTreeMap<_, _> = seen.listed.iter().map(|path| (path.clone(), entries(path))).collect();
        // What another run finds is what this one found only if nothing changed meanwhile.
        let changed = |path: &&PathBuf| Some(path.as_path()) != own && changed_since(path, begin);
        if seen.read.iter().chain(&seen.listed).any(|path| changed(&path)) {
            return;
        }
        let ProgramResult { title, counts, cases, binfmt, .. } = result.clone();
        let record = Record { title, counts, cases, binfmt, files, folders };
        let text = serde_json::to_vec(&record).map_err(anyhow::Error::from);
        if let Err(error) = text.and_then(|text| write_whole(&self.file(key), &text, false)) {
            self.state().failure.get_or_insert(error);
        }
    }

    /// Notes that a result cannot be kept.
    pub fn never(&self, job: &Job, reason: &str) {
        self.state().never.entry(reason.to_owned()).or_default().insert(job.title.clone());
    }

    /// Compares a result that was found with what the program did when it ran all the same.
    pub fn compare(&self, found: &ProgramResult, ran: &ProgramResult) {
        // Tests of a program run at once, and end in any order.
        let of = |result: &ProgramResult| -> BTreeSet<(String, String)> {
            result.cases.iter().map(|case| (case.name.clone(), format!("{:?}", case.result))).collect()
        };
        if ran.failure.is_some() || found.counts != ran.counts || of(found) != of(ran) {
            self.state().lie.get_or_insert_with(|| ran.title.clone());
        }
    }

    /// Ends a run: drops everything if a result was not true. Returns what is to be said.
    ///
    /// # Errors
    /// The target directory cannot be written.
    pub fn end(&self) -> Result<Vec<String>> {
        let mut state = self.state();
        if let Some(error) = state.failure.take() {
            return Err(error);
        }
        if let Some(title) = &state.lie {
            fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))?;
            return Ok(vec![format!(
                "the kept result of {title} is not what it does now: all kept results are dropped"
            )]);
        }
        if state.found > 0 {
            write_whole(&self.folder.join(FOUND), state.found.to_string().as_bytes(), false)?;
        }
        let line = |(reason, titles): (&String, &BTreeSet<String>)| {
            let names: Vec<&str> = titles.iter().take(3).map(String::as_str).collect();
            let more = titles.len() - names.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("runs every time: {}{more}: {reason}", names.join(", "))
        };
        Ok(state.never.iter().map(line).collect())
    }
}

/// The file with the number of results that were found.
const FOUND: &str = "found";

/// How a path looks: enough to see that it is as it was. Of `/proc` it is the content that counts.
fn look(path: &Path) -> String {
    if path.starts_with("/proc") {
        return fs::read(path).map_or_else(|_| "absent".to_owned(), |content| hash(&content));
    }
    let Ok(own) = fs::symlink_metadata(path) else { return "absent".to_owned() };
    let link = if own.is_symlink() {
        fs::read_link(path).map_or_else(|_| String::new(), |target| format!("{} -> ", target.display()))
    } else {
        String::new()
    };
    let Ok(metadata) = fs::metadata(path) else { return link + "absent" };
    let (mode, owner) = (metadata.mode(), metadata.uid());
    if metadata.is_dir() {
        // What is in it is looked at by itself.
        return format!("{link}{mode:o} {owner}");
    }
    let (size, inode) = (metadata.size(), metadata.ino());
    let times = [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())];
    let [mtime, ctime] = times.map(|(seconds, rest)| format!("{seconds}.{rest:09}"));
    format!("{link}{mode:o} {owner} {size} {inode} {mtime} {ctime}")
}

/// How a directory looks to who lists it.
fn entries(path: &Path) -> String {
    let Ok(entries) = fs::read_dir(path) else { return "absent".to_owned() };
    let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let all: Vec<u8> = names.iter().flat_map(|name| [name.as_bytes(), b"/"].concat()).collect();
    hash(&all)
}

fn hash(content: &[u8]) -> String {
    let mut hasher = StableHasher::default();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

fn changed_since(path: &Path, begin: SystemTime) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    let changed = SystemTime::UNIX_EPOCH + Duration::new(metadata.ctime().unsigned_abs(), metadata.ctime_nsec() as u32);
    changed + STEP >= begin
}

/// Returns what a program was seen to do, in a room whose `/` is at a path; `None` if the runner has watched nothing.
pub fn seen_in(file: &Path, root: &Path) -> Option<Seen> {
    let mut seen = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    compare_room(&mut seen, root);
    Some(seen)
}

/// Looks whether what a program saw in its room is what there is outside, and what it left there; the result is in `seen`.
fn compare_room(seen: &mut Seen, root: &Path) {
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let what = |path: &Path| {
        let metadata = fs::symlink_metadata(path).ok()?;
        let of_file = (!metadata.is_dir()).then(|| (metadata.size(), metadata.mtime(), metadata.mtime_nsec()));
        Some((metadata.mode(), of_file))
    };
    let own = |path: &&PathBuf| !path.starts_with("/proc");
    let differs = |path: &&PathBuf| what(path) != what(&inside(path));
    let listed = seen.listed.iter().find(|path| entries(path) != entries(&inside(path)));
    if seen.beyond.is_some() {
        return;
    }
    if let Some(path) = seen.made.iter().find(|path| what(&inside(path)).is_some()) {
        seen.beyond = Some(format!("leaves {} behind", path.display()));
    } else if let Some(path) = seen.read.iter().chain(&seen.asked).filter(own).find(differs).or(listed) {
        seen.beyond = Some(format!("looks at {}, which another test program has changed", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CaseResult;

    #[test]
    fn tests_end_in_any_order_and_are_no_lie_for_that() {
        let result = |cases: &[(&str, CaseResult)]| {
            let case = |(name, result): &(&str, CaseResult)| Case { name: (*name).to_owned(), result: *result };
            ProgramResult { cases: cases.iter().map(case).collect(), ..ProgramResult::of("program".to_owned()) }
        };
        let (a, b) = (("a", CaseResult::Passed), ("b", CaseResult::Passed));
        let ignored = ("b", CaseResult::Ignored);
        for (ran, lies) in [(&[b, a][..], false), (&[a, ignored], true), (&[a], true)] {
            let kept = Kept { folder: PathBuf::new(), machine: 0, state: Mutex::default() };
            kept.compare(&result(&[a, b]), &result(ran));
            assert_eq!(kept.state().lie.is_some(), lies, "{ran:?}");
        }
    }
}
