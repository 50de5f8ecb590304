//! The system calls that are watched, by their numbers, and the filter that stops a program at them.

use nix::errno::Errno;
use nix::libc::{self, sock_filter, sock_fprog};

/// What a system call may do to the world, or learn of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `open(path, flags)`: the arguments with the path, and the flags.
    Open(At, usize),
    /// `creat(path)`.
    Create(At),
    /// `openat2(folder, path, how)`.
    OpenHow,
    /// `execve(path)`.
    Execute(At),
    /// A question about what is at a path.
    Ask(At),
    /// `mkdir(path)` and the like: makes something that was not there.
    Make(At),
    /// Changes what is at a path, or removes it.
    Change(At),
    /// `rename(from, to)`, and `link`, by which what is there can be changed under another name.
    Rename(At, At),
    /// `symlink(target, path)`: the path alone.
    SymbolicLink(At),
    /// `getdents(directory)`.
    List,
    /// `socket(family)`.
    Socket,
    /// `bind(socket, address, length)`, by which a socket may be made at a path.
    Bind,
    /// `connect(socket, address, length)`.
    Connect,
    /// Asks for the date.
    Date,
    /// `sysinfo`: how long the machine has run, and its memory.
    Machine,
    /// Anything that cannot be followed, in words.
    Beyond(&'static str),
}

/// The arguments with a path, and with the directory that it is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) folder: Option<usize>,
    /// None for a call that is about the open file itself.
    pub(super) path: Option<usize>,
}

const fn path(path: usize) -> At {
    At { folder: None, path: Some(path) }
}

const fn at(folder: usize) -> At {
    At { folder: Some(folder), path: Some(folder + 1) }
}

const fn opened(file: usize) -> At {
    At { folder: Some(file), path: None }
}

/// `AUDIT_ARCH_*` of linux/audit.h.
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
/// `__AUDIT_ARCH_64BIT`.
const IS_64_BIT: u32 = 0x8000_0000;

/// The architectures whose programs a machine starts by itself.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [u32; 2] = [X86_64, I386];
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURES: [u32; 1] = [AARCH64];

/// No number of a system call: the architecture has it not.
const NONE: u32 = u32::MAX;

