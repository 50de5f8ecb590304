//! A fixture copied to a folder of its own, and program started in it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// What most tests are about: the build machine's own target, and one that is emulated.
pub const BOTH: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

/// An upper bound for what takes moments once the set-up is done, which another test may be at for minutes.
const LIMIT: Duration = Duration::from_secs(1800);

/// A copy of a fixture, and all that a run leaves: its target folder, its temporary files.
pub struct Fixture {
    /// Removed at the end, whatever is in it.
    folder: TempDir,
    root: PathBuf,
    cache: Option<PathBuf>,
}

impl Fixture {
    /// The fixture of this name, for use with the normal cache.
    pub fn new(name: &str) -> Fixture {
        Fixture::at(name, "workspace")
    }

    /// The same, in a folder that is called so.
    pub fn at(name: &str, place: &str) -> Fixture {
        Fixture::copied(&manifest_dir().join("tests/fixtures").join(name), place)
    }

    /// The example of this name, which must be a workspace of its own.
    pub fn example(name: &str) -> Fixture {
        Fixture::copied(&manifest_dir().join("../../examples").join(name), "workspace")
    }

    fn copied(from: &Path, place: &str) -> Fixture {
        let folder = tempfile::Builder::new().prefix("it-").tempdir().unwrap();
        let root = folder.path().join(place);
        copy(from, &root);
        // What a developer built there.
        let _ = fs::remove_dir_all(root.join("target"));
        // The toolchain that everything else here uses, so that no other is set up.
        fs::copy(manifest_dir().join("../../rust-toolchain.toml"), root.join("rust-toolchain.toml")).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Fixture { folder, root, cache: None }
    }

    /// Uses a cache of its own from now on.
    pub fn with_cache(mut self, cache: &Path) -> Fixture {
        self.cache = Some(cache.to_owned());
        self
    }

    /// The workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the folder that vanishes.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the workspace.
    pub fn write(&self, name: &str, text: &str) -> &Fixture {
        fs::create_dir_all(self.root().join(name).parent().unwrap()).unwrap();
        fs::write(self.root.join(name), text).unwrap();
        self
    }

    /// `program ARGS`.
    pub fn program(&self, args: &[&str]) -> Start {
        self.command(env!("CARGO_BIN_EXE_cargo-cross-flake"), args)
    }

    /// `program COMMAND x86_64-linux aarch64-linux ARGS`.
    pub fn for_both(&self, command: &str, args: &[&str]) -> Start {
        self.program(&[&[command], &BOTH[..], args].concat())
    }

    /// Another program, in the same folder and environment.
    pub fn command(&self, program: &str, args: &[&str]) -> Start {
        let mut line: Vec<OsString> = vec![program.into()];
        line.extend(args.iter().map(OsString::from));
        let mut program = Start { line, env: clean_environment(), cwd: self.root.clone(), untraced: false };
        program = program.env("CARGO_TARGET_DIR", self.path("target")).env("TMPDIR", self.path("tmp"));
        match &self.cache {
            Some(cache) => program.env("CROSS_FLAKE_CACHE", cache),
            None => program,
        }
    }

    /// `git ARGS` in the workspace.
    pub fn git(&self, args: &[&str]) {
        let identity = ["-c", "user.name=cross-flake", "-c", "user.email=cross-flake@localhost"];
        self.command("git", &[&identity, args].concat()).succeeds();
    }

    /// Commits everything in the workspace.
    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "all"]);
    }

    /// Processes that were started in this folder and still live: its path is in their environment.
    pub fn processes(&self) -> Vec<String> {
        let own = self.folder.path().to_str().unwrap().as_bytes();
        let names_it = |file: &Path| fs::read(file).is_ok_and(|text| text.windows(own.len()).any(|part| part == own));
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|process| names_it(&process.join("environ")) || names_it(&process.join("cmdline")))
            .map(|process| {
                let line = fs::read(process.join("cmdline")).unwrap_or_default();
                let pid = process.file_name().unwrap().to_string_lossy().into_owned();
                format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
            })
            .collect()
    }

    /// Nothing of a run is left: no process, no mount, no temporary file.
    pub fn assert_nothing_left(&self) {
        // A killed process may take a moment to be gone.
        until("every process is gone", || self.processes().is_empty(), || self.processes().join("\n"));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.folder.path().to_str().unwrap()), "{mounts}");
        assert_eq!(names(&self.path("tmp")), [""; 0], "temporary files");
        if let Some(cache) = &self.cache {
            assert_eq!(names(&cache.join("tmp")), [""; 0], "temporary files of the cache");
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // Only a test that fails has any.
        for process in self.processes() {
            let _ = kill(Pid::from_raw(process.split(' ').next().unwrap().parse().unwrap()), Signal::SIGKILL);
        }
    }
}

