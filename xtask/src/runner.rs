//! How one program of a target is started: the hidden command `xtask runner SPEC -- PROGRAM ARGS…`, which
//! `CARGO_TARGET_<TRIPLE>_RUNNER` names and which the engine starts for every test binary.
//!
//! The program runs in a binfmt_misc of its own, in which every emulator of the machine is registered, so it may
//! start other programs of its target. That needs no root: since Linux 6.7 the owner of a user namespace may mount
//! binfmt_misc in it (Documentation/admin-guide/binfmt-misc.rst). Where this is refused, the emulator is started
//! directly. When the program ends, or a signal ends the runner, everything that it left behind is killed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::{ffi::OsStrExt, process::CommandExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, iter, thread};

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execve, fork, getegid, geteuid, getpid, getppid, write};
use serde::{Deserialize, Serialize};

use crate::inspect;
use crate::targets::{Table, Target};

/// xtask under the name `cross-flake-run-<target>` is the runner of that target, so that `CARGO_TARGET_<TRIPLE>_RUNNER` can be a
/// single word and no shell stands between cargo and the program.
pub const PREFIX: &str = "cross-flake-run-";

/// Names a file to which the runner writes a [`Status`]. The program does not see the variable.
pub const STATUS_VARIABLE: &str = "XTASK_RUNNER_STATUS";

/// Names a folder that stands for `/` to a Linux program: there it finds its loader and libraries. `cargo xtask sysroot`
/// makes such folders. It is a variable of our own, because `QEMU_LD_PREFIX` may come from the shell of another target.
pub const ROOT_VARIABLE: &str = "CROSS_FLAKE_ROOT";

/// Variables of a spec that say where things are. They replace the caller's; of all others the caller's wins, so
/// that `QEMU_CPU=cortex-a53 cargo test` does what it says.
const PLACES: [&str; 7] = ["HOME", "QEMU_LD_PREFIX", "WINEARCH", "WINELOADER", "WINEPATH", "WINEPREFIX", "WINESERVER"];

/// What all wine programs of a prefix share. The first to start brings them up, the last to end takes them down,
/// and a runner that killed them would break its neighbours.
const WINE_SHARED: [&str; 8] = [
    "wineserver",
    "wineserver64",
    "services.exe",
    "winedevice.exe",
    "plugplay.exe",
    "svchost.exe",
    "explorer.exe",
    "rpcss.exe",
];

/// How long killed processes may take to end. Only one in uninterruptible sleep takes longer than an instant.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// How programs of a target are run: the document `runner.json`, written by a provider.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct RunnerSpec {
    /// The row's name.
    pub target: String,
    /// What stands between the program and this machine.
    pub kind: RunnerKind,
    /// What a report prints, such as `qemu-aarch64 10.0.2`.
    pub label: String,
    /// The emulator and its arguments, put before the program. The kernel does not pass these arguments when it
    /// starts the emulator itself: what must reach it there belongs in `env` (`QEMU_CPU`, `QEMU_LD_PREFIX`).
    pub command: Vec<String>,
    /// Variables for the program. Those that name a place replace the caller's, the others yield to it.
    pub env: BTreeMap<String, String>,
    /// What the kernel shall start programs of other targets with: the absolute path of an interpreter by the format of
    /// its programs, which is `qemu-<architecture>` by qemu's name, `windows` or `wasm`.
    #[serde(default)]
    pub binfmt: BTreeMap<String, PathBuf>,
}

/// What stands between a program and this machine.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerKind {
    /// Nothing.
    Native,
    /// qemu's emulation of a processor for Linux programs.
    QemuUser,
    /// Windows programs.
    Wine,
    /// WASI.
    Wasmtime,
    /// WebAssembly without WASI.
    Node,
    /// A whole emulated board.
    QemuSystem,
}

/// Whether the private binfmt_misc was in force.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Entered {
    /// The program ran in the namespace and could start programs of its target.
    Binfmt,
    /// The emulator was started directly: only the program itself was emulated.
    Direct,
}

/// What the runner tells its caller, in the file named by [`STATUS_VARIABLE`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which of the two ways was used.
    pub entered: Entered,
    /// Why the namespace was refused, if it was asked for.
    pub refused: Option<String>,
}

/// A format of executable files and the program that interprets it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BinfmtEntry {
    /// Name of the entry in `/proc/sys/fs/binfmt_misc`.
    name: String,
    /// The first bytes of such a file.
    magic: Vec<u8>,
    /// The bits of `magic` that count.
    mask: Vec<u8>,
    /// Absolute path of the program.
    interpreter: PathBuf,
    /// The kernel's letters: `F` opens the interpreter once and for all, `P` hands over `argv[0]`.
    flags: String,
}