/// Numbers on x86_64, i386 and arm64 (arch/x86/entry/syscalls/*.tbl and include/uapi/asm-generic/unistd.h of Linux).
const CALLS: &[(Call, [u32; 3])] = &[
    (Call::Open(path(0), 1), [2, 5, NONE]),
    (Call::Open(at(0), 2), [257, 295, 56]),
    (Call::OpenHow, [437, 437, 437]),
    (Call::Create(path(0)), [85, 8, NONE]),
    (Call::Execute(path(0)), [59, 11, 221]),
    (Call::Execute(at(0)), [322, 358, 281]),
    // stat, lstat; oldstat, oldlstat, stat64, lstat64.
    (Call::Ask(path(0)), [4, 106, NONE]),
    (Call::Ask(path(0)), [6, 107, NONE]),
    (Call::Ask(path(0)), [NONE, 18, NONE]),
    (Call::Ask(path(0)), [NONE, 84, NONE]),
    (Call::Ask(path(0)), [NONE, 195, NONE]),
    (Call::Ask(path(0)), [NONE, 196, NONE]),
    // newfstatat, statx, access, faccessat, faccessat2, readlink, readlinkat.
    (Call::Ask(at(0)), [262, 300, 79]),
    (Call::Ask(at(0)), [332, 383, 291]),
    (Call::Ask(path(0)), [21, 33, NONE]),
    (Call::Ask(at(0)), [269, 307, 48]),
    (Call::Ask(at(0)), [439, 439, 439]),
    (Call::Ask(path(0)), [89, 85, NONE]),
    (Call::Ask(at(0)), [267, 305, 78]),
    // getxattr, lgetxattr, listxattr, llistxattr.
    (Call::Ask(path(0)), [191, 229, 8]),
    (Call::Ask(path(0)), [192, 230, 9]),
    (Call::Ask(path(0)), [194, 232, 11]),
    (Call::Ask(path(0)), [195, 233, 12]),
    // mkdir, mkdirat, mknod, mknodat.
    (Call::Make(path(0)), [83, 39, NONE]),
    (Call::Make(at(0)), [258, 296, 34]),
    (Call::Make(path(0)), [133, 14, NONE]),
    (Call::Make(at(0)), [259, 297, 33]),
    // rmdir, unlink, unlinkat, truncate, truncate64.
    (Call::Change(path(0)), [84, 40, NONE]),
    (Call::Change(path(0)), [87, 10, NONE]),
    (Call::Change(at(0)), [263, 301, 35]),
    (Call::Change(path(0)), [76, 92, 45]),
    (Call::Change(path(0)), [NONE, 193, NONE]),
    // chmod, fchmodat, fchmodat2, chown, chown32, lchown, lchown32, fchownat.
    (Call::Change(path(0)), [90, 15, NONE]),
    (Call::Change(at(0)), [268, 306, 53]),
    (Call::Change(at(0)), [452, 452, 452]),
    (Call::Change(path(0)), [92, 182, NONE]),
    (Call::Change(path(0)), [NONE, 212, NONE]),
    (Call::Change(path(0)), [94, 16, NONE]),
    (Call::Change(path(0)), [NONE, 198, NONE]),
    (Call::Change(at(0)), [260, 298, 54]),
    // fchmod, fchown, fchown32, fsetxattr, fremovexattr.
    (Call::Change(opened(0)), [91, 94, 52]),
    (Call::Change(opened(0)), [93, 95, 55]),
    (Call::Change(opened(0)), [NONE, 207, NONE]),
    (Call::Change(opened(0)), [190, 228, 7]),
    (Call::Change(opened(0)), [199, 237, 16]),
    // utime, utimes, futimesat, utimensat, utimensat_time64, setxattr, lsetxattr, removexattr, lremovexattr.
    (Call::Change(path(0)), [132, 30, NONE]),
    (Call::Change(path(0)), [235, 271, NONE]),
    (Call::Change(at(0)), [261, 299, NONE]),
    (Call::Change(at(0)), [280, 320, 88]),
    (Call::Change(at(0)), [NONE, 412, NONE]),
    (Call::Change(path(0)), [188, 226, 5]),
    (Call::Change(path(0)), [189, 227, 6]),
    (Call::Change(path(0)), [197, 235, 14]),
    (Call::Change(path(0)), [198, 236, 15]),
    // rename, renameat, renameat2, link, linkat, symlink, symlinkat.
    (Call::Rename(path(0), path(1)), [82, 38, NONE]),
    (Call::Rename(at(0), at(2)), [264, 302, 38]),
    (Call::Rename(at(0), at(2)), [316, 353, 276]),
    (Call::Rename(path(0), path(1)), [86, 9, NONE]),
    (Call::Rename(at(0), at(2)), [265, 303, 37]),
    (Call::SymbolicLink(path(1)), [88, 83, NONE]),
    (Call::SymbolicLink(at(1)), [266, 304, 36]),
    // getdents, getdents64.
    (Call::List, [78, 141, NONE]),
    (Call::List, [217, 220, 61]),
    (Call::Socket, [41, 359, 198]),
    (Call::Bind, [49, 361, 200]),
    (Call::Connect, [42, 362, 203]),
    (Call::Beyond("uses sockets"), [NONE, 102, NONE]),
    // clock_gettime, clock_gettime64, gettimeofday, time.
    (Call::Date, [228, 265, 113]),
    (Call::Date, [NONE, 403, NONE]),
    (Call::Date, [96, 78, 169]),
    (Call::Date, [201, 13, NONE]),
    (Call::Machine, [99, 116, 179]),
    (Call::Beyond("looks into other processes"), [101, 26, 117]),
    (Call::Beyond("looks into other processes"), [310, 347, 270]),
    (Call::Beyond("uses io_uring"), [425, 425, 425]),
    // shmget, semget, msgget, ipc.
    (Call::Beyond("shares memory by a number"), [29, 395, 194]),
    (Call::Beyond("shares semaphores by a number"), [64, 393, 190]),
    (Call::Beyond("shares messages by a number"), [68, 399, 186]),
    (Call::Beyond("shares memory by a number"), [NONE, 117, NONE]),
    (Call::Beyond("shares messages by a name"), [240, 277, 180]),
    // mount, move_mount, pivot_root, chroot, setns.
    (Call::Beyond("changes what is mounted"), [165, 21, 40]),
    (Call::Beyond("changes what is mounted"), [429, 429, 429]),
    (Call::Beyond("changes its root"), [155, 217, 41]),
    (Call::Beyond("changes its root"), [161, 61, 51]),
    (Call::Beyond("enters a namespace"), [308, 346, 268]),
    (Call::Beyond("opens files by handles"), [304, 342, 265]),
    (Call::Beyond("measures the processor"), [298, 336, 241]),
    (Call::Beyond("loads programs into the kernel"), [321, 357, 280]),
    (Call::Beyond("watches other files"), [300, 338, 262]),
    // add_key, request_key, keyctl.
    (Call::Beyond("uses the kernel's keys"), [248, 286, 217]),
    (Call::Beyond("uses the kernel's keys"), [249, 287, 218]),
    (Call::Beyond("uses the kernel's keys"), [250, 288, 219]),
];