/// A program about to be started.
pub struct Start {
    line: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    untraced: bool,
}

impl Start {
    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Start {
        self = self.without(name);
        self.env.push((name.into(), value.as_ref().into()));
        self
    }

    /// Removes a variable.
    pub fn without(mut self, name: &str) -> Start {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Puts another program in front: `unshare`, with its options.
    pub fn under(mut self, line: &[&str]) -> Start {
        self.line.splice(0..0, line.iter().map(OsString::from));
        self
    }

    /// As in a container that lets no program be traced.
    pub fn untraced(mut self) -> Start {
        self.untraced = true;
        self
    }

    /// Another folder to start in.
    pub fn in_folder(mut self, folder: &Path) -> Start {
        self.cwd = folder.to_owned();
        self
    }

    fn start_with(&self, set: impl FnOnce(&mut Command)) -> Child {
        let mut command = Command::new(&self.line[0]);
        command.args(&self.line[1..]).env_clear().envs(self.env.iter().cloned()).current_dir(&self.cwd);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        set(&mut command);
        if self.untraced {
            // SAFETY: system calls only.
            unsafe { command.pre_exec(forbid_traces) };
        }
        command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.line))
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        Output::of(self.start_with(|_| ()))
    }

    /// Runs it to its end, which must be exit code 0.
    pub fn succeeds(&self) -> Output {
        self.ends_with(0)
    }

    /// Runs it to its end, which must be this exit code.
    pub fn ends_with(&self, code: i32) -> Output {
        let output = self.run();
        assert_eq!(output.code, Some(code), "{:?}\n{output}", self.line);
        output
    }

    /// Starts it as a shell does: as the leader of a process group.
    pub fn start(&self) -> Running {
        Running(self.start_with(|command| {
            command.process_group(0);
        }))
    }
}

/// Has the kernel answer `EPERM` to ptrace(2) from now on, of this process and all that it starts.
fn forbid_traces() -> std::io::Result<()> {
    use nix::libc::{self, BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog};
    let op = |code: u32, k: u32, jf: u8| sock_filter { code: code as u16, jt: 0, jf, k };
    let mut filter = [
        op(BPF_LD | BPF_W | BPF_ABS, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, libc::SYS_ptrace as u32, 1),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: both calls take numbers, and the second reads the filter.
    let results = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
        ]
    };
    if results == [0, 0] { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// A program that goes on meanwhile.
pub struct Running(Child);

impl Running {
    /// Waits until a file is there.
    pub fn until_exists(mut self, file: &Path) -> Running {
        let start = Instant::now();
        while !file.exists() {
            if self.0.try_wait().unwrap().is_some() || start.elapsed() > LIMIT {
                panic!("no {}\n{}", file.display(), self.kill());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }

    /// Sends a signal to it alone, and waits for its end.
    pub fn signal(self, signal: Signal) -> Output {
        kill(self.pid(), signal).unwrap();
        self.wait()
    }

    /// Sends a signal to its process group, as a terminal does, and waits for its end.
    pub fn signal_group(self, signal: Signal) -> Output {
        killpg(self.pid(), signal).unwrap();
        self.wait()
    }

    /// Kills it alone. Children hold its output open, so nobody waits for the end of that.
    pub fn kill(mut self) -> String {
        let _ = self.0.kill();
        format!("{:?}", self.0.wait())
    }

    /// Waits for its end.
    pub fn wait(self) -> Output {
        Output::of(self.0)
    }
}

/// How a program ended.
pub struct Output {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
    fn of(child: Child) -> Output {
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// The row of this name in the report that it printed.
    pub fn row(&self, name: &str) -> Value {
        let report = self.json();
        let rows = report["targets"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}\n{self}")).clone()
    }

    /// The standard error output holds all of these.
    pub fn says(&self, words: &[&str]) -> &Output {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n── out ──\n{}── err ──\n{}", self.code, self.out, self.err)
    }
}

/// The machine's variables, less what cargo and rustup set for this test itself or what would steer another cargo.
fn clean_environment() -> Vec<(OsString, OsString)> {
    let steers = |name: &str| {
        let places = ["CARGO_HOME", "RUSTUP_HOME"].contains(&name) || name.starts_with("CARGO_HTTP_");
        let cargo = name.starts_with("CARGO") || name.starts_with("RUST");
        (cargo && !places) || ["CI", "LD_LIBRARY_PATH", "TERM"].contains(&name)
    };
    let mut env: Vec<_> = std::env::vars_os().filter(|(name, _)| !steers(&name.to_string_lossy())).collect();
    // These follow HOME, and some tests set another.
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(name).is_none() {
            env.push((name.into(), home.join(folder).into()));
        }
    }
    // A variable without a value is none.
    env.push(("CARGO_TERM_COLOR".into(), "never".into()));
    env
}

fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a folder, sorted; none if there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every file below a folder with the time of its last change, sorted.
pub fn files(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut files = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push((path, meta.modified().unwrap()));
        }
    }
    files.sort();
    files
}

/// Waits until something holds.
pub fn until(what: &str, holds: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "not in time: {what}\n{}", otherwise());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The cache that everybody uses, with both targets set up.
pub fn normal_cache() -> &'static Path {
    static CACHE: LazyLock<PathBuf> = LazyLock::new(|| {
        let fixture = Fixture::new("small");
        fixture.for_both("setup", &[]).succeeds();
        let environment = fixture.program(&["env", "x86_64-linux"]).succeeds().json();
        // CC is `<cache>/bin/x86_64-linux-cc`.
        Path::new(environment["shell"]["CC"].as_str().unwrap()).ancestors().nth(2).unwrap().to_owned()
    });
    &CACHE
}

