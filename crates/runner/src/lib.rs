//! Starts one program of a target: `cross-flake-runner SPEC -- PROGRAM ARGS…`, which `CARGO_TARGET_<TRIPLE>_RUNNER` names and which
//! the engine of cross-flake starts for every test binary.
//!
//! The program runs in a binfmt_misc of its own, in which every emulator of the machine is registered, so it may
//! start other programs of its target. That needs no root: since Linux 6.7 the owner of a user namespace may mount
//! binfmt_misc in it (Documentation/admin-guide/binfmt-misc.rst). Where this is refused, the emulator is started
//! directly. When the program ends, or a signal ends the runner, everything that it left behind is killed.

mod binfmt;
mod command;
mod format;
mod kinds;
mod namespace;
mod reaper;
mod refusal;
pub mod room;
mod spec;
#[cfg(test)]
mod tests;
mod variables;
mod watch;

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::{ffi::OsStrExt, process::CommandExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{Pid, execve, getpid, getppid};

use binfmt::{BinfmtEntry, head_of};
use format::{explain_exec, explain_format, is_for_another_emulator};
use kinds::native::loader_in;
use kinds::wasmtime::opened_folders;
use kinds::wine::{DLL_NOT_FOUND, WINE_SHARED, explain_libraries};
use namespace::Namespace;
use reaper::{wait_for, watched_signals};
use refusal::{Refusal, Step, explain};
use room::{Door, ROOM_VARIABLE, Room};
use variables::{environment, root_in};
use watch::{Purpose, Watch};

pub use command::{SPECS, by_command, by_name};
pub use namespace::probe;
pub use reaper::{descendants, is_ignored, sweep};
pub use spec::{Entered, PREFIX, ROOT_VARIABLE, RunnerKind, RunnerSpec, STATUS_VARIABLE, Status};
pub use watch::{Seen, WATCH_VARIABLE};

/// Returns a number of /proc/self/status; those that we ask for are written in hexadecimal or have one digit.
fn status_mask(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).unwrap_or(0)
}

/// Runs a program of a target and gives the code with which the runner is to end: the program's own, or 128 and
/// the number of the signal that ended the program or the runner. To be called once, by a process that then ends.
///
/// The runner ends with the *thread* that started it (PR_SET_PDEATHSIG), the program with the runner.
///
/// # Errors
///
/// If the spec cannot be used or the program cannot be started. A refused namespace is no error: see [`Status`].
pub fn run(spec: &RunnerSpec, program: &OsStr, args: &[OsString], binfmt: bool) -> anyhow::Result<i32> {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    if getppid() != parent {
        return Ok(128 + Signal::SIGTERM as i32);
    }
    prctl::set_child_subreaper(true)?;
    // SAFETY: no handler is installed. An inherited SIG_IGN would make the kernel reap our children itself.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let watched = watched_signals();
    let mut mask = SigSet::empty();
    nix::sys::signal::pthread_sigmask(nix::sys::signal::SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut mask))?;

    let entries = binfmt::entries(&spec.binfmt)?;
    let own = head_of(Path::new("/proc/self/exe"));
    let head = head_of(Path::new(program));
    if is_for_another_emulator(spec, if binfmt { &entries } else { &[] }, &head, &own) {
        return Err(explain_format(spec, program));
    }
    let room = room_of_caller()?;
    let environment = environment(spec, Path::new(program), room.as_ref());
    let watches = env::var_os(WATCH_VARIABLE).is_some() && spec.kind != RunnerKind::Wine;
    let start = Start {
        emulator: emulator_of(spec, program, &environment, watches)?,
        by_kernel: spec.kind == RunnerKind::QemuUser && entries.iter().any(|entry| entry.matches(&head)),
        program,
        args,
        environment,
        mask,
        emulators: watches.then(|| spec.emulators()),
        formats: if binfmt && spec.kind == RunnerKind::QemuUser { &entries } else { &[] },
    };
    let mut status = Status { entered: Entered::Direct, refused: None };
    let child = if let Some(room) = room {
        status = Status { entered: room.entered, refused: room.refused.clone() };
        let child = start.by(Way::Shared(Door::to(&room)?, room.entered));
        if let Some(refusal) = child.as_ref().err().and_then(Refusal::unpack) {
            bail!("the room of process {} cannot be entered: {}", room.process, refusal.1.desc());
        }
        child
    } else if binfmt && !entries.is_empty() {
        let child = start.by(Way::Own(Namespace::new(&entries)?));
        match child.as_ref().err().and_then(Refusal::unpack) {
            None => {
                status.entered = Entered::Binfmt;
                child
            }
            Some(refusal) => {
                status.refused = Some(refused(refusal, &entries));
                start.by(Way::Direct)
            }
        }
    } else {
        start.by(Way::Direct)
    };
    let child = child.map_err(|error| explain_exec(spec, program, error))?;
    if status.entered == Entered::Direct && !start.formats.is_empty() && matches!(child, Running::Traced(_)) {
        status.entered = Entered::Traced;
    }
    tell(STATUS_VARIABLE, &status);
    let code = match child {
        Running::Alone(child) => wait_for(child, &watched)?,
        Running::Traced(mut watch) => {
            let code = watch.wait_for(&watched)?;
            if let Some(seen) = watch.seen() {
                tell(WATCH_VARIABLE, &seen);
            }
            code
        }
    };
    if spec.kind == RunnerKind::Wine {
        sweep(&WINE_SHARED);
        if code == DLL_NOT_FOUND {
            explain_libraries(spec, Path::new(program));
        }
    } else {
        sweep(&[]);
    }
    Ok(code)
}