/// qemu's name, EI_CLASS (1 is 32 bits), EI_DATA (1 is little endian) and e_machine, from glibc's elf.h.
const MACHINES: &[(&str, u8, u8, u16)] = &[
    ("aarch64", 2, 1, 183),      // EM_AARCH64
    ("aarch64_be", 2, 2, 183),   // EM_AARCH64
    ("alpha", 2, 1, 0x9026),     // EM_ALPHA
    ("arm", 1, 1, 40),           // EM_ARM
    ("armeb", 1, 2, 40),         // EM_ARM
    ("hexagon", 1, 1, 164),      // EM_QDSP6
    ("hppa", 1, 2, 15),          // EM_PARISC
    ("i386", 1, 1, 3),           // EM_386
    ("loongarch64", 2, 1, 258),  // EM_LOONGARCH
    ("m68k", 1, 2, 4),           // EM_68K
    ("microblaze", 1, 2, 189),   // EM_MICROBLAZE
    ("microblazeel", 1, 1, 189), // EM_MICROBLAZE
    ("mips", 1, 2, 8),           // EM_MIPS; N32 programs have the same header
    ("mipsel", 1, 1, 8),         // EM_MIPS
    ("mips64", 2, 2, 8),         // EM_MIPS
    ("mips64el", 2, 1, 8),       // EM_MIPS
    ("or1k", 1, 2, 92),          // EM_OPENRISC
    ("ppc", 1, 2, 20),           // EM_PPC
    ("ppc64", 2, 2, 21),         // EM_PPC64
    ("ppc64le", 2, 1, 21),       // EM_PPC64
    ("riscv32", 1, 1, 243),      // EM_RISCV
    ("riscv64", 2, 1, 243),      // EM_RISCV
    ("s390x", 2, 2, 22),         // EM_S390
    ("sh4", 1, 1, 42),           // EM_SH
    ("sh4eb", 1, 2, 42),         // EM_SH
    ("sparc", 1, 2, 2),          // EM_SPARC
    ("sparc32plus", 1, 2, 18),   // EM_SPARC32PLUS
    ("sparc64", 2, 2, 43),       // EM_SPARCV9
    ("x86_64", 2, 1, 62),        // EM_X86_64
    ("xtensa", 1, 1, 94),        // EM_XTENSA
    ("xtensaeb", 1, 2, 94),      // EM_XTENSA
];

impl BinfmtEntry {
    /// The entry of a format by the name that [`RunnerSpec::binfmt`] has for it.
    fn new(format: &str, interpreter: &Path) -> anyhow::Result<Self> {
        match (format, format.strip_prefix("qemu-")) {
            ("windows", _) => Ok(Self::plain(format, b"MZ", interpreter)),
            // Modules and components alike.
            ("wasm", _) => Ok(Self::plain(format, b"\0asm", interpreter)),
            (_, Some(arch)) => Self::elf(arch, interpreter),
            _ => Err(anyhow!("`{format}` is no format of programs: qemu-<architecture>, windows and wasm are")),
        }
    }

    /// The entry for Linux programs of an architecture by qemu's name for it.
    ///
    /// A qemu that is a program gets the flags `PF`: opened once, so that it is found from a chroot too, and told the
    /// program's own `argv[0]` (qemu 6.0 and later understand). A wrapper script gets none.
    fn elf(qemu_arch: &str, interpreter: &Path) -> anyhow::Result<Self> {
        let row = MACHINES.iter().find(|row| row.0 == qemu_arch);
        let &(_, class, data, machine) = row.with_context(|| format!("qemu has no architecture `{qemu_arch}`"))?;
        let half = |value: u16| {
            if data == 1 { value.to_le_bytes() } else { value.to_be_bytes() }
        };
        // e_ident: the magic, class, data and version count. Of EI_OSABI anything but System V (0) and GNU (3) is
        // another system's; the mask leaves 0 to 3. The rest is padding, in which AppImage keeps a mark.
        let ident = [0x7f, b'E', b'L', b'F', class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let ident_mask = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut head = [0; 4];
        let program =
            File::open(interpreter).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF";
        Ok(Self {
            name: format!("qemu-{qemu_arch}"),
            // e_type: ET_EXEC (2) and ET_DYN (3) differ in the last bit.
            magic: [&ident[..], &half(2), &half(machine)].concat(),
            mask: [&ident_mask[..], &half(0xfffe), &half(0xffff)].concat(),
            interpreter: interpreter.into(),
            flags: if program { "PF".into() } else { String::new() },
        })
    }

    fn plain(name: &str, magic: &[u8], interpreter: &Path) -> Self {
        let mask = vec![0xff; magic.len()];
        Self { name: name.into(), magic: magic.into(), mask, interpreter: interpreter.into(), flags: String::new() }
    }

    fn matches(&self, head: &[u8]) -> bool {
        head.len() >= self.magic.len()
            && iter::zip(head, iter::zip(&self.magic, &self.mask))
                .all(|(byte, (magic, mask))| (byte ^ magic) & mask == 0)
    }

    /// The line that registers the entry. The kernel's limits: 1920 bytes in all, and the magic within the first
    /// 128 bytes of a file (binfmt-misc.rst; the code of 6.18 allows 256). The 127 characters that
    /// the same page allows an interpreter are no limit in the code: 1000 work on 6.18.
    fn register_line(&self) -> anyhow::Result<Vec<u8>> {
        let name = &self.name;
        let interpreter = self.interpreter.as_os_str().as_bytes();
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(anyhow!("`{name}` cannot name a binfmt entry"));
        }
        if self.magic.len() != self.mask.len() || self.magic.is_empty() || self.magic.len() > 128 {
            return Err(anyhow!("binfmt entry {name}: magic and mask must be 1 to 128 bytes and equally long"));
        }
        if !self.interpreter.is_absolute() {
            return Err(anyhow!("binfmt entry {name}: {} is not an absolute path", self.interpreter.display()));
        }
        // The first byte of the line is the separator, so any will do that occurs nowhere else.
        let taken = |mark: &u8| name.as_bytes().contains(mark) || interpreter.contains(mark);
        let mark = *b":|,;!@".iter().find(|mark| !taken(mark)).context("no separator is left for a binfmt entry")?;
        let escaped = |bytes: &[u8]| {
            let bytes = bytes.iter().map(|byte| format!("\\x{byte:02x}"));
            bytes.collect::<String>().into_bytes()
        };
        let (magic, mask) = (escaped(&self.magic), escaped(&self.mask));
        let (name, flags) = (name.as_bytes(), self.flags.as_bytes());
        let line = [b"", name, b"M", b"0", &magic, &mask, interpreter, flags].join(&mark);
        if line.len() > 1920 {
            return Err(anyhow!("binfmt entry {} is longer than 1920 bytes", self.name));
        }
        Ok(line)
    }
}

