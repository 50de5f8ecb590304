//! A user namespace with a binfmt_misc of its own.

use std::ffi::CStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getegid, geteuid, write};

use super::binfmt::BinfmtEntry;
use super::refusal::{Refusal, Step, explain};
use super::status_mask;

/// All that entering needs, made before the fork, because nothing may allocate after it.
pub(super) struct Namespace {
    lines: Vec<Vec<u8>>,
    /// A caller with the capabilities for it keeps every id that it can see: maps of users and of groups.
    all: Option<[String; 2]>,
    /// Anyone else keeps its own ids only, and has to be root to register, for binfmt_misc's files belong to the
    /// namespace's root. So there are two namespaces: in the first it is root, in the second itself again.
    root: [String; 2],
    itself: [String; 2],
}

impl Namespace {
    pub(super) fn new<'a>(entries: impl IntoIterator<Item = &'a BinfmtEntry>) -> anyhow::Result<Self> {
        let lines = entries.into_iter().map(BinfmtEntry::register_line);
        // CAP_SETGID, CAP_SETUID and CAP_SETFCAP (linux/capability.h), which user_namespaces(7) wants.
        let needed = 1 << 6 | 1 << 7 | 1 << 31;
        let all = (status_mask("CapEff") & needed == needed)
            .then(|| anyhow::Ok([identity("/proc/self/uid_map")?, identity("/proc/self/gid_map")?]));
        let own = [geteuid().as_raw(), getegid().as_raw()];
        Ok(Self {
            lines: lines.collect::<anyhow::Result<_>>()?,
            all: all.transpose()?,
            root: own.map(|id| format!("0 {id} 1")),
            itself: own.map(|id| format!("{id} 0 1")),
        })
    }

    /// Takes this process into the namespace. Async-signal-safe, as its parts are: system calls only, no allocation.
    pub(super) fn enter(&self) -> Result<(), Refusal> {
        self.leave_the_machines()?;
        self.register()?;
        self.become_itself()
    }

    /// Enters the first part: namespaces of users and mounts, in which this process may mount.
    pub(super) fn leave_the_machines(&self) -> Result<(), Refusal> {
        let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
        match &self.all {
            Some(maps) => unshare_mapped_by_helper(both, maps)?,
            None => unshare_mapped_by_itself(both, &self.root)?,
        }
        // Slave rather than private: nothing of ours gets out, but an automounted home still comes in.
        mount(NONE, c"/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE).map_err(Refusal::at(Step::Mount))
    }

    /// Makes the second: a binfmt_misc with its formats.
    pub(super) fn register(&self) -> Result<(), Refusal> {
        const BINFMT: Option<&CStr> = Some(c"binfmt_misc");
        mount(BINFMT, c"/proc/sys/fs/binfmt_misc", BINFMT, MsFlags::empty(), NONE).map_err(Refusal::at(Step::Mount))?;
        let register = c"/proc/sys/fs/binfmt_misc/register";
        let register =
            open(register, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(Refusal::at(Step::Register))?;
        for (entry, line) in self.lines.iter().enumerate() {
            write(&register, line).map_err(|errno| Refusal(Step::Register, errno, entry as u8))?;
        }
        Ok(())
    }

    /// Enters the last, which has the ids of the caller.
    pub(super) fn become_itself(&self) -> Result<(), Refusal> {
        match &self.all {
            Some(_) => Ok(()),
            None => unshare_mapped_by_itself(CloneFlags::CLONE_NEWUSER, &self.itself),
        }
    }

    /// Returns true if files of other ids than the caller's own can be written.
    pub(super) fn has_all_ids(&self) -> bool {
        self.all.is_some()
    }
}

/// An argument that mount(2) does without.
const NONE: Option<&CStr> = None;

/// Returns the map onto themselves of all ids in a map: `inside outside count` becomes `inside inside count`.
fn identity(path: &str) -> anyhow::Result<String> {
    let map = fs::read_to_string(path).context(path.to_owned())?;
    let line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (first, _, count) = (fields.next()?, fields.next()?, fields.next()?);
        Some(format!("{first} {first} {count}\n"))
    };
    Ok(map.lines().filter_map(line).collect())
}

fn put(directory: impl AsFd, file: &CStr, text: &str) -> nix::Result<()> {
    let file = openat(directory, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, text.as_bytes()).map(drop)
}

fn own_proc() -> Result<OwnedFd, Refusal> {
    open(c"/proc/self", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(Refusal::at(Step::Map))
}

fn unshare_mapped_by_itself(flags: CloneFlags, [users, groups]: &[String; 2]) -> Result<(), Refusal> {
    unshare(flags).map_err(Refusal::at(Step::Unshare))?;
    let proc = own_proc()?;
    // Without privilege groups may only be mapped after setgroups(2) was given up: user_namespaces(7).
    [(c"setgroups", "deny"), (c"uid_map", users), (c"gid_map", groups)]
        .into_iter()
        .try_for_each(|(file, text)| put(&proc, file, text))
        .map_err(Refusal::at(Step::Map))
}

/// Unshares with a map of more than one id, which a process with privilege outside must write: hence the helper.
fn unshare_mapped_by_helper(flags: CloneFlags, [users, groups]: &[String; 2]) -> Result<(), Refusal> {
    let proc = own_proc()?;
    let (mut ready, mut go) = io::pipe().map_err(|_| Refusal::at(Step::Map)(Errno::last()))?;
    // SAFETY: the helper makes system calls only and ends with _exit.
    match unsafe { fork() }.map_err(Refusal::at(Step::Map))? {
        ForkResult::Child => {
            drop(go);
            let code = match ready.read(&mut [0]) {
                Ok(1) => put(&proc, c"uid_map", users).and_then(|()| put(&proc, c"gid_map", groups)).err(),
                _ => None,
            };
            // SAFETY: ends this process without running the handlers of the one it was copied from.
            unsafe { libc::_exit(code.map_or(0, |errno| errno as i32)) }
        }
        ForkResult::Parent { child } => {
            let outcome = unshare(flags).map_err(Refusal::at(Step::Unshare));
            // A failed write means a dead helper, which its status tells.
            let _ = if outcome.is_ok() { go.write(&[1]) } else { Ok(0) };
            drop(go);
            let helper = waitpid(child, None).map_err(Refusal::at(Step::Map))?;
            outcome?;
            match helper {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(_, errno) => Err(Refusal::at(Step::Map)(Errno::from_raw(errno))),
                _ => Err(Refusal::at(Step::Map)(Errno::EINTR)),
            }
        }
    }
}

/// Tries to have a private binfmt_misc here.
///
/// A forked child tries it and never executes anything, so any thread of any process may ask.
///
/// # Errors
///
/// It is refused: the text says by what, in plain words.
pub fn probe() -> Result<(), String> {
    let interpreter = Path::new("/proc/self/exe");
    let namespace = Namespace::new([&BinfmtEntry::plain("cross-flake-probe", b"cross-flake-probe", interpreter)])
        .map_err(|error| format!("{error:#}"))?;
    let mut command = Command::new(interpreter);
    let done = Refusal(Step::Done, Errno::UnknownErrno, 0);
    // SAFETY: `enter` makes system calls only, and the error is a number.
    unsafe { command.pre_exec(move || Err(namespace.enter().err().unwrap_or(done).pack())) };
    let error = command.spawn().err().context("the probe ran on").map_err(|error| error.to_string())?;
    match Refusal::unpack(&error) {
        Some(Refusal(Step::Done, ..)) => Ok(()),
        Some(refusal) => Err(explain(refusal)),
        None => Err(format!("no process could be started: {error}")),
    }
}
