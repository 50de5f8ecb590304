//! A clone of this repository whose inputs are the stand-ins, and Nix in it. Made once for a run.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use cross_flake::targets::{Table, Target};
use serde_json::{Value, json};

/// The inputs that are stood for.
const INPUTS: [&str; 4] = ["nixpkgs", "crane", "fenix", "rust-overlay"];

/// This repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The rows that the flake shows, by name.
pub fn rows() -> Vec<(String, Target)> {
    Table::built_in().unwrap().common().into_iter().map(|row| (row.name.clone(), row)).collect()
}

/// The rows that have environments by both providers, and can be built: those that CI always tests, and whatever `CROSS_FLAKE_ROWS` names
/// beside them, separated by commas.
pub fn made() -> Vec<Target> {
    let text = fs::read_to_string(repository().join("checks/rows.toml")).unwrap();
    let file: toml::Table = toml::from_str(&text).unwrap();
    let mut names: Vec<String> = file["always"].clone().try_into().unwrap();
    names.extend(std::env::var("CROSS_FLAKE_ROWS").iter().flat_map(|more| more.split(',')).map(str::to_owned));
    Table::built_in().unwrap().select(&names).unwrap().into_iter().cloned().collect()
}

/// What every test works in.
pub struct Bench {
    folder: PathBuf,
    documents: BTreeMap<String, Value>,
}

/// The one of this run.
pub fn bench() -> &'static Bench {
    static BENCH: LazyLock<Bench> = LazyLock::new(Bench::make);
    &BENCH
}

/// How a command ended.
pub struct Output {
    line: String,
    success: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
    /// It must have succeeded.
    pub fn succeeds(self) -> Output {
        assert!(self.success, "{self}");
        self
    }