/// How far the way into the namespace went. The numbers are those of [`Refusal::pack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Unshare = 1,
    Map,
    Mount,
    Register,
    Done,
}

/// Where and why the way into the namespace ended; `entry` is the one that could not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal(Step, Errno, u8);

impl Refusal {
    fn at(step: Step) -> impl Fn(Errno) -> Self {
        move |errno| Self(step, errno, 0)
    }

    /// Into the one number that a `pre_exec` hook may return: step and entry stand above the twelve bits that
    /// Linux uses for its own (MAX_ERRNO is 4095, linux/err.h).
    fn pack(self) -> io::Error {
        let Self(step, errno, entry) = self;
        io::Error::from_raw_os_error(errno as i32 | (step as i32) << 12 | i32::from(entry) << 16)
    }

    fn unpack(error: &io::Error) -> Option<Self> {
        use Step::*;
        let code = error.raw_os_error()?;
        let steps = [Unshare, Map, Mount, Register, Done];
        let step = steps.into_iter().find(|step| *step as i32 == code >> 12 & 0xf)?;
        Some(Self(step, Errno::from_raw(code & 0xfff), (code >> 16) as u8))
    }
}

/// All that entering needs, made before the fork, because nothing may allocate after it.
struct Namespace {
    lines: Vec<Vec<u8>>,
    /// A caller with the capabilities for it keeps every id that it can see: maps of users and of groups.
    all: Option<[String; 2]>,
    /// Anyone else keeps its own ids only, and has to be root to register, for binfmt_misc's files belong to the
    /// namespace's root. So there are two namespaces: in the first it is root, in the second itself again.
    root: [String; 2],
    itself: [String; 2],
}

