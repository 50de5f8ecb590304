//! Traces a program and all that it starts, for what the kernel does not do by itself here.
//!
//! A filter of system calls stops it at those that matter (ptrace(2), seccomp(2)); at all others it runs as ever. That needs no
//! privilege.
//!
//! - Where there can be no binfmt_misc of our own, a call of execve(2) with a program for another processor becomes one of its emulator.
//! - A program can be watched for what it learns of the world outside and does to it: [`Seen`]. Asking for the date is no system call
//!   where the kernel has put its code into the program (vdso(7)), so that is taken from each program before its first instruction:
//!   then it is one. This is no protection against a program that hides what it does. It finds what tests do by chance.

mod calls;
mod execute;
mod process;
mod seen;

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{ForkResult, Pid, execve, fork};

use super::binfmt::BinfmtEntry;
use calls::{At, Call, call};
use process::{Change, Process, change_of, exists, go_on, info, seen_by, stay, without_kernels_code};
use seen::Place;
pub use seen::Seen;

/// Names a file to which the runner writes what the program was [`Seen`] to do. The program does not see the variable, and wine's are
/// not watched: its server opens files for them.
pub const WATCH_VARIABLE: &str = "CROSS_FLAKE_RUNNER_WATCH";

/// Stands for the kernel's or a container's refusal to have a program traced; no error of the kernel's has this number.
const REFUSED: i32 = 4000;

/// Why a program is traced.
pub(super) struct Purpose {
    /// The emulators that it may run in, if it is to be seen what it does.
    pub(super) emulators: Option<Vec<PathBuf>>,
    /// Formats whose programs are started by their interpreters.
    pub(super) formats: Vec<BinfmtEntry>,
}

/// A traced program.
pub(super) struct Watch {
    program: Pid,
    purpose: Purpose,
    /// Processes with an emulator that has not asked for the machine's memory yet, as qemu does before its program begins.
    begun: HashSet<Pid>,
    /// The program itself has begun.
    executed: bool,
    seen: Seen,
}

