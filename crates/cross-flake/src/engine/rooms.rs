//! A room for each test program: which directories are its own, and which are the machine's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use super::job::Job;
use crate::cache::{Cache, RunFolder};
use crate::events::Events;
use crate::host::child::clean_command;
use crate::host::digest::StableHasher;
use crate::workspace::Workspace;
use cross_flake_runner::room::{self, Opened, Plan, ROOM_VARIABLE, Role, Room};
use cross_flake_runner::{RunnerKind, RunnerSpec};

/// The temporary directory of programs that are told of no other (environ(7), hier(7)).
const TEMPORARY: &str = "/tmp";
/// The directory of objects that processes share by name (shm_overview(7)).
const SHARED_MEMORY: &str = "/dev/shm";
/// Variables that name a temporary directory; what others name is somebody's.
const NAMES_OF_TEMPORARY: [&str; 4] = ["TMPDIR", "TMP", "TEMP", "TEMPDIR"];

/// The rooms of a run.
pub struct Rooms {
    /// The workspace, and members outside of it.
    workspace: BTreeSet<PathBuf>,
    /// Directories whose writes belong to a room, and those within that stay the machine's.
    folders: BTreeMap<PathBuf, Role>,
    /// Ids of packages whose tests have networks of their own.
    networks: BTreeSet<String>,
    refused: Option<String>,
    /// Rooms that are not open for the first time: what wine's programs share takes a second to come up.
    kept: Mutex<HashMap<String, OpenRoom>>,
    /// The last to be dropped: rooms are in it.
    folder: RunFolder,
}

/// A room that programs can be started in.
pub struct OpenRoom {
    holder: Child,
    /// Its end ends the holder.
    input: Option<ChildStdin>,
    document: PathBuf,
    kind: RunnerKind,
}

impl Rooms {
    /// The rooms for tests of a workspace. `wanted` may be the reason for which there are to be none.
    ///
    /// # Errors
    /// No temporary file can be written, or a setting of the workspace is malformed.
    pub fn new(workspace: &Workspace, wanted: std::result::Result<(), &str>) -> Result<Rooms> {
        let mut rooms = Rooms { networks: workspace.private_networks()?, ..Rooms::none()? };
        let meta = &workspace.metadata;
        let members = meta.workspace_packages().into_iter().filter_map(|package| package.manifest_path.parent());
        let private = members.map(|folder| folder.as_std_path()).chain([workspace.root()]);
        rooms.workspace = private.filter_map(|folder| std::fs::canonicalize(folder).ok()).collect();
        rooms.folders.extend(rooms.workspace.iter().map(|folder| (folder.clone(), Role::Private)));
        // Programs, and whatever else cargo puts where it builds; but for the directory that tests have there (CARGO_TARGET_TMPDIR).
        let build = meta.build_directory.as_ref().unwrap_or(&meta.target_directory);
        let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let cache = Cache::locate().ok().map(|cache| cache.root().to_owned());
        let machines = [home("CARGO_HOME"), home("RUSTUP_HOME"), cache].into_iter().flatten();
        let machines = machines.chain([&meta.target_directory, build].map(|folder| folder.clone().into()));
        rooms.folders.extend(machines.map(|folder| (folder, Role::Shared)));
        let triples = workspace.table.rows().iter().map(|row| row.triple.as_str());
        for folder in std::iter::once("").chain(triples) {
            let own =
                [&meta.target_directory, build].map(|target| (target.join(folder).join("tmp").into(), Role::Private));
            rooms.folders.extend(own);
        }
        rooms.refused = match wanted {
            Err(reason) => Some(reason.to_owned()),
            Ok(()) => rooms.try_out().err().map(|error| format!("{error:#}")),
        };
        Ok(rooms)
    }

    /// No rooms, for programs that nothing else runs beside.
    ///
    /// # Errors
    /// No temporary file can be written.
    pub fn none() -> Result<Rooms> {
        let folder = Cache::locate().unwrap_or_else(|_| Cache::none()).run_folder()?;
        Ok(Rooms {
            folder,
            workspace: BTreeSet::new(),
            folders: BTreeMap::new(),
            networks: BTreeSet::new(),
            refused: Some("nothing else runs".to_owned()),
            kept: Mutex::default(),
        })
    }

    /// The directory for temporary files of the run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The reason for which there are no rooms.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Returns true if a job can have a room. wine whose prefix is not known, as that of the provider nix, has none: it would be the same
    /// prefix in several rooms.
    pub fn has_one_for(&self, job: &Job) -> bool {
        let homeless = |runner: &RunnerSpec| runner.kind == RunnerKind::Wine && prefix(runner).is_none();
        self.refused.is_none() && !job.runner().is_some_and(homeless)
    }

    /// Opens a room with all that programs have, in which nothing is started.
    fn try_out(&self) -> Result<()> {
        let mut plan = self.plan("probe", BTreeMap::new(), &[])?;
        plan.network = !self.networks.is_empty();
        let room = self.make(&plan, RunnerKind::Native)?;
        drop(room);
        crate::cache::remove(&plan.store);
        Ok(())
    }

