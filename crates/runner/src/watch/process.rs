//! A process that has stopped, and its memory.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::calls::{At, word};

/// `PTRACE_GET_SYSCALL_INFO` (linux/ptrace.h).
const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
/// `AT_SYSINFO_EHDR`, the place of the kernel's code, and `AT_IGNORE` (linux/auxvec.h, asm/auxvec.h).
const KERNELS_CODE: u64 = 33;
const IGNORE: u64 = 1;
/// `AT_FDCWD` (linux/fcntl.h).
const HERE: i32 = -100;

/// `struct ptrace_syscall_info` at a stop by a filter.
#[repr(C)]
#[derive(Default)]
pub(super) struct Info {
    op: u8,
    padding: [u8; 3],
    pub(super) arch: u32,
    instruction: u64,
    pub(super) stack: u64,
    pub(super) number: u64,
    arguments: [u64; 6],
    data: u32,
}

/// Signals that stop a process (signal(7)).
const STOPPING: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It ended, with a code as shells have it.
    End(i32),
    /// It stopped at something that was to be told (`PTRACE_EVENT_*`).
    Event(i32),
    /// It stopped before a signal is delivered.
    Signal(i32),
    /// Somebody stopped it, until somebody has it continue.
    Stopped,
}

/// Waits for a change of a process, or of any. Not by nix, which has no name for signals of the C library's own.
pub(super) fn change_of(pid: Pid, options: i32) -> nix::Result<Option<(Pid, Change)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one number.
    let pid = Errno::result(unsafe { libc::waitpid(pid.as_raw(), &raw mut status, options | libc::__WALL) })?;
    let change = if libc::WIFEXITED(status) {
        Change::End(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Change::End(128 + libc::WTERMSIG(status))
    } else if status >> 16 == libc::PTRACE_EVENT_STOP && STOPPING.contains(&libc::WSTOPSIG(status)) {
        Change::Stopped
    } else if status >> 16 != 0 {
        Change::Event(status >> 16)
    } else {
        Change::Signal(libc::WSTOPSIG(status))
    };
    Ok((pid != 0).then_some((Pid::from_raw(pid), change)))
}

/// Has a process go on, with a signal or with none, 0.
pub(super) fn go_on(pid: Pid, signal: i32) {
    // It may have been killed meanwhile.
    // SAFETY: the call takes numbers.
    unsafe { libc::ptrace(libc::PTRACE_CONT, pid.as_raw(), 0_usize, signal as usize) };
}

/// Leaves a process stopped, but to whoever has it continue.
pub(super) fn stay(pid: Pid) {
    // SAFETY: the call takes numbers.
    unsafe { libc::ptrace(libc::PTRACE_LISTEN, pid.as_raw(), 0_usize, 0_usize) };
}

/// A process that has stopped at a call.
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) info: Info,
}

impl Process {
    pub(super) fn argument(&self, index: usize) -> u64 {
        let argument = self.info.arguments[index];
        if word(self.info.arch) == 4 { argument & u64::from(u32::MAX) } else { argument }
    }

