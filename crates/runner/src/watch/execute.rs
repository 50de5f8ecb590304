//! A call of execve(2) that becomes one of an emulator, as binfmt_misc would have it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};

use super::calls::{At, word};
use super::process::{Process, exists, seen_by};
use crate::binfmt::{BinfmtEntry, head_of};

/// What x86_64's programs may keep below their stack (System V ABI, 3.2.2, "The Red Zone").
const RED_ZONE: u64 = 128;
/// More is not written below a stack, which may be a small one of posix_spawn(3)'s.
const ROOM: usize = 16 * 1024;
/// qemu's option for the program's `argv[0]`, which binfmt_misc's flag `P` stands for.
const NAME: &[u8] = b"-0\0";

impl Process {
    /// Has the emulator of a program executed in its place, if it is of one of these formats.
    ///
    /// # Errors
    /// The memory of the process cannot be read or written.
    pub(super) fn hand_over(&self, formats: &[BinfmtEntry], at: At, path: &Path) -> nix::Result<()> {
        if formats.is_empty() {
            return Ok(());
        }
        let file = self.file(path);
        // What nobody may execute, the kernel is to refuse.
        let may_run = file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        let head = if may_run { head_of(&file) } else { Vec::new() };
        let format = formats.iter().find(|format| format.matches(&head));
        let Some(format) = format.filter(|format| exists(self.pid, &format.interpreter)) else { return Ok(()) };

        let places = at.path.unwrap_or_default();
        let old = self.words(self.argument(places + 1))?;
        // A relative path may be one below another directory than the current one.
        let given = self.path_given(at).unwrap_or_else(|| path.to_owned());
        let mut texts = [format.interpreter.as_os_str().as_bytes(), b"\0"].concat();
        let name = texts.len();
        texts.extend(NAME);
        let program = texts.len();
        texts.extend([given.as_os_str().as_bytes(), b"\0"].concat());

        let size = word(self.info.arch);
        let keeps = format.keeps_name();
        let count = old.len().max(1) + if keeps { 3 } else { 1 };
        let length = texts.len().next_multiple_of(16) + (count + 1) * size;
        if length > ROOM {
            return Err(Errno::E2BIG);
        }
        let start = (self.info.stack - RED_ZONE - length as u64) & !15;
        let text = |offset: usize| start + offset as u64;
        let mut new = vec![text(0)];
        if keeps {
            new.extend([text(name), old.first().copied().unwrap_or(text(program))]);
        }
        new.push(text(program));
        new.extend(old.iter().skip(1));
        new.push(0);
        let array = start + texts.len().next_multiple_of(16) as u64;
        texts.resize(texts.len().next_multiple_of(16), 0);
        texts.extend(new.iter().flat_map(|word| word.to_ne_bytes()[..size].to_vec()));
        self.write(start, &texts)?;
        self.set_arguments(places, [text(0), array])
    }

    /// A path of the process as this one can open it.
    fn file(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/proc/self") {
            Ok(rest) => Path::new(&format!("/proc/{}", self.pid)).join(rest),
            Err(_) => seen_by(self.pid, path),
        }
    }

    /// Reads words up to a zero.
    fn words(&self, at: u64) -> nix::Result<Vec<u64>> {
        let (size, mut words) = (word(self.info.arch), Vec::new());
        while at != 0 && words.len() * size < ROOM {
            let bytes = self.read(at + (words.len() * size) as u64, size)?;
            let mut number = [0; 8];
            number.get_mut(..bytes.len()).ok_or(Errno::EFAULT)?.copy_from_slice(&bytes);
            match u64::from_ne_bytes(number) {
                0 => return Ok(words),
                word => words.push(word),
            }
        }
        if at == 0 { Ok(words) } else { Err(Errno::E2BIG) }
    }

    fn write(&self, at: u64, bytes: &[u8]) -> nix::Result<()> {
        let remote = RemoteIoVec { base: at as usize, len: bytes.len() };
        let written = process_vm_writev(self.pid, &[std::io::IoSlice::new(bytes)], &[remote])?;
        if written == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Puts other values for two arguments, one after the other.
    #[cfg(target_arch = "x86_64")]
    fn set_arguments(&self, first: usize, values: [u64; 2]) -> nix::Result<()> {
        let mut registers = nix::sys::ptrace::getregs(self.pid)?;
        for (place, value) in (first..).zip(values) {
            // syscall(2), "Architecture calling conventions".
            let register = match (word(self.info.arch), place) {
                (8, 0) => &mut registers.rdi,
                (8, 1) => &mut registers.rsi,
                (4, 0) => &mut registers.rbx,
                (4, 1) => &mut registers.rcx,
                (_, 2) => &mut registers.rdx,
                _ => return Err(Errno::EINVAL),
            };
            *register = value;
        }
        nix::sys::ptrace::setregs(self.pid, registers)
    }

    /// Puts other values for two arguments, one after the other.
    #[cfg(target_arch = "aarch64")]
    fn set_arguments(&self, first: usize, values: [u64; 2]) -> nix::Result<()> {
        use nix::sys::ptrace::{getregset, regset::NT_PRSTATUS, setregset};
        let mut registers = getregset::<NT_PRSTATUS>(self.pid)?;
        for (place, value) in (first..).zip(values) {
            registers.regs[place] = value;
        }
        setregset::<NT_PRSTATUS>(self.pid, registers)
    }
}
