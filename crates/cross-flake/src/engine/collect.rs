//! From what cargo reports of a group of rows to jobs for the workers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use cargo_metadata::{Artifact, Package, PackageId, Target as CargoTarget, TargetKind};
use serde_json::Value;

use super::archive::{Packing, Places, Saved};
use super::build::{Built, Mode, seconds_since};
use super::doctests::has_code_blocks;
use super::job::{Job, Owner, Program};
use super::nextest::Nextest;
use super::recorder::{RUNNER, Recorded};
use super::{BUILD_MACHINE, Row, Run};
use crate::environment::{Environment, path_with};
use crate::events::{Event, Phase};
use crate::host::child::inherited;
use crate::outcome::BuiltProgram;
use crate::targets::upper;
use cross_flake_inspect as inspect;

/// Hears of what is built for a group of rows, inspects it and starts its tests.
pub struct Collector<'r, 'a> {
    run: &'r Run<'a>,
    group: &'r [usize],
    /// Programs that cargo has reported, by file.
    programs: HashMap<PathBuf, Artifact>,
    /// Directories that build scripts have libraries searched in, by row (`None` is the host).
    searched: HashMap<Option<usize>, HashSet<PathBuf>>,
    /// Directories that build scripts write into, by row and package.
    written: HashMap<(Option<usize>, PackageId), PathBuf>,
    /// Files that cargo has reported; it does so again when it is asked again.
    seen: HashSet<PathBuf>,
    /// The first error of the compiler about each row; those about the host stand under `None`.
    pub(super) errors: BTreeMap<Option<usize>, String>,
    /// The variables that the user has set.
    users: BTreeMap<OsString, OsString>,
    failure: Option<anyhow::Error>,
}

impl<'r, 'a> Collector<'r, 'a> {
    /// One that has heard of nothing.
    pub fn new(run: &'r Run<'a>, group: &'r [usize]) -> Self {
        Collector {
            run,
            group,
            programs: HashMap::new(),
            searched: HashMap::new(),
            written: HashMap::new(),
            seen: HashSet::new(),
            errors: BTreeMap::new(),
            users: inherited(),
            failure: None,
        }
    }

    /// Takes what cargo reports.
    pub fn built(&mut self, built: Built) {
        let taken = match built {
            Built::Artifact(artifact) => {
                self.artifact(*artifact);
                Ok(())
            }
            Built::Script(script) => {
                let row = self.row_of_path(script.out_dir.as_std_path());
                let folders = script.linked_paths.iter().map(|path| plain_path(path.as_str()));
                self.searched.entry(row).or_default().extend(folders);
                self.written.insert((row, script.package_id), script.out_dir.into_std_path_buf());
                Ok(())
            }
            Built::Diagnostic(message) => {
                self.diagnostic(message);
                Ok(())
            }
            Built::Recorded(call) if call.row.is_some() => self.test(call),
            Built::Recorded(call) => self.doctests(call),
        };
        if let Err(error) = taken {
            self.failure.get_or_insert(error);
        }
    }