impl Namespace {
    fn new<'a>(entries: impl IntoIterator<Item = &'a BinfmtEntry>) -> anyhow::Result<Self> {
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

    /// Takes this process into the namespace. Async-signal-safe: system calls only, no allocation.
    fn enter(&self) -> Result<(), Refusal> {
        const BINFMT: Option<&CStr> = Some(c"binfmt_misc");
        const NONE: Option<&CStr> = None;
        let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
        match &self.all {
            Some(maps) => unshare_mapped_by_helper(both, maps)?,
            None => unshare_mapped_by_itself(both, &self.root)?,
        }
        // Slave rather than private: nothing of ours gets out, but an automounted home still comes in.
        mount(NONE, c"/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)
            .and_then(|()| mount(BINFMT, c"/proc/sys/fs/binfmt_misc", BINFMT, MsFlags::empty(), NONE))
            .map_err(Refusal::at(Step::Mount))?;
        let register = c"/proc/sys/fs/binfmt_misc/register";
        let register =
            open(register, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(Refusal::at(Step::Register))?;
        for (entry, line) in self.lines.iter().enumerate() {
            write(&register, line).map_err(|errno| Refusal(Step::Register, errno, entry as u8))?;
        }
        match &self.all {
            Some(_) => Ok(()),
            None => unshare_mapped_by_itself(CloneFlags::CLONE_NEWUSER, &self.itself),
        }
    }
}

/// The map onto themselves of all ids in a map: `inside outside count` becomes `inside inside count`.
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

/// A map of more than one id must be written by a process with privilege outside, hence the helper.
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

/// What a refusal is explained from: the kernel's release, whether a seccomp filter is on, and a reader of numbers
/// below /proc/sys.
struct Facts<'a>(&'a str, bool, &'a dyn Fn(&str) -> Option<u64>);

fn explain(refusal: Refusal) -> String {
    let text = |path: &str| fs::read_to_string(Path::new("/proc/sys").join(path)).ok();
    let number = |path: &str| text(path)?.trim().parse().ok();
    let release = text("kernel/osrelease").unwrap_or_default();
    explain_from(refusal, Facts(release.trim(), status_mask("Seccomp") == 2, &number))
}

/// The first row that holds is the reason.
fn explain_from(Refusal(step, errno, _): Refusal, Facts(release, seccomp, number): Facts) -> String {
    use Step::*;
    let denied = matches!(errno, Errno::EPERM | Errno::EACCES);
    let absent = matches!(errno, Errno::ENODEV | Errno::ENOENT);
    let mut version = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    // Linux 6.7 gave every user namespace a binfmt_misc of its own.
    let old = (version.next().unwrap_or(0), version.next().unwrap_or(0)) < (6, 7);
    let set_to = |path, value| number(path) == Some(value);
    let apparmor = "kernel/apparmor_restrict_unprivileged_userns";
    let reasons = [
        (set_to("user/max_user_namespaces", 0), "user namespaces are off: user.max_user_namespaces is 0"),
        (step == Unshare && errno == Errno::ENOSPC, "no more user namespaces: see user.max_user_namespaces"),
        (
            denied && set_to("kernel/unprivileged_userns_clone", 0),
            "user namespaces are for root only: kernel.unprivileged_userns_clone is 0",
        ),
        (step == Mount && old, "binfmt_misc cannot be private before Linux 6.7"),
        (step == Mount && absent, "this kernel has no binfmt_misc, or has not loaded the module"),
        (
            denied && step != Register && set_to(apparmor, 1),
            "AppArmor restricts user namespaces: kernel.apparmor_restrict_unprivileged_userns is 1",
        ),
        (step == Unshare && denied && seccomp, "a seccomp filter forbids user namespaces, as containers do"),
        (step == Unshare && denied, "user namespaces are forbidden, as the kernel does in a chroot"),
        (step == Unshare, "no user namespace could be made"),
        (step == Map, "the ids of the user namespace could not be mapped"),
        (step == Mount, "binfmt_misc could not be mounted"),
    ];
    let reason = reasons.into_iter().find(|(holds, _)| *holds);
    let reason = reason.map_or("an emulator could not be registered", |(_, reason)| reason);
    format!("{reason} (Linux {release}, {})", errno.desc())
}

/// A number of /proc/self/status; those that we ask for are written in hexadecimal or have one digit.
fn status_mask(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).unwrap_or(0)
}

/// Whether a private binfmt_misc can be had here.
///
/// Tried out in a forked child that never executes anything, so any thread of any process may ask.
///
/// # Errors
///
/// In plain words, what refuses it.
pub fn probe() -> Result<(), String> {
    let interpreter = Path::new("/proc/self/exe");
    let namespace = Namespace::new([&BinfmtEntry::plain("xtask-probe", b"xtask-probe", interpreter)])
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

/// wasmtime's arguments that let paths of the build machine mean the same in a WASI program: its whole file system, and
/// `.` for relative paths.
///
/// wasi-libc takes a leading `/` or `./` off folders and paths alike, and then the longest folder that a path begins with, or
/// of two the last (its preopens.c). So `/` would be one with `.`, and the folders in it are opened each by its own name; but for those
/// that are also names in the current folder, which relative paths begin with.
fn opened_folders(root: &Path, current: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // wasmtime ends when it cannot open one, and takes what follows `::` for another name.
    let opens = |name: &String| !name.contains("::") && root.join(name).read_dir().is_ok();
    let mut folders: Vec<String> = names.filter(|name| opens(name) && !current.join(name).exists()).collect();
    folders.sort();
    let folders = folders.iter().map(|name| format!("--dir={}", root.join(name).display()));
    folders.chain(["--dir=.".to_owned()]).collect()
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

    // Registering an emulator of this very machine would make it run itself.
    let own = head_of(Path::new("/proc/self/exe"));
    let entries = spec.binfmt.iter().map(|(format, interpreter)| BinfmtEntry::new(format, interpreter));
    let entries = entries.collect::<anyhow::Result<Vec<_>>>().context("the runner's document")?;
    let entries: Vec<_> = entries.iter().filter(|entry| !entry.matches(&own)).collect();
    let head = head_of(Path::new(program));
    if is_for_another_emulator(spec, if binfmt { &entries } else { &[] }, &head, &own) {
        return Err(explain_format(spec, program));
    }
    let environment = environment(spec);
    let mut emulator: Vec<OsString> = spec.command.iter().map(OsString::from).collect();
    if spec.kind == RunnerKind::Wasmtime
        // Before what ends wasmtime's own arguments.
        && let Some(end) = emulator.iter().position(|word| word == "--")
    {
        let folders = opened_folders(Path::new("/"), Path::new("."));
        emulator.splice(end..end, folders.into_iter().map(OsString::from));
    }
    if spec.kind == RunnerKind::Native
        && let Some(root) = root_of_caller()
    {
        emulator.extend(loader_in(&root, Path::new(program))?);
    }
    let start = |namespace: Option<Namespace>| {
        let by_kernel = spec.kind == RunnerKind::QemuUser && entries.iter().any(|entry| entry.matches(&head));
        let emulator = if namespace.is_some() && by_kernel { &[] } else { &emulator[..] };
        let line = emulator.iter().map(OsString::as_os_str).chain([program]);
        let line: Vec<_> = line.chain(args.iter().map(OsString::as_os_str)).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env_clear().envs(&environment);
        let exact = line[0].as_bytes().contains(&b'/').then(|| exact(&line, &environment)).transpose()?;
        let runner = getpid();
        // SAFETY: system calls only, and the errors are numbers. execve makes two vectors of pointers, which is
        // sound because this process has one thread.
        unsafe {
            command.pre_exec(move || {
                if let Some(namespace) = &namespace {
                    namespace.enter().map_err(Refusal::pack)?;
                }
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                if getppid() != runner {
                    return Err(Errno::ESRCH.into());
                }
                mask.thread_set_mask()?;
                match &exact {
                    Some((argv, envp)) => Err(execve(&argv[0], argv, envp).unwrap_err().into()),
                    None => Ok(()),
                }
            })
        };
        command.spawn()
    };
    let mut status = Status { entered: Entered::Direct, refused: None };
    let mut child = Err(io::ErrorKind::Unsupported.into());
    if binfmt && !entries.is_empty() {
        child = start(Some(Namespace::new(entries.iter().copied())?));
        match child.as_ref().err().and_then(Refusal::unpack) {
            None => status.entered = Entered::Binfmt,
            Some(refusal) => {
                let Refusal(step, _, entry) = refusal;
                let entry = entries.get(usize::from(entry)).filter(|_| step == Step::Register);
                let entry = entry.map(|entry| format!("{}: ", entry.interpreter.display()));
                status.refused = Some(entry.unwrap_or_default() + &explain(refusal));
            }
        }
    }
    if status.entered == Entered::Direct {
        child = start(None);
    }
    let child = child.map_err(|error| explain_exec(spec, program, error))?;
    if let Some(path) = env::var_os(STATUS_VARIABLE) {
        let written = serde_json::to_vec(&status).map_err(io::Error::from).and_then(|json| fs::write(&path, json));
        written.unwrap_or_else(|error| eprintln!("xtask runner: {}: {error}", Path::new(&path).display()));
    }
    let code = wait_for(Pid::from_raw(child.id() as i32), &watched)?;
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

/// What is left of STATUS_DLL_NOT_FOUND, 0xC0000135, in the eight bits of an exit code.
const DLL_NOT_FOUND: i32 = 0x35;

/// wine itself is told to be silent, so this names what it did not find.
fn explain_libraries(spec: &RunnerSpec, program: &Path) {
    let Ok(inspection) = inspect::inspect(program) else { return };
    let Some(prefix) = spec.env.get("WINEPREFIX").map(Path::new) else { return };
    let system = if inspection.pointer_width == 32 { "syswow64" } else { "system32" };
    let windows = prefix.join("drive_c/windows");
    let folders = [windows.join(system), windows.join("system32"), program.parent().unwrap_or(program).to_owned()];
    let missing = not_in(&inspection.libraries, &folders);
    if !missing.is_empty() {
        eprintln!(
            "cross-flake: {} needs {}, and neither its folder nor wine has that. Of wine a part is fetched, without DirectX, \
             sound, HTML and Microsoft's C++ libraries: see CROSS_FLAKE_PACKAGES in the README",
            program.display(),
            missing.join(", ")
        );
    }
}

/// The libraries that are in none of these folders; Windows does not distinguish capitals. API sets are no files.
fn not_in<'a>(libraries: &'a [String], folders: &[PathBuf]) -> Vec<&'a str> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let known: HashSet<String> = entries.map(|e| e.file_name().to_string_lossy().to_lowercase()).collect();
    let is_there = |name: String| known.contains(&name) || name.starts_with("api-ms-") || name.starts_with("ext-ms-");
    libraries.iter().map(String::as_str).filter(|library| !is_there(library.to_lowercase())).collect()
}

/// The caller's variables and those of the spec: a place replaces the caller's, anything else yields to it.
fn environment(spec: &RunnerSpec) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<_, _> = env::vars_os().filter(|(name, _)| name != STATUS_VARIABLE).collect();
    for (name, value) in &spec.env {
        if name == "LD_LIBRARY_PATH"
            && let Some(callers) = all.get_mut(OsStr::new(name)).filter(|path| !path.is_empty())
        {
            // cargo sets it for every program that it starts, and the emulator needs its own libraries all the same.
            *callers = [OsStr::new(value), callers].join(OsStr::new(":"));
        } else if PLACES.contains(&name.as_str()) || !all.contains_key(OsStr::new(name)) {
            all.insert(name.into(), value.into());
        }
    }
    if spec.kind == RunnerKind::QemuUser
        && let Some(root) = root_of_caller()
    {
        all.insert("QEMU_LD_PREFIX".into(), root.into());
    }
    all
}

