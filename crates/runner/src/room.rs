//! A room: namespaces that several programs share, in which some directories are their own.
//!
//! Programs of several rows and packages run at once, and expect to be alone, as under `cargo test`: with a file of a fixed name
//! in the temporary directory, with another that they write into their package's directory. So each has a room, in which such a
//! directory shows what the machine's own has and keeps what is written to itself: an overlay, which needs no root since Linux
//! 5.11 (Documentation/filesystems/overlayfs.rst, "User xattr").
//!
//! A process of its own makes the room and holds it ([`hold`]), and runners enter it ([`Door`]).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString};
use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chdir, getegid, geteuid};
use serde::{Deserialize, Serialize};

use super::binfmt;
use super::namespace::Namespace;
use super::refusal::{Refusal, Step, explain};
use super::spec::Entered;

/// Names the file with the [`Room`] that a runner is to enter. The program does not see the variable.
pub const ROOM_VARIABLE: &str = "CROSS_FLAKE_RUNNER_ROOM";

/// The document from which a room is made.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Plan {
    /// Interpreters to register, as in a runner's document.
    pub binfmt: BTreeMap<String, PathBuf>,
    /// Directories that are not simply the machine's. A directory within another may have another role.
    pub folders: BTreeMap<PathBuf, Role>,
    /// The place for what is written to the room's own directories. A room with the same store has them as the last one left them.
    pub store: PathBuf,
    /// Gives the room a network of its own, with nothing in it but the loopback interface.
    pub network: bool,
}

/// The owner of a directory's content.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The room's own: it begins as the machine's, and what is written stays in the room.
    Private,
    /// The same, and where that cannot be had an empty directory will do.
    Temporary,
    /// The room's own, in memory, and empty at first.
    Memory,
    /// The machine's, within a directory that is not. A file may be one, too.
    Shared,
}

/// The line that the maker of a room prints when it can be entered.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Opened {
    /// The way in which emulators are started.
    pub entered: Entered,
    /// The reason for which the private binfmt_misc was refused, if it was asked for.
    pub refused: Option<String>,
    /// Directories that were to be the room's own and are not, each with the reason.
    pub shared: BTreeMap<PathBuf, String>,
}

/// A room that runners can enter: the file that [`ROOM_VARIABLE`] names.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Room {
    /// The process that holds it.
    pub process: i32,
    /// The way in which emulators are started.
    pub entered: Entered,
    /// The reason for which the private binfmt_misc was refused.
    pub refused: Option<String>,
    /// Variables of which programs see another value than whoever starts the runner, or none.
    pub variables: BTreeMap<String, Option<PathBuf>>,
}

/// Makes a room, says so in a line, and holds it until its input ends.
///
/// # Errors
/// There can be no namespaces here.
pub fn hold(plan: &Plan) -> Result<()> {
    let entries = binfmt::entries(&plan.binfmt)?;
    let namespace = Namespace::new(&entries)?;
    let plainly = |refusal: Refusal| anyhow::anyhow!(explain(refusal));
    namespace.leave_the_machines().map_err(plainly)?;
    if plan.network {
        unshare(CloneFlags::CLONE_NEWNET).and_then(|()| raise_loopback()).context("no network of its own")?;
    }
    let mut opened = Opened { entered: Entered::Direct, refused: None, shared: BTreeMap::new() };
    if !entries.is_empty() {
        match namespace.register() {
            Ok(()) => opened.entered = Entered::Binfmt,
            Err(refusal) => opened.refused = Some(super::refused(refusal, &entries)),
        }
    }
    furnish(plan, namespace.has_all_ids(), &mut opened.shared)?;
    namespace.become_itself().map_err(plainly)?;
    let mut line = serde_json::to_vec(&opened)?;
    line.push(b'\n');
    io::stdout().write_all(&line)?;
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new()).context("nobody holds the room any more")?;
    Ok(())
}