    /// Checks that everything was understood.
    ///
    /// # Errors
    /// The first thing that was not.
    pub fn check(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The row whose triple is in the path of something that was built, below one of cargo's directories. Good enough to count crates
    /// by; which row a test belongs to says cargo itself.
    fn row_of_path(&self, file: &Path) -> Option<usize> {
        let metadata = &self.run.workspace.metadata;
        let folders = std::iter::once(&metadata.target_directory).chain(&metadata.build_directory);
        let relative =
            folders.filter_map(|folder| file.strip_prefix(folder).ok()).min_by_key(|path| path.components().count());
        let mut names = relative.unwrap_or(file).components().map(|component| component.as_os_str());
        names.find_map(|name| self.group.iter().copied().find(|i| *name == *self.run.rows[*i].target.triple))
    }

    fn artifact(&mut self, artifact: Artifact) {
        let Some(file) = artifact.filenames.first() else { return };
        if !self.seen.insert(file.clone().into_std_path_buf()) {
            return;
        }
        let index = self.row_of_path(file.as_std_path());
        if let Some(row) = index.map(|index| &self.run.rows[index]) {
            let crates = {
                let mut progress = row.progress();
                progress.crates += 1;
                progress.compiled += usize::from(!artifact.fresh);
                progress.built = seconds_since(self.run.start);
                progress.crates
            };
            self.run.events.send(Event::Phase { target: &row.target.name, phase: Phase::Building { crates } });
        } else if !artifact.fresh {
            self.run.host_crates.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(_), Some(mut packing)) = (index, self.run.packing()) {
            packing.artifact(&artifact);
        }
        let Some(program) = artifact.executable.clone().filter(|_| !artifact.target.is_custom_build()) else { return };
        if let (Some(index), false) = (index, artifact.profile.test) {
            self.inspect(index, program.as_std_path());
            self.keep(index, &artifact, program.as_std_path());
        }
        self.programs.insert(program.into_std_path_buf(), artifact);
    }

    /// Remembers a program for whoever asked for programs alone.
    fn keep(&self, index: usize, artifact: &Artifact, program: &Path) {
        let workspace = self.run.workspace;
        let (Mode::Build, Some(package)) = (self.run.request.mode, workspace.package(&artifact.package_id)) else {
            return;
        };
        let beside = artifact.filenames.iter().map(|file| file.as_std_path()).filter(|file| *file != program);
        self.run.rows[index].progress().artifacts.push(BuiltProgram {
            package: package.name.to_string(),
            name: artifact.target.name.clone(),
            file: program.to_owned(),
            beside: beside.map(Path::to_owned).collect(),
        });
    }

    fn diagnostic(&mut self, message: Value) {
        let of_triple = |triple: &str| -> Vec<usize> {
            self.group.iter().copied().filter(|index| self.run.rows[*index].target.triple == triple).collect()
        };
        let mut merged = self.run.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((rows, error)) = merged.take(message, of_triple) else { return };
        let Some(error) = error else { return };
        let about = if rows.is_empty() { vec![None] } else { rows.into_iter().map(Some).collect() };
        for row in about {
            self.errors.entry(row).or_insert_with(|| error.clone());
        }
    }

    /// The row of an owner; `None` for the host.
    fn row(&self, owner: Owner) -> Option<&Row<'_>> {
        match owner {
            Owner::Host => None,
            Owner::Row(index) => Some(&self.run.rows[index]),
        }
    }

    fn inspect(&self, index: usize, program: &Path) {
        let row = &self.run.rows[index];
        let mut progress = row.progress();
        match inspect::check_for(program, &row.target.triple, &row.target.name, row.environment.glibc.as_deref()) {
            Ok(()) => progress.inspected += 1,
            Err(error) => {
                progress.build_failure = Some((error.lines().next().unwrap_or_default().to_owned(), error));
            }
        }
    }

    /// Tells if a program, or documentation, is new to this run and a part of it, and if the tests of its row run here.
    fn is_to_run(&self, owner: Owner, package: Option<&Package>, program: &Path, title: &str) -> bool {
        let part = &self.run.request.part;
        let belongs = match owner {
            Owner::Host => part.has_host_program(package.map_or("", |package| &package.id.repr), title),
            Owner::Row(row) => part.has_program(&self.run.rows[row].target.name, title),
        };
        if !belongs {
            return false;
        }
        let mut started = self.run.started.lock().unwrap_or_else(PoisonError::into_inner);
        if !started.insert((owner, program.to_owned())) {
            return false;
        }
        let Some(row) = self.row(owner) else { return true };
        let mut progress = row.progress();
        let runs = row.runs(self.run.request) && progress.build_failure.is_none();
        progress.known += usize::from(runs && self.run.packing.is_none());
        runs
    }