/// The folder that [`ROOT_VARIABLE`] names.
fn root_of_caller() -> Option<PathBuf> {
    env::var_os(ROOT_VARIABLE).filter(|root| !root.is_empty()).map(PathBuf::from)
}

/// What starts a program of this very machine in a root: the root's own loader, told where the libraries are, for the
/// folders that it knows by itself are the machine's. Nothing for a static program.
fn loader_in(root: &Path, program: &Path) -> anyhow::Result<Vec<OsString>> {
    let Some(loader) = inspect::inspect(program)?.interpreter else { return Ok(Vec::new()) };
    let base = root.join("usr/lib");
    let several = fs::read_dir(&base).into_iter().flatten().flatten().map(|entry| entry.path());
    // Debian's folders for one architecture each are named as x86_64-linux-gnu.
    let mut folders: Vec<_> = several.filter(|path| path.to_string_lossy().contains("-linux-")).collect();
    folders.sort();
    folders.push(base);
    let folders = env::join_paths(folders).context("a folder with a colon in its name cannot be a root")?;
    Ok(vec![root.join(loader.trim_start_matches('/')).into(), "--library-path".into(), folders])
}

/// What execve(2) takes. Command would use execvp(3), which hands a file of unknown format to sh, and sh might even
/// succeed. So a path is executed as it is; only a bare name is left to Command, to be searched for.
fn exact(line: &[&OsStr], environment: &BTreeMap<OsString, OsString>) -> io::Result<(Vec<CString>, Vec<CString>)> {
    let argv: Result<_, _> = line.iter().map(|word| CString::new(word.as_bytes())).collect();
    let pairs = environment.iter().map(|(name, value)| [name.as_bytes(), value.as_bytes()].join(&b'='));
    let envp: Result<_, _> = pairs.map(CString::new).collect();
    Ok((argv?, envp?))
}

/// SIGCHLD, and what ends a program politely unless the caller had it ignored, as nohup does.
fn watched_signals() -> SigSet {
    let ignored = status_mask("SigIgn");
    let ending = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
    let heeded = ending.into_iter().filter(|signal| ignored & 1 << (*signal as i32 - 1) == 0);
    heeded.chain([Signal::SIGCHLD]).collect()
}

fn head_of(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // A file that cannot be read matches nothing.
    let _ = File::open(path).and_then(|file| file.take(128).read_to_end(&mut head));
    head
}

/// Whether a program is one that neither the spec's emulator nor a registered one can run, by the first bytes of it. What is no
/// program at all, such as a script or a name that the emulator looks up by itself, is left to the emulator.
fn is_for_another_emulator(spec: &RunnerSpec, registered: &[&BinfmtEntry], head: &[u8], own: &[u8]) -> bool {
    let (elf, windows, wasm) = (head.starts_with(b"\x7fELF"), head.starts_with(b"MZ"), head.starts_with(b"\0asm"));
    match spec.kind {
        // The binfmt_misc runs whatever an emulator was registered for, and the kernel says of what is left.
        RunnerKind::Native => false,
        RunnerKind::QemuUser => {
            let name = spec.command.first().map(Path::new).and_then(|qemu| qemu.file_name()?.to_str());
            let entry = name.and_then(|name| BinfmtEntry::new(name, Path::new("/")).ok());
            let foreign = entry.is_some_and(|entry| !entry.matches(head));
            let registered = registered.iter().any(|entry| entry.matches(head));
            // ELF's class, byte order and machine: the build machine's own programs run by themselves in the namespace.
            let is_own = head.len() > 20 && own.len() > 20 && head[4..6] == own[4..6] && head[18..20] == own[18..20];
            (elf || windows || wasm) && foreign && !registered && !is_own
        }
        RunnerKind::Wine => elf || wasm,
        RunnerKind::Wasmtime | RunnerKind::Node => elf || windows,
        RunnerKind::QemuSystem => windows || wasm,
    }
}