/// Clocks that say what day it is: `CLOCK_REALTIME`, `CLOCK_REALTIME_COARSE` and `CLOCK_TAI` (linux/time.h).
const DATES: [u32; 3] = [0, 5, 11];

/// The column of an architecture in [`CALLS`].
fn column(arch: u32) -> Option<usize> {
    [X86_64, I386, AARCH64].iter().position(|known| *known == arch)
}

/// Returns what a system call is, by its architecture and number; `None` for one that is not watched.
pub(super) fn call(arch: u32, number: u64) -> Option<Call> {
    let column = column(arch)?;
    CALLS.iter().find(|(_, numbers)| u64::from(numbers[column]) == number).map(|(call, _)| *call)
}

/// The size of a word in the memory of a program, in bytes.
pub(super) fn word(arch: u32) -> usize {
    if arch & IS_64_BIT == 0 { 4 } else { 8 }
}

// Classic BPF (linux/bpf_common.h, linux/filter.h), over `struct seccomp_data`: nr, arch, instruction pointer, arguments.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_LESS: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
/// `SECCOMP_RET_*` (linux/seccomp.h).
const ALLOW: u32 = 0x7fff_0000;
const STOP: u32 = 0x7ff0_0000;
/// `__X32_SYSCALL_BIT`: another ABI under the same architecture.
const X32: u32 = 0x4000_0000;