    /// The room for a job; none if there are to be none.
    ///
    /// # Errors
    /// It cannot be made, although others could.
    pub fn open(&self, job: &Job, runner: &RunnerSpec) -> Result<Option<OpenRoom>> {
        if !self.has_one_for(job) {
            return Ok(None);
        }
        let name = store_name(job);
        if let Some(room) = self.kept().remove(&name) {
            return Ok(Some(room));
        }
        let words = job.words().map(|word| (OsString::new(), word));
        let values: Vec<(OsString, OsString)> = job.env.clone().into_iter().chain(words).collect();
        let mut plan = self.plan(&name, runner.binfmt.clone(), &values)?;
        if let Some(prefix) = prefix(runner) {
            // A server of wine's belongs to one room: it opens files for its programs.
            plan.folders.insert(prefix.into(), Role::Private);
        }
        plan.network = self.networks.contains(&job.package);
        self.make(&plan, runner.kind).map(Some)
    }

    /// Names the files that tests wrote into the workspace and that are not there.
    pub fn note_written(&self, workspace: &Workspace, events: &Events) {
        let written = self.written();
        let root = std::fs::canonicalize(workspace.root()).unwrap_or_default();
        let names: Vec<_> =
            written.iter().map(|file| file.strip_prefix(&root).unwrap_or(file).display().to_string()).collect();
        let (first, rest) = names.split_at(names.len().min(5));
        if !first.is_empty() {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            let first = first.join(", ");
            events.note(&format!(
                "tests wrote into the workspace, and that is gone: {first}{more}; --no-isolation keeps it"
            ));
        }
    }

    /// Files of the workspace that are not what they were for tests that have written them.
    fn written(&self) -> BTreeSet<PathBuf> {
        let mut written = BTreeSet::new();
        for store in std::fs::read_dir(self.stores()).into_iter().flatten().flatten() {
            for folder in &self.workspace {
                let place = room::written_to(folder, &store.path());
                let mut todo = vec![place.clone()];
                while let Some(path) = todo.pop() {
                    let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
                    for (path, kind) in entries.filter_map(|entry| Some((entry.path(), entry.file_type().ok()?))) {
                        let original = folder.join(path.strip_prefix(&place).unwrap_or(&path));
                        let differs = || std::fs::read(&path).ok() != std::fs::read(&original).ok();
                        if kind.is_dir() {
                            todo.push(path);
                        } else if kind.is_file() && differs() {
                            written.insert(original);
                        }
                    }
                }
            }
        }
        written
    }

    fn stores(&self) -> PathBuf {
        self.folder().join("rooms")
    }

    /// A job has ended, and the next one of its package and row may want its room.
    pub fn close(&self, job: &Job, room: OpenRoom) {
        if room.kind == RunnerKind::Wine {
            self.kept().insert(store_name(job), room);
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, OpenRoom>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forms the plan of a room for programs with these variables and arguments.
    fn plan(&self, name: &str, binfmt: BTreeMap<String, PathBuf>, values: &[(OsString, OsString)]) -> Result<Plan> {
        let mut folders = BTreeMap::new();
        let is_theirs = |name: &OsStr| NAMES_OF_TEMPORARY.iter().any(|known| name == *known);
        let tmpdir = values.iter().filter(|(name, _)| name == "TMPDIR").map(|(_, folder)| Path::new(folder));
        let temporary = std::iter::once(Path::new(TEMPORARY)).chain(tmpdir).map(|folder| (folder, Role::Temporary));
        for (folder, role) in temporary.chain([(Path::new(SHARED_MEMORY), Role::Memory)]) {
            let Ok(folder) = std::fs::canonicalize(folder) else { continue };
            let others = values.iter().filter(|(name, _)| !is_theirs(name));
            let named = others.flat_map(|(_, value)| named_in(&folder, value));
            folders.extend(named.chain(sockets_in(&folder)).map(|path| (path, Role::Shared)));
            // Though it may be within another, and named.
            folders.insert(folder, role);
        }
        folders.extend(
            self.folders.iter().filter_map(|(folder, role)| Some((std::fs::canonicalize(folder).ok()?, *role))),
        );
        let store = self.stores().join(name);
        std::fs::create_dir_all(&store).with_context(|| format!("cannot make {}", store.display()))?;
        // That it is within a directory of the room's own changes nothing of what it is.
        folders.insert(self.folder().to_owned(), Role::Shared);
        Ok(Plan { binfmt, folders, store, network: false })
    }

    fn make(&self, plan: &Plan, kind: RunnerKind) -> Result<OpenRoom> {
        let file = plan.store.join("plan.json");
        std::fs::write(&file, serde_json::to_vec(plan)?).with_context(|| format!("cannot write {}", file.display()))?;
        let mut holder = clean_command(std::env::current_exe().context("cannot find this program itself")?)
            .arg("room")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start this program itself")?;
        let (stdout, stderr, input) = (holder.stdout.take(), holder.stderr.take(), holder.stdin.take());
        let room = OpenRoom { holder, input, document: plan.store.join("room.json"), kind };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).context("cannot read about a room")?;
        }
        let Ok(opened) = serde_json::from_str::<Opened>(&line) else {
            let mut said = String::new();
            let _ = stderr.map(|mut stderr| stderr.read_to_string(&mut said));
            bail!("{}", said.trim().trim_start_matches("error: "));
        };
        if let Some((folder, why)) = opened.shared.iter().next() {
            bail!("{} cannot be a room's own: {why}", folder.display());
        }
        let document = Room {
            process: room.holder.id().cast_signed(),
            entered: opened.entered,
            refused: opened.refused,
            variables: BTreeMap::new(),
        };
        room.write(&document)?;
        Ok(room)
    }
}