/// What a program is built for, what this runner runs, and which runner it wants.
fn explain_format(spec: &RunnerSpec, program: &OsStr) -> anyhow::Error {
    match inspect::inspect(Path::new(program)) {
        Ok(inspection) => anyhow!(
            "Exec format error: {}",
            inspect::explain_wrong_runner(&inspection, &format!("{PREFIX}{}", spec.target), runner_of(&inspection))
        ),
        Err(error) => error.context(format!("Exec format error, under {}", spec.label)),
    }
}

/// The runner of the row whose programs look like this one.
fn runner_of(inspection: &inspect::Inspection) -> Option<String> {
    let table = Table::load(&env::current_dir().ok()?).ok()?;
    let of_row = |row: &&Target| {
        inspect::expected_of_triple(&row.triple).is_some_and(|expected| inspection.check(&expected).is_ok())
    };
    let row = table.rows().iter().filter(|row| row.runner.is_some()).find(of_row)?;
    Some(format!("{PREFIX}{}", row.name))
}

fn explain_exec(spec: &RunnerSpec, program: &OsStr, error: io::Error) -> anyhow::Error {
    let hint = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOEXEC) => "it is in no format that this machine runs or that an emulator was registered for",
        Some(Errno::ENOENT) if Path::new(program).exists() => {
            "it exists, so its emulator, or the interpreter that it names itself, does not"
        }
        Some(Errno::EACCES) => "it, or its emulator, is not executable",
        _ => "it could not be started",
    };
    if error.raw_os_error() == Some(Errno::ENOEXEC as i32)
        && let Ok(inspection) = inspect::inspect(Path::new(program))
    {
        let runner = runner_of(&inspection);
        return anyhow!(inspect::explain_exec_format_error(&inspection, env::consts::ARCH, runner.as_deref()))
            .context("Exec format error");
    }
    let (program, target, label) = (Path::new(program).display(), &spec.target, &spec.label);
    anyhow!(error).context(format!("{program} ({target}, {label}, {:?}): {hint}", spec.command))
}

/// Waits until the child ends or a signal asks the runner to, reaping orphans meanwhile.
fn wait_for(child: Pid, watched: &SigSet) -> nix::Result<i32> {
    loop {
        match watched.wait()? {
            Signal::SIGCHLD => loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code),
                    Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                        return Ok(128 + signal as i32);
                    }
                    Ok(WaitStatus::StillAlive) | Err(_) => break,
                    Ok(_) => {}
                }
            },
            signal => return Ok(128 + signal as i32),
        }
    }
}