/// Writes to the file that a variable names, if it is there.
fn tell(variable: &str, what: &impl serde::Serialize) {
    if let Some(path) = env::var_os(variable) {
        let written = serde_json::to_vec(what).map_err(io::Error::from).and_then(|json| fs::write(&path, json));
        written.unwrap_or_else(|error| eprintln!("cross-flake-runner: {}: {error}", Path::new(&path).display()));
    }
}

/// Returns the emulator of a program and its arguments.
fn emulator_of(
    spec: &RunnerSpec,
    program: &OsStr,
    environment: &BTreeMap<OsString, OsString>,
    watches: bool,
) -> anyhow::Result<Vec<OsString>> {
    let mut emulator: Vec<OsString> = spec.command.iter().map(OsString::from).collect();
    if spec.kind == RunnerKind::Wasmtime && watches {
        // What it keeps of earlier runs would seem to be the program's.
        emulator
            .iter_mut()
            .filter(|word| word.as_bytes().starts_with(b"-Ccache"))
            .for_each(|word| *word = "-Ccache=n".into());
    }
    if spec.kind == RunnerKind::Wasmtime
        // Before what ends wasmtime's own arguments.
        && let Some(end) = emulator.iter().position(|word| word == "--")
    {
        let folders = opened_folders(Path::new("/"), Path::new("."));
        emulator.splice(end..end, folders.into_iter().map(OsString::from));
    }
    if spec.kind == RunnerKind::Native
        && let Some(root) = root_in(environment)
    {
        emulator.extend(loader_in(&root, Path::new(program))?);
    }
    Ok(emulator)
}

/// A program about to be started.
struct Start<'a> {
    /// The emulator and its arguments.
    emulator: Vec<OsString>,
    /// The kernel starts the emulator by itself, once that is registered.
    by_kernel: bool,
    program: &'a OsStr,
    args: &'a [OsString],
    environment: BTreeMap<OsString, OsString>,
    /// The signals that were blocked before the runner blocked others.
    mask: SigSet,
    /// What it does to the world around it is to be seen; these are the emulators that it may run in.
    emulators: Option<Vec<PathBuf>>,
    /// Formats of programs that it may start, and that the kernel may not know.
    formats: &'a [BinfmtEntry],
}

/// A program that was started.
enum Running {
    Alone(Pid),
    Traced(Box<Watch>),
}