    /// Reads so many bytes of its memory.
    pub(super) fn read(&self, at: u64, length: usize) -> nix::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let remote = RemoteIoVec { base: at as usize, len: length };
        let read = process_vm_readv(self.pid, &mut [IoSliceMut::new(&mut bytes)], &[remote])?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Reads a text that ends with a zero.
    pub(super) fn text(&self, mut at: u64) -> nix::Result<OsString> {
        // What is behind the end of a page need not be there.
        const PAGE: u64 = 4096;
        let mut text = Vec::new();
        while text.len() < libc::PATH_MAX as usize {
            let part = self.read(at, (PAGE - at % PAGE) as usize)?;
            if part.is_empty() {
                return Err(Errno::EFAULT);
            }
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                text.extend(&part[..end]);
                return Ok(OsString::from_vec(text));
            }
            at += part.len() as u64;
            text.extend(part);
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Returns the path that a call names; `None` if it names none, but an open file.
    pub(super) fn path(&self, at: At) -> nix::Result<Option<PathBuf>> {
        let pointer = at.path.map_or(0, |index| self.argument(index));
        if pointer == 0 {
            return Ok(None);
        }
        let path = PathBuf::from(match self.text(pointer) {
            Ok(text) => text,
            // The call will fail as well.
            Err(Errno::EFAULT | Errno::ENAMETOOLONG) => return Ok(None),
            Err(error) => return Err(error),
        });
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        if path.is_absolute() {
            return Ok(Some(self.itself(tidy(&path))));
        }
        let folder = at.folder.map_or(HERE, |index| self.argument(index) as i32);
        let base =
            if folder == HERE { fs::read_link(format!("/proc/{}/cwd", self.pid)).ok() } else { self.opened(folder) };
        Ok(base.map(|base| tidy(&base.join(path))))
    }

    /// Returns the path as a call gives it, if it means the same without the call's directory.
    pub(super) fn path_given(&self, at: At) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(self.argument(at.path?)).ok()?);
        let is_here = at.folder.is_none_or(|index| self.argument(index) as i32 == HERE);
        Some(path).filter(|path| !path.as_os_str().is_empty() && (is_here || path.is_absolute()))
    }

    /// Returns a path below the number of the process in `/proc` as one below `/proc/self`.
    fn itself(&self, path: PathBuf) -> PathBuf {
        let Ok(rest) = path.strip_prefix("/proc") else { return path };
        let number = self.number();
        rest.strip_prefix(&number).map_or(path.clone(), |rest| tidy(&Path::new("/proc/self").join(rest)))
    }

    /// Returns its number, which that of a thread is not.
    fn number(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let number = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        number.map_or_else(|| self.pid.to_string(), |number| number.trim().to_owned())
    }

    /// Returns the path of an open file, if it has one.
    pub(super) fn opened(&self, file: i32) -> Option<PathBuf> {
        let path = fs::read_link(format!("/proc/{}/fd/{file}", self.pid)).ok()?;
        path.is_absolute().then_some(path)
    }

    /// Returns the path of a socket; a relative one stands for a name that is no path. `None` if it has no name.
    pub(super) fn socket(&self) -> nix::Result<Option<PathBuf>> {
        let length = (self.argument(2) as usize).min(size_of::<libc::sockaddr_un>());
        let address = self.read(self.argument(1), length)?;
        let Some((family, name)) = address.split_first_chunk::<2>() else { return Ok(None) };
        if i32::from(u16::from_ne_bytes(*family)) != libc::AF_UNIX || name.is_empty() {
            return Ok(None);
        }
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        if end == 0 {
            return Ok(Some(PathBuf::new()));
        }
        let path = Path::new(OsStr::from_bytes(&name[..end]));
        let here = fs::read_link(format!("/proc/{}/cwd", self.pid)).unwrap_or_default();
        Ok(Some(tidy(&here.join(path))))
    }
}

/// A path without `.` and without twice a slash. What `..` is of, only the kernel knows.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

/// A path as a process sees it, which may have other things mounted.
pub(super) fn seen_by(pid: Pid, path: &Path) -> PathBuf {
    let inside = path.strip_prefix("/").unwrap_or(path);
    Path::new(&format!("/proc/{pid}/root")).join(inside)
}

pub(super) fn exists(pid: Pid, path: &Path) -> bool {
    seen_by(pid, path).symlink_metadata().is_ok()
}

/// Asks about a stop.
pub(super) fn info(pid: Pid) -> nix::Result<Info> {
    let mut info = Info::default();
    // SAFETY: the kernel writes at most as many bytes as it is told of.
    let result = unsafe { libc::ptrace(GET_SYSCALL_INFO as _, pid.as_raw(), size_of::<Info>(), &raw mut info) };
    Errno::result(result).map(|_| info)
}

/// Takes the kernel's code out of what a program is told of at its start, which lies above its first stack: the number of its arguments,
/// their places and a zero, those of its variables and a zero, and then pairs of numbers.
pub(super) fn without_kernels_code(pid: Pid) -> io::Result<()> {
    let info = info(pid)?;
    let size = word(info.arch);
    let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
    let number = |at: u64| -> io::Result<u64> {
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes[..size], at)?;
        Ok(u64::from_le_bytes(bytes))
    };
    let step = size as u64;
    let mut at = info.stack + (number(info.stack)? + 2) * step;
    while number(at)? != 0 {
        at += step;
    }
    at += step;
    loop {
        match number(at)? {
            0 => return Ok(()),
            KERNELS_CODE => memory.write_all_at(&IGNORE.to_le_bytes()[..size], at)?,
            _ => {}
        }
        at += 2 * step;
    }
}