    /// Starts a test program of an archive.
    pub(super) fn saved(&self, saved: &Saved, places: &Places) -> Result<()> {
        let Some(index) = self.group.iter().copied().find(|i| self.run.rows[*i].target.name == saved.row) else {
            return Ok(());
        };
        let (owner, manifest) = (Owner::Row(index), places.enter(&saved.manifest));
        let packages = &self.run.workspace.metadata.packages;
        let package = packages.iter().find(|package| package.manifest_path.as_str() == manifest);
        let package =
            package.with_context(|| format!("there is no {manifest}: the archive is of another workspace"))?;
        let file = PathBuf::from(places.enter(&saved.file));
        if !self.is_to_run(owner, Some(package), &file, &saved.title) {
            return Ok(());
        }
        let mut env = self.users.clone();
        env.extend(saved.env.iter().map(|(name, value)| (name.into(), places.enter(value).into())));
        if let Some(folder) = env.get(OsStr::new("OUT_DIR")) {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let row = &self.run.rows[index];
        self.run.start(Job {
            owner,
            step: None,
            package: package.id.repr.clone(),
            title: saved.title.clone(),
            harness: saved.harness,
            program: Program::Test { file, runner: row.environment.runner.clone() },
            args: self.run.request.test_args.clone(),
            env: of_row(env, Some(row.environment))?,
            cwd: places.enter(&saved.folder).into(),
        });
        Ok(())
    }

    /// Puts a test program into the archive that is asked for.
    fn pack(&self, packing: &mut Packing, owner: Owner, package: &Package, title: &str, call: Recorded) -> Result<()> {
        let Owner::Row(index) = owner else {
            packing.leave_out(title);
            return Ok(());
        };
        let row = &self.run.rows[index];
        let file = call.folder.join(&call.line[0]);
        let artifact = &self.programs[&file];
        for folder in self.searched.get(&Some(index)).into_iter().flatten() {
            packing.libraries(folder);
        }
        if let Some(out) = self.written.get(&(Some(index), package.id.clone())) {
            packing.folder(out);
        }
        let mut env = self.of_cargo(call.env, owner, Some(&package.id))?;
        env.retain(|name, value| name != "PATH" && self.users.get(name) != Some(value));
        let program = (package.manifest_path.as_std_path(), title, has_harness(package, artifact)?);
        packing.program((&row.target.name, &row.target.triple), program, (&file, &call.folder), env)
    }

    fn test(&self, call: Recorded) -> Result<()> {
        let (program, args) = call.line.split_first().context("cargo named no test program")?;
        let program = call.folder.join(program);
        let artifact = self.programs.get(&program);
        let artifact = artifact.with_context(|| format!("cargo never said that it built {}", program.display()))?;
        let name = call.row.as_deref().unwrap_or_default();
        let owner = if artifact.target.is_proc_macro() || name == BUILD_MACHINE {
            Owner::Host
        } else {
            let row = self.group.iter().copied().find(|index| self.run.rows[*index].target.name == name);
            Owner::Row(
                row.with_context(|| format!("cargo runs {} for {name}, which is not being built", program.display()))?,
            )
        };
        if let Owner::Row(index) = owner {
            self.inspect(index, &program);
        }
        let row = self.row(owner);
        let package = self.run.workspace.package(&artifact.package_id).context("cargo built a package of nowhere")?;
        let title = self.title(package, artifact);
        if !self.is_to_run(owner, Some(package), &program, &title) {
            return Ok(());
        }
        if let Some(mut packing) = self.run.packing() {
            return self.pack(&mut packing, owner, package, &title, call);
        }
        let args = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        self.run.start(Job {
            owner,
            step: None,
            package: package.id.repr.clone(),
            title,
            harness: has_harness(package, artifact)?,
            program: self.program(row, package, &artifact.target, program),
            args,
            env: self.variables(call.env, owner, Some(&package.id))?,
            cwd: call.folder,
        });
        Ok(())
    }

    /// A test program in the hands of what runs its tests.
    fn program(&self, row: Option<&Row<'_>>, package: &Package, target: &CargoTarget, file: PathBuf) -> Program {
        let runner = row.and_then(|row| row.environment.runner.clone());
        match (&self.run.nextest, row, &runner) {
            (Some(nextest), Some(row), Some(spec)) if Nextest::drives(spec.kind) => {
                Program::Nextest { binary: Box::new(nextest.binary(row.target, package, target, &file)), runner }
            }
            _ => Program::Test { file, runner },
        }
    }

    /// rustdoc costs a second for a library without documentation tests, so its sources are searched for the marks of one.
    fn doctests(&self, mut call: Recorded) -> Result<()> {
        let source = call.folder.join(call.value_of("--test").context("rustdoc was called without a source")?);
        let owner = match call.value_of("--target") {
            None => Owner::Host,
            Some(triple) => {
                let row = self.group.iter().copied().find(|index| *triple == *self.run.rows[*index].target.triple);
                Owner::Row(row.context("cargo tests documentation for a target that is not being built")?)
            }
        };
        let folder = source.parent().unwrap_or(&source);
        let package = call.env.get(OsStr::new("CARGO_MANIFEST_DIR")).map(PathBuf::from);
        let of_package =
            |p: &&Package| p.manifest_path.parent().is_some_and(|f| Some(f.as_std_path()) == package.as_deref());
        let package = self.run.workspace.metadata.packages.iter().find(of_package);
        let name = call.value_of("--crate-name").unwrap_or_default().to_string_lossy().into_owned();
        let title = format!("{} doctests", package.map_or(name, |package| self.name(package)));
        if !has_code_blocks(folder) || !self.is_to_run(owner, package, &source, &title) {
            return Ok(());
        }
        if let Some(mut packing) = self.run.packing() {
            packing.leave_out(&title);
            return Ok(());
        }
        let row = self.row(owner);
        // The recorder's name gives way to that of the runner, which is found on PATH as well.
        let runner =
            row.and_then(|row| row.environment.scoped.get(&format!("CARGO_TARGET_{}_RUNNER", row.target.upper())));
        if let Some(at) = call.line.windows(2).position(|words| words[0] == "--test-runtool" && words[1] == RUNNER) {
            let with: Vec<OsString> =
                runner.iter().flat_map(|runner| ["--test-runtool".into(), runner.into()]).collect();
            // The tool and its one argument, the name of the row.
            call.line.splice(at..(at + 4).min(call.line.len()), with);
        }
        let foreign = self.foreign(owner);
        let mut words = std::mem::take(&mut call.line).into_iter();
        while let Some(word) = words.next() {
            let folder = if word == "-L" { words.next() } else { None };
            match folder {
                Some(folder) if foreign.contains(plain_path(&folder.to_string_lossy()).as_path()) => {}
                folder => call.line.extend(std::iter::once(word).chain(folder)),
            }
        }
        self.run.start(Job {
            owner,
            step: None,
            package: package.map(|package| package.id.repr.clone()).unwrap_or_default(),
            title,
            harness: true,
            program: Program::Doctests {
                command: call.line,
                runner: row.and_then(|row| row.environment.runner.clone()),
            },
            args: Vec::new(),
            env: self.variables(call.env, owner, package.map(|package| &package.id))?,
            cwd: call.folder,
        });
        Ok(())
    }

    /// Directories of other rows' libraries: cargo names those of all its `--target`s to every program and to rustdoc.
    fn foreign(&self, owner: Owner) -> HashSet<&Path> {
        let own = |row: &Option<usize>| row.is_none_or(|row| Owner::Row(row) == owner);
        let of = |wanted: bool| {
            let rows = self.searched.iter().filter(move |(row, _)| own(row) == wanted);
            rows.flat_map(|(_, folders)| folders.iter().map(PathBuf::as_path))
        };
        let own: HashSet<&Path> = of(true).collect();
        of(false).filter(|folder| !own.contains(folder)).collect()
    }

    /// The variables that a program would have if it were started by `cargo test` in a shell of its row.
    fn variables(
        &self,
        env: BTreeMap<OsString, OsString>,
        owner: Owner,
        package: Option<&PackageId>,
    ) -> Result<BTreeMap<OsString, OsString>> {
        of_row(self.of_cargo(env, owner, package)?, self.row(owner).map(|row| row.environment))
    }

    /// The variables that cargo gives to a program, beside the user's: without the recorder, and without what this run has set for
    /// other rows.
    fn of_cargo(
        &self,
        env: BTreeMap<OsString, OsString>,
        owner: Owner,
        package: Option<&PackageId>,
    ) -> Result<BTreeMap<OsString, OsString>> {
        let mut env = self.run.recorder.without(env);
        // Of several `--target`s cargo 1.95 says the directory for the first alone.
        if let (Owner::Row(row), Some(package)) = (owner, package)
            && let Some(out) = self.written.get(&(Some(row), package.clone()))
        {
            env.insert("OUT_DIR".into(), out.into());
        }
        let ours = self.run.rows.iter().flat_map(|row| row.environment.scoped.keys().map(OsString::from));
        let host = upper(&self.run.workspace.toolchain.host);
        let other = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL"].map(OsString::from);
        for name in ours.chain(other).chain([format!("CARGO_TARGET_{host}_RUNNER").into()]) {
            match self.users.get(&name) {
                Some(value) => env.insert(name, value.clone()),
                None => env.remove(&name),
            };
        }
        if let Some(path) = env.get_mut(OsStr::new("LD_LIBRARY_PATH")) {
            let foreign = self.foreign(owner);
            let folders = std::env::split_paths(path).filter(|folder| !foreign.contains(folder.as_path()));
            *path = std::env::join_paths(folders).context("cannot form LD_LIBRARY_PATH")?;
        }
        Ok(env)
    }

    /// The name of a package, with its version where another of this workspace is called the same.
    fn name(&self, package: &Package) -> String {
        let same = self.run.workspace.metadata.packages.iter().filter(|other| other.name == package.name).count();
        if same > 1 { format!("{}@{}", package.name, package.version) } else { package.name.to_string() }
    }

    /// `hello-zlib` for the library's own tests, `hello-zlib tests/io` for others.
    fn title(&self, package: &Package, test: &Artifact) -> String {
        let (package, name) = (self.name(package), &test.target.name);
        match test.target.kind.first() {
            Some(TargetKind::Test) => format!("{package} tests/{name}"),
            Some(TargetKind::Bin) => format!("{package} bin/{name}"),
            Some(TargetKind::Example) => format!("{package} examples/{name}"),
            Some(TargetKind::Bench) => format!("{package} benches/{name}"),
            _ => package,
        }
    }
}

/// Adds the variables of a row's shell to those that cargo gives to a program.
fn of_row(mut env: BTreeMap<OsString, OsString>, row: Option<&Environment>) -> Result<BTreeMap<OsString, OsString>> {
    if let Some(environment) = row {
        let all = environment.scoped.iter().chain(&environment.shell);
        env.extend(all.map(|(name, value)| (name.into(), value.into())));
    }
    env.insert("PATH".into(), path_with(row.as_slice())?);
    Ok(env)
}

/// The directory of `native=/a/b`, as rustc's `-L` takes it.
fn plain_path(text: &str) -> PathBuf {
    let kinds = ["native", "dependency", "crate", "framework", "all"];
    text.split_once('=').filter(|(kind, _)| kinds.contains(kind)).map_or(text, |(_, path)| path).into()
}

/// Tells if the manifest leaves a test program to libtest, which then says how many tests ran.
///
/// # Errors
/// The manifest cannot be read.
fn has_harness(package: &Package, test: &Artifact) -> Result<bool> {
    let manifest = &package.manifest_path;
    let text = std::fs::read_to_string(manifest).with_context(|| format!("cannot read {manifest}"))?;
    let table: toml::Table = text.parse().with_context(|| format!("cannot read {manifest}"))?;
    let says_no = |table: &toml::Value| table.get("harness").and_then(toml::Value::as_bool) == Some(false);
    let key = match test.target.kind.first() {
        Some(TargetKind::Test) => "test",
        Some(TargetKind::Bin) => "bin",
        Some(TargetKind::Example) => "example",
        Some(TargetKind::Bench) => "bench",
        _ => return Ok(!table.get("lib").is_some_and(says_no)),
    };
    let all = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    let mut of_name = all.filter(|one| one.get("name").and_then(toml::Value::as_str) == Some(&test.target.name));
    Ok(!of_name.any(says_no))
}