    /// It must have failed, and said all of this.
    pub fn fails_with(self, words: &[&str]) -> Output {
        assert!(!self.success, "{self}");
        // Nix breaks its lines.
        let said = self.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(said.contains(word), "it does not say: {word}\n{self}");
        }
        self
    }

    /// It must have succeeded, and printed JSON.
    pub fn json(self) -> Value {
        let output = self.succeeds();
        serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{error}\n{output}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n── stdout\n{}\n── stderr\n{}", self.line, self.out, self.err)
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
    Output {
        line,
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Which of these programs there is, as an absolute path.
fn which(names: &[&str]) -> PathBuf {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|file| file.is_file()).unwrap_or_else(|| panic!("none of {names:?} is on PATH"))
}

impl Bench {
    fn make() -> Bench {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flake");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("home")).unwrap();
        let mut bench = Bench { folder, documents: BTreeMap::new() };
        // All at once, so that what is to be built is built in parallel.
        let names = made().into_iter().map(|row| row.name);
        let mut setup = bench.command(env!("CARGO_BIN_EXE_cargo-cross-flake"));
        run(setup.args(["setup", "--provider", "portable"]).args(names).current_dir(repository())).succeeds();
        for Target { name, .. } in made() {
            let args = ["env", &name, "--provider", "portable", "--json"];
            let mut command = bench.command(env!("CARGO_BIN_EXE_cargo-cross-flake"));
            let document = run(command.args(args).current_dir(repository())).json();
            bench.documents.insert(name, document);
        }
        for input in INPUTS {
            copy(&repository().join("checks/stand-in").join(input), &bench.input(input));
        }
        fs::write(bench.input("nixpkgs").join("machine.json"), bench.machine().to_string()).unwrap();
        bench.clone_repository();
        bench.lock(&bench.clone(), "");
        bench
    }

    /// A folder that the next run empties.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The home folder of everything that is run here.
    fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// What emulators keep in a home folder of their own accord is not in this one.
    pub fn assert_emulators_left_no_trace(&self) {
        for name in [".wine", ".cache/wasmtime"] {
            assert!(!self.home().join(name).exists(), "something made ~/{name}");
        }
    }

    /// The clone.
    pub fn clone(&self) -> PathBuf {
        self.folder.join("cross-flake")
    }

    /// The folder of a stand-in.
    pub fn input(&self, name: &str) -> PathBuf {
        self.folder.join("inputs").join(name)
    }

    /// What the portable provider says of a row.
    pub fn portable(&self, row: &str) -> &Value {
        &self.documents[row]
    }

    /// What the stand-ins are made of.
    fn machine(&self) -> Value {
        let mut targets = serde_json::Map::new();
        for row in made() {
            let mut document = self.documents[&row.name].clone();
            document["nixpkgs"] = json!(row.nixpkgs);
            targets.insert(row.name, document);
        }
        let any = &self.documents["aarch64-linux"];
        let scripts = PathBuf::from(any["path"][1].as_str().unwrap());
        let cache = scripts.parent().unwrap();
        let script = |name: &str| scripts.join(name);
        let found = |pattern: &str| {
            let found = run(self
                .command("find")
                .arg(cache.join(pattern.split_once('/').unwrap().0))
                .args(["-path", &format!("*/{pattern}")]));
            PathBuf::from(found.out.lines().next().unwrap_or_else(|| panic!("no {pattern} in the cache")))
        };
        // What nixpkgs has for the others is evaluated, and built by nobody.
        let mut others = serde_json::Map::new();
        let is_other = |row: &&Target| !self.documents.contains_key(&row.name) && row.nixpkgs.is_some();
        for row in Table::built_in().unwrap().rows().iter().filter(is_other) {
            let mut document = any.clone();
            document["target"] = json!(row.name);
            document["triple"] = json!(row.triple);
            document["nixpkgs"] = json!(row.nixpkgs);
            others.insert(row.name.clone(), document);
        }
        json!({
            "others": others,
            "path": std::env::var("PATH").unwrap(),
            "rust": any["path"][0],
            "cargo-home": std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from),
            "zlib-source": found("zlib-source/*/src/zlib"),
            "zig-cache": cache.join("zig-cache"),
            "targets": targets,
            "tools": {
                "cc": which(&["cc"]),
                "cxx": which(&["c++", "cc"]),
                "ar": which(&["ar"]),
                "ranlib": which(&["ranlib"]),
                "zig": found("wheels/*/ziglang/zig"),
                "zig-ar": script("zig-ar"),
                "zig-ranlib": script("zig-ranlib"),
                "lld": script("rust-lld"),
                "objcopy": script("rust-objcopy"),
                "strip": script("rust-strip"),
                "flock": which(&["flock"]),
                "nixfmt": which(&["nixfmt"]),
                "patchelf": which(&["patchelf"]),
                "pkg-config": which(&["pkg-config"]),
                "python3": which(&["python3"]),
                "zip": which(&["zip"]),
            },
        })
    }

    /// The files that git has or would take, in a repository of their own.
    fn clone_repository(&self) {
        let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let files = run(Command::new("git").args(args).current_dir(repository())).succeeds();
        for file in files.out.split('\0').filter(|file| repository().join(file).is_file()) {
            let to = self.clone().join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(repository().join(file), to).unwrap();
        }
        self.git(&self.clone());
    }

    /// Makes a folder a git repository that holds all of it.
    pub fn git(&self, folder: &Path) {
        let identity = ["-c", "user.name=cross-flake", "-c", "user.email=cross-flake@localhost"];
        for args in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", "all"]] {
            run(self.command("git").args(identity).args(args).current_dir(folder)).succeeds();
        }
    }

    /// Locks a flake to the stand-ins. They are inputs of the flake itself, or of `of/`.
    pub fn lock(&self, flake: &Path, of: &str) {
        let mut command = self.command("nix");
        command.args(["flake", "lock"]).current_dir(flake);
        if !of.is_empty() {
            command.args(["--override-input", of.trim_end_matches('/')]).arg(path_of(&self.clone()));
        }
        for input in INPUTS {
            command.args(["--override-input", &format!("{of}{input}")]).arg(path_of(&self.input(input)));
        }
        run(&mut command).succeeds();
    }

    /// A command that finds nothing of this process's own toolchain and home.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            // How cargo reaches the registry is the machine's business.
            if text.starts_with("CARGO") && !text.starts_with("CARGO_HTTP_")
                || text.starts_with("RUST")
                || text == "LD_LIBRARY_PATH"
                || text == "CROSS_FLAKE_FLAKE"
                || text.starts_with("XDG_")
            {
                command.env_remove(&name);
            }
        }
        let kept = |name: &str, folder: &str| std::env::var_os(name).unwrap_or_else(|| home().join(folder).into());
        command
            .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
            .env("CROSS_FLAKE_CACHE", kept("CROSS_FLAKE_CACHE", ".cache/cross-flake"))
            .env("HOME", self.home())
            .current_dir(self.clone_or_repository());
        command
    }

    fn clone_or_repository(&self) -> PathBuf {
        if self.clone().exists() { self.clone() } else { repository().to_owned() }
    }

    /// `nix ARGS` in the clone.
    pub fn nix(&self, args: &[&str]) -> Output {
        run(self.command("nix").args(args))
    }

    /// `nix build` of these, with what was built in the order of the arguments.
    pub fn build(&self, installables: &[&str]) -> Vec<PathBuf> {
        let output = self.nix(&[&["build", "--no-link", "--print-build-logs", "--json"], installables].concat());
        let built = output.json();
        built.as_array().unwrap().iter().map(|one| one["outputs"]["out"].as_str().unwrap().into()).collect()
    }

    /// `cross-flake ARGS` in the clone.
    pub fn program(&self, args: &[&str]) -> Output {
        run(self.command(env!("CARGO_BIN_EXE_cargo-cross-flake")).args(args))
    }
}

/// The home folder of whoever runs this.
fn home() -> PathBuf {
    std::env::var_os("HOME").unwrap().into()
}

/// `path:FOLDER`
pub fn path_of(folder: &Path) -> OsString {
    let mut reference = OsString::from("path:");
    reference.push(folder);
    reference
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