impl Watch {
    /// Starts a program. `prepare` runs in the new process, and must be async-signal-safe.
    ///
    /// # Errors
    /// What `prepare` says, or why there can be no such process; of the kind `Unsupported` where no program can be traced.
    pub(super) fn start(
        prepare: &mut impl FnMut() -> io::Result<()>,
        (argv, envp): &(Vec<CString>, Vec<CString>),
        purpose: Purpose,
    ) -> io::Result<Watch> {
        let filter = calls::filter(purpose.emulators.is_some());
        // Closed when the program begins.
        let (mut failure, mut report) = io::pipe()?;
        let (mut go, may_go) = io::pipe()?;
        // SAFETY: this process has one thread, so that the child may allocate, as execve does for its vectors.
        let program = match unsafe { fork() }? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                drop(may_go);
                let refused = |_| io::Error::from_raw_os_error(REFUSED);
                let mut begin = || -> io::Result<()> {
                    // Until it is traced; nobody lets it go where that cannot be.
                    go.read_exact(&mut [0]).map_err(|_| io::Error::from_raw_os_error(REFUSED))?;
                    // Rust ignores it in this process, as nobody else does.
                    // SAFETY: no handler is installed.
                    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
                    prepare()?;
                    calls::install(&filter).map_err(refused)?;
                    Err(execve(&argv[0], argv, envp).unwrap_err().into())
                };
                let code = begin().err().and_then(|error| error.raw_os_error()).unwrap_or(libc::EINVAL);
                let _ = report.write(&code.to_ne_bytes());
                // SAFETY: ends this process without running the handlers of the one it was copied from.
                unsafe { libc::_exit(127) }
            }
        };
        drop((report, go));
        let options = Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_EXITKILL;
        if ptrace::seize(program, options).is_ok() {
            (&may_go).write_all(&[0])?;
        }
        drop(may_go);
        let mut watch = Watch { program, purpose, begun: HashSet::new(), executed: false, seen: Seen::default() };
        while !watch.executed {
            // Of any process: what `prepare` starts is traced as well.
            let (pid, change) = change_of(Pid::from_raw(-1), 0)?.ok_or(Errno::ECHILD)?;
            if watch.heed(pid, change).is_some() {
                let mut code = [0; 4];
                failure.read_exact(&mut code)?;
                return Err(match i32::from_ne_bytes(code) {
                    REFUSED => io::ErrorKind::Unsupported.into(),
                    code => io::Error::from_raw_os_error(code),
                });
            }
        }
        Ok(watch)
    }

    /// Waits as [`super::reaper::wait_for`] does.
    pub(super) fn wait_for(&mut self, watched: &SigSet) -> nix::Result<i32> {
        loop {
            while let Ok(Some((pid, change))) = change_of(Pid::from_raw(-1), libc::WNOHANG) {
                if let Some(code) = self.heed(pid, change) {
                    return Ok(code);
                }
            }
            match watched.wait()? {
                Signal::SIGCHLD => {}
                signal => return Ok(128 + signal as i32),
            }
        }
    }

    /// All that was seen, if anybody looked.
    pub(super) fn seen(self) -> Option<Seen> {
        self.purpose.emulators.map(|_| self.seen)
    }

    /// Heeds the stop or the end of a process, and gives the code if it is the end of the program.
    fn heed(&mut self, pid: Pid, change: Change) -> Option<i32> {
        match change {
            Change::End(code) => {
                // Its number may be another's soon.
                self.begun.remove(&pid);
                return Some(code).filter(|_| pid == self.program);
            }
            Change::Event(event) => {
                if event == Event::PTRACE_EVENT_SECCOMP as i32 {
                    self.stopped_at_call(pid);
                } else if event == Event::PTRACE_EVENT_EXEC as i32 {
                    self.executed |= pid == self.program;
                    self.began(pid);
                }
                go_on(pid, 0);
            }
            Change::Signal(signal) => go_on(pid, signal),
            Change::Stopped => {
                // Which takes as long as somebody outside likes.
                self.seen.goes_beyond(|| "stops a process".to_owned());
                stay(pid);
            }
        }
        None
    }

    /// A process begins another program: what it asks the kernel, it is to ask by calls.
    fn began(&mut self, pid: Pid) {
        let Some(emulators) = &self.purpose.emulators else { return };
        if let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) {
            if emulators.contains(&program) {
                self.begun.insert(pid);
            }
            self.note(program, Noted::Read);
        }
        if without_kernels_code(pid).is_err() {
            self.seen.goes_beyond(|| "starts a program that cannot be watched".to_owned());
        }
    }

    fn stopped_at_call(&mut self, pid: Pid) {
        let info = match info(pid) {
            Ok(info) => info,
            // It was killed meanwhile.
            Err(Errno::ESRCH) => return,
            Err(_) => return self.seen.goes_beyond(|| "makes system calls that cannot be read".to_owned()),
        };
        let Some(call) = call(info.arch, info.number) else {
            return self.seen.goes_beyond(|| "makes system calls of another architecture".to_owned());
        };
        let process = Process { pid, info };
        if let Err(error) = self.heed_call(&process, call)
            && error != Errno::ESRCH
        {
            self.seen.goes_beyond(|| format!("makes a system call that cannot be followed: {error}"));
        }
    }

    fn heed_call(&mut self, process: &Process, call: Call) -> nix::Result<()> {
        let Process { pid, .. } = *process;
        match call {
            Call::Machine if self.begun.remove(&pid) => {}
            Call::Machine => {
                self.seen.goes_beyond(|| "asks how long the machine has run, and for its memory".to_owned())
            }
            Call::Beyond(what) => self.seen.goes_beyond(|| what.to_owned()),
            Call::Date => self.seen.goes_beyond(|| "asks for the date".to_owned()),
            Call::Open(at, flags) => {
                let flags = process.argument(flags) as i32;
                self.open(process, at, flags)?;
            }
            Call::OpenHow => {
                let how = process.read(process.argument(2), 8)?;
                let flags = how.try_into().map(u64::from_ne_bytes).map_err(|_| Errno::EFAULT)?;
                self.open(process, At { folder: Some(0), path: Some(1) }, flags as i32)?;
            }
            Call::Create(at) => self.open(process, at, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC)?,
            Call::Execute(at) => {
                let opened = || at.folder.and_then(|folder| process.opened(process.argument(folder) as i32));
                if let Some(path) = process.path(at)?.or_else(opened) {
                    process.hand_over(&self.purpose.formats, at, &path)?;
                    self.note(path, Noted::Read);
                }
            }
            Call::Ask(at) => {
                if let Some(path) = process.path(at)? {
                    self.note(path, Noted::Asked);
                }
            }
            Call::List => {
                if let Some(path) = process.opened(process.argument(0) as i32) {
                    self.note(path, Noted::Listed);
                }
            }
            Call::Make(at) => {
                if let Some(path) = process.path(at)? {
                    self.make(pid, path);
                }
            }
            Call::Change(at) => {
                let path = match process.path(at)? {
                    None => at.folder.and_then(|folder| process.opened(process.argument(folder) as i32)),
                    path => path,
                };
                if let Some(path) = path {
                    self.change(pid, path);
                }
            }
            Call::Rename(from, to) => {
                if let (Some(from), Some(to)) = (process.path(from)?, process.path(to)?) {
                    self.change(pid, from);
                    if exists(pid, &to) {
                        self.change(pid, to);
                    } else {
                        self.make(pid, to);
                    }
                }
            }
            Call::SymbolicLink(at) => {
                let target = PathBuf::from(process.text(process.argument(0))?);
                if let Some(path) = process.path(at)? {
                    let place = path.parent().unwrap_or(Path::new("/")).join(target);
                    if self.seen.place(&place) != Place::Own {
                        self.seen.goes_beyond(|| format!("makes a link to {}", place.display()));
                    }
                    self.make(pid, path);
                }
            }
            Call::Socket | Call::Bind | Call::Connect => self.heed_socket(process, call)?,
        }
        Ok(())
    }

    fn heed_socket(&mut self, process: &Process, call: Call) -> nix::Result<()> {
        if call == Call::Socket {
            if process.argument(0) as i32 != libc::AF_UNIX {
                self.seen.goes_beyond(|| "uses the network".to_owned());
            }
            return Ok(());
        }
        match process.socket()? {
            None => {}
            Some(path) if !path.is_absolute() => {
                self.seen.goes_beyond(|| "talks to other processes by a socket's name".to_owned());
            }
            Some(path) if call == Call::Bind => self.make(process.pid, path),
            Some(path) if self.seen.place(&path) == Place::Own => {}
            Some(path) if exists(process.pid, &path) => {
                self.seen.goes_beyond(|| format!("talks to {}", path.display()))
            }
            Some(path) => self.note(path, Noted::Asked),
        }
        Ok(())
    }

    fn open(&mut self, process: &Process, at: At, flags: i32) -> nix::Result<()> {
        let pid = process.pid;
        let Some(path) = process.path(at)? else { return Ok(()) };
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            // It has no name, and is gone when it is closed.
            self.note(path, Noted::Asked);
        } else if flags & libc::O_CREAT != 0 && self.seen.place(&path) == Place::World && !exists(pid, &path) {
            self.make(pid, path);
        } else if writes && exists(pid, &path) {
            self.change(pid, path);
        } else {
            let is_folder = fs::metadata(seen_by(pid, &path)).is_ok_and(|metadata| metadata.is_dir());
            let only_asks = is_folder || flags & libc::O_PATH != 0;
            self.note(path, if only_asks { Noted::Asked } else { Noted::Read });
        }
        Ok(())
    }

    /// Notes that something is made where nothing was.
    fn make(&mut self, pid: Pid, path: PathBuf) {
        if self.seen.place(&path) == Place::World {
            if exists(pid, &path) {
                return self.note(path, Noted::Asked);
            }
            if let Some(folder) = path.parent() {
                self.note(folder.to_owned(), Noted::Asked);
            }
            self.seen.made.insert(path);
        }
    }

    /// Notes that something is changed or removed.
    fn change(&mut self, pid: Pid, path: PathBuf) {
        match self.seen.place(&path) {
            Place::Own | Place::Neutral => {}
            Place::World if !exists(pid, &path) => self.note(path, Noted::Asked),
            Place::World | Place::Fleeting => self.seen.goes_beyond(|| format!("changes {}", path.display())),
        }
    }

    /// Notes that a program learns what is at a path.
    fn note(&mut self, path: PathBuf, how: Noted) {
        match (self.seen.place(&path), how) {
            (Place::Own | Place::Neutral, _) => {}
            (Place::Fleeting, _) => self.seen.goes_beyond(|| format!("looks at {}", path.display())),
            (Place::World, Noted::Read) => drop(self.seen.read.insert(path)),
            (Place::World, Noted::Asked) => drop(self.seen.asked.insert(path)),
            (Place::World, Noted::Listed) => drop(self.seen.listed.insert(path)),
        }
    }
}

/// What a program learns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noted {
    Read,
    Asked,
    Listed,
}