/// What zig and zlib are made of.
pub const COMPILER: [&str; 2] = ["wheels", "zlib-source"];
/// What runs `aarch64-linux`, and its std, where that is not the toolchain's own.
pub const ARM: [&str; 3] = ["packages/qemu-user", "packages/libc6-arm64-cross", "std"];
/// C libraries and zlib for every target.
pub const ZLIB: [&str; 2] = ["clang", "prefix"];

/// A cache of a test's own.
pub struct Cache {
    _folder: TempDir,
    root: PathBuf,
}

impl Cache {
    /// A cache with nothing in it.
    pub fn empty() -> Cache {
        Cache::named("cache")
    }

    /// The same, in a folder that is called so.
    pub fn named(name: &str) -> Cache {
        // Where hard links to the normal cache are likely to be possible.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = folder.path().join(name);
        fs::create_dir(&root).unwrap();
        Cache { root, _folder: folder }
    }

    /// Takes over, as symbolic links, parts of the normal cache and what zig keeps there.
    pub fn with(self, parts: &[&str]) -> Cache {
        for part in parts.iter().chain(&["zig-cache"]) {
            self.take(part, |from, to| symlink(from, to).unwrap());
        }
        self
    }

    /// A cache with all that both targets need.
    pub fn ready() -> Cache {
        Cache::empty().with(&[&COMPILER[..], &ARM, &ZLIB].concat())
    }

    /// Takes over parts of the normal cache so that they truly are in this one.
    pub fn with_copies(self, parts: &[&str]) -> Cache {
        for part in parts {
            self.take(part, |from, to| {
                let copy =
                    |how: &str| Command::new("cp").arg(how).args([from, to]).stderr(Stdio::null()).status().unwrap();
                if !copy("-al").success() {
                    let _ = fs::remove_dir_all(to);
                    assert!(copy("-a").success());
                }
            });
        }
        self
    }

    fn take(&self, part: &str, how: impl FnOnce(&Path, &Path)) {
        let (from, to) = (normal_cache().join(part), self.root.join(part));
        // There may be no std: the toolchain can have one of its own.
        if from.exists() && !to.exists() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            how(&from, &to);
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Puts a program in zig's place that tells that it was started, in a file, and does not end.
    pub fn stop_at_zig(&self, marker: &Path) {
        use std::os::unix::fs::PermissionsExt;
        let wheels = names(&normal_cache().join("wheels"));
        let wheel = wheels.iter().find(|name| name.starts_with("ziglang-")).expect("zig is on PATH, not in the cache");
        let zig = self.path("wheels").join(wheel).join("ziglang/zig");
        fs::remove_file(self.path("wheels")).unwrap();
        fs::create_dir_all(zig.parent().unwrap()).unwrap();
        fs::write(&zig, format!("#!/bin/sh\n>'{}'\nsleep 1000\n", marker.display())).unwrap();
        fs::set_permissions(&zig, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts zig back.
    pub fn go_on_with_zig(self) -> Cache {
        fs::remove_dir_all(self.path("wheels")).unwrap();
        self.with(&["wheels"])
    }
}