const fn op(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Makes the filter: for all calls of the table, or for those alone that execute a program. What is of an architecture that this machine
/// does not start by itself is stopped at every call in the first case, and so is never taken for something that was watched.
pub(super) fn filter(all: bool) -> Vec<sock_filter> {
    let others = if all { STOP } else { ALLOW };
    let mut filter = vec![op(LOAD, ARCH, 0, 0)];
    for arch in ARCHITECTURES {
        let Some(column) = column(arch) else { continue };
        let mut part = vec![op(LOAD, NUMBER, 0, 0)];
        if arch == X86_64 {
            part.extend([op(IF_LESS, X32, 0, 1), op(RETURN, others, 0, 0)]);
        }
        let calls = CALLS.iter().filter(|(call, _)| all || matches!(call, Call::Execute(_)));
        for (call, numbers) in calls.filter(|(_, numbers)| numbers[column] != NONE) {
            let is_clock = *call == Call::Date && [228, 265, 113, 403].contains(&numbers[column]);
            if is_clock {
                // Others are no dates, and are asked for all the time.
                part.push(op(IF_EQUAL, numbers[column], 0, DATES.len() as u8 + 3));
                part.push(op(LOAD, FIRST_ARGUMENT, 0, 0));
                for (place, date) in DATES.iter().enumerate() {
                    part.push(op(IF_EQUAL, *date, (DATES.len() - place) as u8, 0));
                }
                part.extend([op(RETURN, ALLOW, 0, 0), op(RETURN, STOP, 0, 0)]);
            } else {
                part.extend([op(IF_EQUAL, numbers[column], 0, 1), op(RETURN, STOP, 0, 0)]);
            }
        }
        part.push(op(RETURN, ALLOW, 0, 0));
        // A conditional jump reaches 255 instructions, and there may be more.
        filter.extend([op(IF_EQUAL, arch, 1, 0), op(JUMP, part.len() as u32, 0, 0)]);
        filter.extend(part);
    }
    filter.push(op(RETURN, others, 0, 0));
    filter
}

/// Has this process, and all that it starts, stopped at watched calls. Async-signal-safe.
///
/// # Errors
/// The kernel takes no such filter.
pub(super) fn install(filter: &[sock_filter]) -> nix::Result<()> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: both calls take numbers, and the second reads the filter.
    unsafe {
        Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        Errno::result(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel does.
    fn verdict_of(filter: &[sock_filter], arch: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = filter[at];
            at += 1;
            match code {
                LOAD => {
                    value =
                        [number, arch, argument][[NUMBER, ARCH, FIRST_ARGUMENT].iter().position(|o| *o == k).unwrap()]
                }
                IF_EQUAL => at += usize::from(if value == k { jt } else { jf }),
                IF_LESS => at += usize::from(if value >= k { jt } else { jf }),
                JUMP => at += k as usize,
                RETURN => return k,
                _ => panic!("{code}"),
            }
        }
    }

    fn verdict(arch: u32, number: u32, argument: u32) -> u32 {
        verdict_of(&filter(true), arch, number, argument)
    }

    #[test]
    fn the_small_filter_stops_what_executes_a_program_and_nothing_else() {
        let filter = filter(false);
        for arch in ARCHITECTURES {
            for number in 0..600 {
                let expected = if matches!(call(arch, number.into()), Some(Call::Execute(_))) { STOP } else { ALLOW };
                assert_eq!(verdict_of(&filter, arch, number, 0), expected, "{arch:x} {number}");
            }
        }
        assert_eq!(verdict_of(&filter, 1, 39, 0), ALLOW);
    }

    #[test]
    fn every_call_of_the_table_stops_a_program_and_no_other() {
        for arch in ARCHITECTURES {
            for number in 0..600 {
                let expected = if call(arch, number.into()).is_some() { STOP } else { ALLOW };
                assert_eq!(verdict(arch, number, 0), expected, "{arch:x} {number}");
            }
            for (clock, expected) in [(0, STOP), (1, ALLOW), (5, STOP), (7, ALLOW), (11, STOP)] {
                let number = CALLS.iter().find(|(call, _)| *call == Call::Date).unwrap().1[column(arch).unwrap()];
                assert_eq!(verdict(arch, number, clock), expected, "{arch:x} {clock}");
            }
        }
        assert_eq!(verdict(1, 39, 0), STOP, "an architecture that nobody knows");
        if cfg!(target_arch = "x86_64") {
            assert_eq!(verdict(X86_64, X32 + 39, 0), STOP, "x32");
        }
    }

    #[test]
    fn numbers_are_those_of_the_machine() {
        let column = column(ARCHITECTURES[0]).unwrap();
        let number =
            |call: Call| CALLS.iter().filter(move |(known, _)| *known == call).map(move |(_, numbers)| numbers[column]);
        assert!(number(Call::Open(at(0), 2)).any(|number| i64::from(number) == libc::SYS_openat));
        assert!(number(Call::Ask(at(0))).any(|number| i64::from(number) == libc::SYS_statx));
        assert!(number(Call::Connect).any(|number| i64::from(number) == libc::SYS_connect));
        assert!(number(Call::Rename(at(0), at(2))).any(|number| i64::from(number) == libc::SYS_renameat2));
        assert!(number(Call::Change(at(0))).any(|number| i64::from(number) == libc::SYS_utimensat));
    }
}