/// Kills and reaps all descendants but the `spared`. For a process that is about to end and adopts orphans.
pub fn sweep(spared: &[&str]) {
    let deadline = Instant::now() + SWEEP_LIMIT;
    loop {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return,
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let doomed = descendants(spared);
        if doomed.is_empty() {
            return;
        }
        for pid in &doomed {
            // It may have ended meanwhile.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        if Instant::now() > deadline {
            return eprintln!("xtask runner: these processes would not end: {doomed:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// All living descendants. The orphans among them are our children, because we are their subreaper.
pub fn descendants(spared: &[&str]) -> Vec<Pid> {
    // proc_pid_stat(5): `pid (name) state parent …`, and the name may hold anything.
    let parse = |stat: String| {
        let (pid, rest) = stat.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut rest = rest.split(' ');
        let doomed = rest.next()? != "Z" && !spared.contains(&name);
        Some((pid.parse::<i32>().ok()?, (rest.next()?.parse::<i32>().ok()?, doomed)))
    };
    let processes: HashMap<i32, (i32, bool)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| parse(fs::read_to_string(entry.ok()?.path().join("stat")).ok()?))
        .collect();
    let parent = |pid: &i32| processes.get(pid).map(|(parent, _)| *parent);
    let own = getpid().as_raw();
    // Bounded, because numbers are reused while we read.
    let ours = |pid: i32| iter::successors(parent(&pid), parent).take(processes.len()).any(|pid| pid == own);
    processes.iter().filter(|(pid, (_, doomed))| *doomed && ours(**pid)).map(|(pid, _)| Pid::from_raw(*pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Output;
    use tempfile::TempDir;

    const SPEC: &str = "XTASK_TEST_SPEC";

    /// The test program itself as the runner, because a runner must have its process to itself. The signals are
    /// blocked before it starts, for libtest's other thread would swallow them.
    fn runner(dir: &TempDir, script: &str, binfmt: &[(&str, &Path)]) -> Command {
        let spec = RunnerSpec {
            target: "test".into(),
            kind: RunnerKind::Native,
            label: "native".into(),
            command: vec![],
            env: [("QEMU_CPU", "row"), ("HOME", "/row")].map(|(name, value)| (name.into(), value.into())).into(),
            binfmt: binfmt.iter().map(|(format, path)| ((*format).to_owned(), path.to_path_buf())).collect(),
        };
        let path = dir.path().join("runner.json");
        fs::write(&path, serde_json::to_vec(&spec).unwrap()).unwrap();
        let this = module_path!().split_once("::").unwrap().1.to_owned() + "::acts_as_the_runner_when_asked_to";
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &this, "--nocapture"]).current_dir(dir);
        command.env(SPEC, path).env("SCRIPT", script).env(STATUS_VARIABLE, dir.path().join("status"));
        unsafe { command.pre_exec(|| Ok(watched_signals().thread_set_mask()?)) };
        command
    }

    fn output(command: &mut Command) -> (Option<i32>, String) {
        let Output { status, stdout, .. } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    }

    fn status(dir: &TempDir) -> Status {
        serde_json::from_slice(&fs::read(dir.path().join("status")).unwrap()).unwrap()
    }

    #[test]
    fn a_wasi_program_sees_each_folder_of_the_root_and_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (root, current) = (dir.path().join("root"), dir.path().join("current"));
        for folder in ["root/home", "root/etc", "root/odd::name", "current/etc"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(root.join("file"), []).unwrap();
        let home = format!("--dir={}", root.join("home").display());
        assert_eq!(opened_folders(&root, &current), [home, "--dir=.".to_owned()]);
    }

    fn is_gone(pid: &str) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| stat.contains(") Z "))
            || !Path::new("/proc").join(pid.trim()).exists()
    }

    #[test]
    fn acts_as_the_runner_when_asked_to() {
        let Some(spec) = env::var_os(SPEC) else {
            return;
        };
        let spec: RunnerSpec = serde_json::from_slice(&fs::read(spec).unwrap()).unwrap();
        let args = ["-c".into(), env::var_os("SCRIPT").unwrap()];
        let program = env::var_os("PROGRAM").unwrap_or("/bin/sh".into());
        std::process::exit(run(&spec, &program, &args, true).unwrap());
    }

    #[test]
    fn this_test_matches_the_entry_of_its_own_machine_only() {
        let own = head_of(&env::current_exe().unwrap());
        let matching: Vec<_> = MACHINES
            .iter()
            .map(|row| (row.0, BinfmtEntry::elf(row.0, Path::new("/qemu")).unwrap()))
            .filter(|(_, entry)| entry.matches(&own))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(matching, [env::consts::ARCH]);
        assert!(BinfmtEntry::new("windows", Path::new("/wine")).unwrap().matches(b"MZ\x90\0"));
        assert!(!BinfmtEntry::new("wasm", Path::new("/wasmtime")).unwrap().matches(b"\0as"));
    }

    #[test]
    fn a_register_line_is_what_the_kernel_reads() {
        let entry = BinfmtEntry::new("qemu-s390x", Path::new("/opt/a:b/qemu")).unwrap();
        let line = String::from_utf8(entry.register_line().unwrap()).unwrap();
        let magic = r"\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16";
        let mask = r"\xff\xff\xff\xff\xff\xff\xff\xfc\x00\x00\x00\x00\x00\x00\x00\x00\xff\xfe\xff\xff";
        assert_eq!(line, format!("|qemu-s390x|M|0|{magic}|{mask}|/opt/a:b/qemu|"));
        assert!(BinfmtEntry::plain("long", &[7; 129], Path::new("/x")).register_line().is_err());
        assert!(BinfmtEntry::plain("a/b", b"MZ", Path::new("/x")).register_line().is_err());
        for unknown in ["qemu-z80", "amiga"] {
            assert!(
                BinfmtEntry::new(unknown, Path::new("/x"))
                    .unwrap_err()
                    .to_string()
                    .contains(unknown.trim_start_matches("qemu-"))
            );
        }
    }

    #[test]
    fn exit_codes_and_signals_pass_through() {
        let dir = TempDir::new().unwrap();
        assert_eq!(output(&mut runner(&dir, "exit 3", &[])).0, Some(3));
        assert_eq!(output(&mut runner(&dir, "kill -SEGV $$", &[])).0, Some(128 + 11));
        assert_eq!(status(&dir), Status { entered: Entered::Direct, refused: None });
    }

    #[test]
    fn the_caller_chooses_the_processor_and_the_row_the_places() {
        let dir = TempDir::new().unwrap();
        let mut command = runner(&dir, "echo $QEMU_CPU,$HOME,$XTASK_RUNNER_STATUS.", &[]);
        let (_, text) = output(command.env("QEMU_CPU", "caller"));
        assert!(text.contains("caller,/row,."), "{text}");
    }

    #[test]
    fn a_root_replaces_the_rows_for_another_processor() {
        let dir = TempDir::new().unwrap();
        for (kind, root, sees) in [
            (RunnerKind::QemuSystem, "/root", "/row"),
            (RunnerKind::QemuUser, "", "/row"),
            (RunnerKind::QemuUser, "/root", "/root"),
        ] {
            let mut command = runner(&dir, "echo $QEMU_LD_PREFIX.", &[]);
            let path = dir.path().join("runner.json");
            let mut spec: RunnerSpec = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            spec.kind = kind;
            spec.env.insert("QEMU_LD_PREFIX".into(), "/row".into());
            fs::write(&path, serde_json::to_vec(&spec).unwrap()).unwrap();
            let (_, text) = output(command.env("QEMU_LD_PREFIX", "/caller").env(ROOT_VARIABLE, root));
            assert!(text.contains(&format!("{sees}.")), "{kind:?} {root}: {text}");
        }
    }

    #[test]
    fn a_daemon_that_a_program_leaves_behind_is_killed() {
        let dir = TempDir::new().unwrap();
        let daemon = "(setsid sh -c 'echo $$ >pid.new; mv pid.new pid; exec sleep 1000' >/dev/null 2>&1 &)";
        let script = format!("{daemon}; until [ -e pid ]; do sleep 0.01; done; exit 7");
        assert_eq!(output(&mut runner(&dir, &script, &[])).0, Some(7));
        assert!(is_gone(&fs::read_to_string(dir.path().join("pid")).unwrap()));
    }

    #[test]
    fn a_signal_to_the_runner_takes_everything_with_it() {
        let dir = TempDir::new().unwrap();
        let script = "trap '' TERM; sleep 1000 & echo $! >pid.new; mv pid.new pid; wait";
        let mut child = runner(&dir, script, &[]).spawn().unwrap();
        while !dir.path().join("pid").exists() {
            thread::sleep(Duration::from_millis(5));
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
        assert!(is_gone(&fs::read_to_string(dir.path().join("pid")).unwrap()));
    }

    #[test]
    fn a_program_may_start_files_of_a_registered_format_or_the_status_says_why_not() {
        let dir = TempDir::new().unwrap();
        for (name, text) in [("emulator", "#!/bin/sh\necho emulated $1\n"), ("module", "\0asm")] {
            fs::write(dir.path().join(name), text).unwrap();
            fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let wasm = ("wasm", &*dir.path().join("emulator"));
        let (_, text) = output(&mut runner(&dir, "./module; id -u", &[wasm]));
        match probe() {
            Ok(()) => {
                assert_eq!(status(&dir), Status { entered: Entered::Binfmt, refused: None });
                assert!(text.contains(&format!("emulated ./module\n{}\n", geteuid())), "{text}");
            }
            Err(reason) => assert_eq!(status(&dir), Status { entered: Entered::Direct, refused: Some(reason) }),
        }
    }

    #[test]
    fn only_a_program_that_the_emulator_cannot_run_is_for_another() {
        let spec = |kind, command: &str, registered: &[&str]| RunnerSpec {
            target: "row".into(),
            kind,
            label: String::new(),
            command: vec![command.into()],
            env: BTreeMap::new(),
            binfmt: registered.iter().map(|format| ((*format).to_owned(), PathBuf::from("/"))).collect(),
        };
        let elf = |class: u8, data: u8, machine: [u8; 2]| {
            let mut head = vec![0x7f, b'E', b'L', b'F', class, data, 1];
            head.resize(16, 0);
            [&head[..], if data == 1 { &[2, 0] } else { &[0, 2] }, &machine, &[0; 100]].concat()
        };
        let (own, arm, s390x) = (elf(2, 1, [62, 0]), elf(2, 1, [183, 0]), elf(2, 2, [0, 22]));
        let (script, windows) = (b"#!/bin/sh".to_vec(), b"MZ".to_vec());
        let qemu = spec(RunnerKind::QemuUser, "/nix/store/qemu/bin/qemu-aarch64", &["qemu-aarch64"]);
        let all = spec(RunnerKind::QemuUser, "qemu-aarch64", &["qemu-aarch64", "qemu-s390x", "windows"]);
        let wine = spec(RunnerKind::Wine, "wine", &[]);
        let cases = [
            (&qemu, true, &arm, false),
            (&qemu, false, &arm, false),
            (&qemu, true, &own, false),
            (&qemu, true, &script, false),
            (&qemu, true, &s390x, true),
            (&qemu, true, &windows, true),
            (&all, true, &s390x, false),
            (&all, true, &windows, false),
            (&all, false, &s390x, true),
            (&wine, true, &windows, false),
            (&wine, true, &script, false),
            (&wine, true, &arm, true),
        ];
        for (number, (spec, binfmt, head, expected)) in cases.into_iter().enumerate() {
            let entries = spec.binfmt.iter().filter(|_| binfmt).map(|(format, path)| BinfmtEntry::new(format, path));
            let entries: Vec<_> = entries.map(Result::unwrap).collect();
            let registered: Vec<_> = entries.iter().collect();
            assert_eq!(is_for_another_emulator(spec, &registered, head, &own), expected, "case {number}");
        }
    }

    #[test]
    fn a_file_of_unknown_format_is_refused_and_not_given_to_a_shell() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("script"), "exit 0").unwrap();
        fs::set_permissions(dir.path().join("script"), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = runner(&dir, "", &[]);
        let output = command.env("PROGRAM", "./script").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains("in no format"), "{text}");
    }

    #[test]
    fn a_library_is_looked_for_without_regard_to_capitals() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("kernel32.dll"), "").unwrap();
        let libraries = ["KERNEL32.dll", "api-ms-win-crt-heap-l1-1-0.dll", "d3d11.dll"].map(str::to_owned);
        assert_eq!(not_in(&libraries, &[dir.path().to_owned(), dir.path().join("none")]), ["d3d11.dll"]);
    }

    #[test]
    fn a_missing_emulator_is_named_in_the_status() {
        let dir = TempDir::new().unwrap();
        // The kernel opens a program at once, and this one may not be executed.
        let emulator = dir.path().join("emulator");
        fs::write(&emulator, b"\x7fELF").unwrap();
        assert_eq!(output(&mut runner(&dir, "exit 0", &[("qemu-s390x", &emulator)])).0, Some(0));
        let Status { entered, refused } = status(&dir);
        assert_eq!(entered, Entered::Direct);
        assert!(probe().is_err() || refused.unwrap().starts_with(emulator.to_str().unwrap()));
    }

    #[test]
    fn a_refusal_is_explained_in_plain_words() {
        let new = "6.18.44-x";
        let (clone, armor) = ("kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns");
        for (step, errno, release, seccomp, sysctl, word) in [
            (Step::Mount, Errno::EPERM, "6.1.0-13-amd64", false, ("", 0), "before Linux 6.7"),
            (Step::Mount, Errno::ENODEV, new, false, ("", 0), "no binfmt_misc"),
            (Step::Mount, Errno::EACCES, new, false, (armor, 1), "AppArmor"),
            (Step::Unshare, Errno::ENOSPC, new, false, ("user/max_user_namespaces", 0), "are off"),
            (Step::Unshare, Errno::EPERM, new, false, (clone, 0), "for root only"),
            (Step::Unshare, Errno::EPERM, new, true, (armor, 0), "seccomp"),
            (Step::Register, Errno::ENOENT, new, true, (armor, 1), "emulator"),
        ] {
            let number = |path: &str| (path == sysctl.0).then_some(sysctl.1);
            let text = explain_from(Refusal(step, errno, 0), Facts(release, seccomp, &number));
            assert!(text.contains(word), "{text}");
        }
        let refusal = Refusal(Step::Register, Errno::ENOENT, 200);
        assert_eq!(Refusal::unpack(&refusal.pack()), Some(refusal));
        assert_eq!(Refusal::unpack(&Errno::ENOENT.into()), None);
    }
}