/// The directory that wine takes for a machine.
fn prefix(runner: &RunnerSpec) -> Option<&String> {
    runner.env.get("WINEPREFIX").filter(|_| runner.kind == RunnerKind::Wine)
}

/// The name of the store that the rooms of a package on a row have in common.
fn store_name(job: &Job) -> String {
    use std::hash::{Hash, Hasher};
    let mut hasher = StableHasher::default();
    (job.owner, &job.package).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Entries of a directory that a value names: a file or directory below one, a socket's address, a list of paths.
fn named_in(folder: &Path, value: &OsStr) -> Vec<PathBuf> {
    let (value, start) = (value.to_string_lossy(), format!("{}/", folder.display()));
    let mut named = Vec::new();
    for (at, _) in value.match_indices(&start) {
        let rest = &value[at + start.len()..];
        // Names may have spaces and the like; the longest that is there is meant.
        let ends = rest
            .match_indices(['/', ':', ';', ',', ' ', '"', '\'', '?', '&', '='])
            .map(|(end, _)| end)
            .chain([rest.len()]);
        let candidates = ends.take_while(|end| !rest[..*end].contains('/')).map(|end| folder.join(&rest[..end]));
        named.extend(candidates.filter(|path| path != folder && path.symlink_metadata().is_ok()).last());
    }
    named
}

/// Sockets of servers, and of X its directory: through an overlay nobody would answer.
fn sockets_in(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_socket = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_socket());
    entries(folder)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // wine's are of its own programs.
            let hidden = name.starts_with('.') && !name.starts_with(".wine-");
            is_socket(entry) || (hidden && entries(&entry.path()).any(|entry| is_socket(&entry)))
        })
        .map(|entry| entry.path())
        .collect()
}

impl OpenRoom {
    fn write(&self, room: &Room) -> Result<()> {
        let text = serde_json::to_vec(room)?;
        std::fs::write(&self.document, text).with_context(|| format!("cannot write {}", self.document.display()))
    }

    /// The path by which others see the room's `/`.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.holder.id()))
    }

    /// Has the runners below a command enter the room.
    pub fn enter(&self, command: &mut Command) {
        command.env(ROOM_VARIABLE, &self.document);
    }

    /// The same for a command that starts several of them itself, after it has built their programs in a temporary directory: it gets one
    /// that programs in the room see, and they what the command would have had.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn enter_later(&self, command: &mut Command) -> Result<()> {
        let text = std::fs::read(&self.document).context("cannot read about a room")?;
        let mut room: Room = serde_json::from_slice(&text)?;
        let set = command.get_envs().find(|(name, _)| *name == "TMPDIR").map(|(_, value)| value.map(PathBuf::from));
        let theirs = set.unwrap_or_else(|| std::env::var_os("TMPDIR").map(PathBuf::from));
        room.variables.insert("TMPDIR".to_owned(), theirs);
        self.write(&room)?;
        let folder = self.document.with_file_name("built");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        command.env("TMPDIR", folder);
        self.enter(command);
        Ok(())
    }
}

impl Drop for OpenRoom {
    fn drop(&mut self) {
        if self.kind == RunnerKind::Wine {
            room::empty(self.holder.id());
        }
        drop(self.input.take());
        let _ = self.holder.wait();
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_a_value_names_in_the_temporary_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path();
        for name in ["a", "with space", "socket"] {
            std::fs::create_dir(own.join(name)).unwrap();
        }
        let named = |value: &str| -> Vec<String> {
            let paths = named_in(own, OsStr::new(&value.replace('@', own.to_str().unwrap())));
            paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(named("@/a/b/c"), ["a"]);
        assert_eq!(named("/usr/bin:@/a/bin:@/with space/bin"), ["a", "with space"]);
        assert_eq!(named("unix:path=@/socket,guid=1"), ["socket"]);
        assert_eq!(named("@"), [""; 0]);
        assert_eq!(named("@/none/a"), [""; 0]);
        let _server = std::os::unix::net::UnixListener::bind(own.join("server")).unwrap();
        assert_eq!(sockets_in(own), [own.join("server")]);
    }
}