impl Start<'_> {
    fn by(&self, way: Way) -> io::Result<Running> {
        let registered = match &way {
            Way::Direct => false,
            Way::Own(_) => true,
            Way::Shared(_, entered) => *entered == Entered::Binfmt,
        };
        let emulator = if registered && self.by_kernel { &[] } else { &self.emulator[..] };
        let line = emulator.iter().map(OsString::as_os_str).chain([self.program]);
        let line: Vec<_> = line.chain(self.args.iter().map(OsString::as_os_str)).collect();
        let is_path = line[0].as_bytes().contains(&b'/');
        let (runner, mask) = (getpid(), self.mask);
        // System calls only, and the errors are numbers.
        let mut prepare = move || -> io::Result<()> {
            match &way {
                Way::Direct => Ok(()),
                Way::Own(namespace) => namespace.enter(),
                Way::Shared(door, _) => door.enter(),
            }
            .map_err(Refusal::pack)?;
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            if getppid() != runner {
                return Err(Errno::ESRCH.into());
            }
            Ok(mask.thread_set_mask()?)
        };
        let exact = is_path.then(|| exact(&line, &self.environment)).transpose()?;
        let formats = if registered { &[] } else { self.formats };
        let purpose = Purpose { emulators: self.emulators.clone(), formats: formats.to_vec() };
        if let (Some(exact), true) = (&exact, self.emulators.is_some() || !formats.is_empty()) {
            match Watch::start(&mut prepare, exact, purpose) {
                // The program runs all the same, and whoever asked finds nothing written.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                watch => return watch.map(|watch| Running::Traced(Box::new(watch))),
            }
        }
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env_clear().envs(&self.environment);
        // SAFETY: execve makes two vectors of pointers, which is sound because this process has one thread.
        unsafe {
            command.pre_exec(move || {
                prepare()?;
                match &exact {
                    Some((argv, envp)) => Err(execve(&argv[0], argv, envp).unwrap_err().into()),
                    None => Ok(()),
                }
            })
        };
        let child = command.spawn()?;
        Ok(Running::Alone(Pid::from_raw(child.id().cast_signed())))
    }
}

/// The namespaces that a program runs in.
enum Way {
    /// Those of the runner.
    Direct,
    /// One that is made for it.
    Own(Namespace),
    /// A room that others share, and the way in which emulators are started there.
    Shared(Door, Entered),
}

/// Explains why a namespace was refused, and names what could not be registered.
fn refused(refusal: Refusal, entries: &[BinfmtEntry]) -> String {
    let Refusal(step, _, entry) = refusal;
    let entry = entries.get(usize::from(entry)).filter(|_| step == Step::Register);
    let entry = entry.map(|entry| format!("{}: ", entry.interpreter.display()));
    entry.unwrap_or_default() + &explain(refusal)
}

/// Returns the room that [`ROOM_VARIABLE`] names.
fn room_of_caller() -> anyhow::Result<Option<Room>> {
    let Some(path) = env::var_os(ROOM_VARIABLE) else { return Ok(None) };
    let unreadable = || format!("cannot read the room {}", Path::new(&path).display());
    let text = fs::read(&path).with_context(unreadable)?;
    serde_json::from_slice(&text).map(Some).with_context(unreadable)
}

/// Returns the arguments of execve(2). Command would use execvp(3), which hands a file of unknown format to sh, and sh might even
/// succeed. So a path is executed as it is; only a bare name is left to Command, to be searched for.
fn exact(line: &[&OsStr], environment: &BTreeMap<OsString, OsString>) -> io::Result<(Vec<CString>, Vec<CString>)> {
    let argv: Result<_, _> = line.iter().map(|word| CString::new(word.as_bytes())).collect();
    let pairs = environment.iter().map(|(name, value)| [name.as_bytes(), value.as_bytes()].join(&b'='));
    let envp: Result<_, _> = pairs.map(CString::new).collect();
    Ok((argv?, envp?))
}