/// Turns on the loopback interface, which is down in a new namespace: netdevice(7).
fn raise_loopback() -> nix::Result<()> {
    // SAFETY: a request of zeros is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l', b'o'].map(|byte| byte as libc::c_char));
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the first call takes numbers, and gives a descriptor that is nobody else's; the second reads the request.
    unsafe {
        let socket = OwnedFd::from_raw_fd(Errno::result(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?);
        Errno::result(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request)).map(drop)
    }
}

/// Mounts the directories of a plan, the outer ones first.
fn furnish(plan: &Plan, all_ids: bool, failed: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let mut folders = plan.folders.clone();
    // What is mounted in a directory is not part of an overlay of it.
    for point in mount_points() {
        if plan
            .folders
            .iter()
            .any(|(folder, role)| *role != Role::Shared && point != *folder && point.starts_with(folder))
        {
            folders.entry(point).or_insert(Role::Shared);
        }
    }
    // Opened before anything is mounted over them. A parent comes before what is in it, by the order of paths.
    let mut opened: Vec<(&Path, Role, File)> = Vec::new();
    for (path, role) in &folders {
        let around =
            opened.iter().rfind(|(outer, ..)| path.starts_with(outer)).map_or(Role::Shared, |(_, role, _)| *role);
        if around == *role {
            continue;
        }
        // One that is not there needs nothing; one that cannot be seen cannot be written.
        if let Ok(file) = File::options().read(true).custom_flags(libc::O_PATH).open(path) {
            opened.push((path, *role, file));
        }
    }
    // It, too, may be in a directory that something is mounted over.
    let stores = File::open(&plan.store).with_context(|| format!("cannot open {}", plan.store.display()))?;
    for (path, role, file) in &opened {
        let store = Path::new(&by_number(&stores)).join(name_of(path));
        let done = match role {
            Role::Shared => bind(file, path),
            Role::Memory => mount_memory(path).and_then(|()| make_places(path, path, &opened)),
            Role::Private => overlay(path, file, &store, all_ids),
            Role::Temporary => overlay(path, file, &store, true).or_else(|_| {
                let empty = store.join("empty");
                fs::create_dir_all(&empty)?;
                fs::set_permissions(&empty, Permissions::from_mode(file.metadata()?.mode()))?;
                make_places(&empty, path, &opened)?;
                bind(&File::open(&empty)?, path)
            }),
        };
        if let Err(error) = done {
            failed.insert(path.to_path_buf(), format!("{error:#}"));
        }
    }
    Ok(())
}

/// Returns the place in a store for what was written to a directory.
pub fn written_to(folder: &Path, store: &Path) -> PathBuf {
    store.join(name_of(folder)).join("upper")
}

/// Returns a name for what is kept of a directory.
fn name_of(path: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Makes, in an empty directory that stands for another, files and directories to mount on all that is opened within that.
fn make_places(empty: &Path, path: &Path, opened: &[(&Path, Role, File)]) -> Result<()> {
    for (inner, _, file) in opened.iter().filter(|(inner, ..)| *inner != path && inner.starts_with(path)) {
        let place = empty.join(inner.strip_prefix(path)?);
        if file.metadata()?.is_dir() {
            fs::create_dir_all(place)?;
        } else {
            place.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::options().append(true).create(true).open(place)?;
        }
    }
    Ok(())
}

/// Returns the path of an open file, whatever has been mounted over its own. It also has none of the characters that an overlay's
/// options would have to escape.
fn by_number(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn bind(file: &File, path: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(by_number(file).as_str()), path, None::<&str>, flags, None::<&str>).context("cannot be mounted again")
}

fn mount_memory(path: &Path) -> Result<()> {
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some("mode=1777")).context("no memory can be mounted")
}

fn overlay(path: &Path, lower: &File, store: &Path, any_owner: bool) -> Result<()> {
    let owner = lower.metadata()?;
    if !any_owner && (owner.uid(), owner.gid()) != (geteuid().as_raw(), getegid().as_raw()) {
        // What belongs to another id cannot be copied into the store.
        anyhow::bail!("it belongs to another user or group");
    }
    let (upper, work) = (store.join("upper"), store.join("work"));
    if !upper.exists() {
        fs::create_dir_all(&upper)?;
        fs::set_permissions(&upper, Permissions::from_mode(owner.mode()))?;
    }
    fs::create_dir_all(&work)?;
    let (upper, work) = (File::open(upper)?, File::open(work)?);
    let [lower, upper, work] = [lower, &upper, &work].map(by_number);
    // Without root an overlay keeps its marks in user.*, which Linux takes since 5.11.
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work},userxattr");
    mount(Some("overlay"), path, Some("overlay"), MsFlags::empty(), Some(options.as_str())).with_context(|| {
        // Without root nothing can be seen that another mount hides, and an overlay would (clone_private_mount in fs/namespace.c).
        match mount_points().iter().any(|point| point != path && point.starts_with(path)) {
            true => "something is mounted in it",
            false => "the kernel makes no overlay of it",
        }
    })
}

/// Returns the directories that something is mounted on: proc_pid_mountinfo(5), whose fifth field is a path with some bytes in octal.
fn mount_points() -> Vec<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let points = text.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    points.map(|point| OsString::from_vec(unescaped(point)).into()).collect()
}

/// Returns a text with `\040` and its like as the bytes that they are.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// The way into a room, made before the fork, because nothing may allocate after it.
pub(super) struct Door {
    /// The namespace of users that the mounts belong to, and then the mounts themselves.
    users: OwnedFd,
    mounts: File,
    /// The room's network, if it has one of its own.
    network: Option<File>,
    /// A namespace of users within, if there is one: without privileges the outer one has no id but root's.
    inner: Option<File>,
    /// The current directory: entering leads to `/`.
    folder: CString,
}

/// `NS_GET_USERNS` (linux/nsfs.h): the namespace of users that another namespace belongs to.
const NS_GET_USERNS: libc::Ioctl = 0xb701;

impl Door {
    pub(super) fn to(room: &Room) -> Result<Door> {
        let gone = || format!("the room of process {} is gone", room.process);
        let open = |name: &str| File::open(format!("/proc/{}/ns/{name}", room.process)).with_context(gone);
        let (mounts, network, inner) = (open("mnt")?, open("net")?, open("user")?);
        let own = fs::metadata("/proc/self/ns/net").with_context(gone)?.ino() == network.metadata()?.ino();
        // SAFETY: the call takes no argument, and gives a descriptor that is nobody else's.
        let users = Errno::result(unsafe { libc::ioctl(mounts.as_raw_fd(), NS_GET_USERNS) })
            .map(|number| File::from(unsafe { OwnedFd::from_raw_fd(number) }))
            .with_context(gone)?;
        let same = users.metadata()?.ino() == inner.metadata()?.ino();
        let folder = std::env::current_dir().context("no current folder")?;
        Ok(Door {
            users: users.into(),
            mounts,
            network: (!own).then_some(network),
            inner: (!same).then_some(inner),
            folder: CString::new(folder.as_os_str().as_bytes())?,
        })
    }

    /// Takes this process into the room. Async-signal-safe: system calls only, no allocation.
    pub(super) fn enter(&self) -> Result<(), Refusal> {
        let (users, mounts) = (CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNS);
        setns(&self.users, users)
            .and_then(|()| setns(&self.mounts, mounts))
            .and_then(|()| self.network.as_ref().map_or(Ok(()), |network| setns(network, CloneFlags::CLONE_NEWNET)))
            .and_then(|()| self.inner.as_ref().map_or(Ok(()), |inner| setns(inner, users)))
            .and_then(|()| chdir::<CStr>(&self.folder))
            .map_err(Refusal::at(Step::Unshare))
    }
}

/// Kills whatever is still in a room: what wine's programs share outlives them.
pub fn empty(process: u32) {
    let of = |process: &Path| fs::read_link(process.join("ns/mnt")).ok();
    let holder = PathBuf::from(format!("/proc/{process}"));
    let Some(room) = of(&holder) else { return };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        if path != holder
            && let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && of(&path).as_ref() == Some(&room)
        {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
