//! One cargo invocation for many targets, and what it reports.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use cargo_metadata::{Artifact, BuildScript, Message};
use serde_json::Value;

use super::recorder::{Recorded, Recorder};
use super::{BUILD_MACHINE, diagnostics, objects};
use crate::environment::{Environment, path_with};
use crate::host::child::clean_command;
use crate::settings;
use crate::targets::{Target, upper};
use crate::workspace::Workspace;

/// The work of a run, by cargo's word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Libraries and programs are built.
    Build,
    /// Test programs are built and run.
    Test,
    /// Crates are compiled as far as errors can be found; nothing is linked.
    Check,
    /// The same, by clippy.
    Clippy,
}

impl Mode {
    /// Tells if the compiler's diagnostics are all that comes of it.
    pub fn only_checks(self) -> bool {
        matches!(self, Mode::Check | Mode::Clippy)
    }

    /// Cargo's command, which goes on after an error where cargo can.
    fn words(self) -> &'static [&'static str] {
        match self {
            Mode::Build => &["build", "--keep-going"],
            Mode::Test => &["test", "--no-fail-fast"],
            Mode::Check => &["check", "--keep-going"],
            Mode::Clippy => &["clippy", "--keep-going"],
        }
    }
}

/// The order to cargo.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// Its command.
    pub mode: Mode,
    /// Packages, as `--package` takes them.
    pub packages: Vec<String>,
    /// Arguments for cargo, as the user gave them.
    pub cargo_args: Vec<String>,
    /// Arguments for the test programs, or for clippy.
    pub test_args: Vec<String>,
    /// The directory of objects for programs; see [`objects`].
    pub objects: Option<PathBuf>,
    /// Variables of the host's own row, where the run has it but these rows do not: cargo links crates for the host by that row's linker,
    /// and their build scripts read what has its triple. With others, cargo would build all of them again.
    pub beside: BTreeMap<String, String>,
}

/// A row and its environment, ready to be built.
#[derive(Clone, Copy)]
pub struct Ready<'a> {
    /// The row.
    pub target: &'a Target,
    /// Its environment.
    pub environment: &'a Environment,
}

/// A cargo invocation at its end.
pub struct BuildEnd {
    /// Everything was built.
    pub success: bool,
    /// Its output for people.
    pub stderr: String,
}

/// cargo inside the environments of all these targets at once.
///
/// A `RUSTFLAGS` of the user's would displace every scoped `CARGO_TARGET_<T>_RUSTFLAGS` (cargo takes one or the other). Where a row
/// has such flags, or this run, it is added to those of each row instead.
///
/// # Errors
/// `PATH` cannot be formed.
pub fn cargo_in(environments: &[&Environment]) -> Result<Command> {
    let mut command = clean_command("cargo");
    command.env("PATH", path_with(environments)?);
    let name = |e: &Environment| format!("CARGO_TARGET_{}_RUSTFLAGS", upper(&e.triple));
    let has_flags = |e: &&Environment| e.scoped.contains_key(&name(e)) || !e.flags.is_empty();
    let displaced = environments.iter().any(has_flags);
    let users = users_rustflags().filter(|_| displaced);
    for environment in environments {
        command.envs(&environment.scoped);
        if users.is_none() && environment.flags.is_empty() {
            continue;
        }
        let ours = environment.scoped.get(&name(environment)).map(String::as_str).unwrap_or_default();
        let more = environment.flags.iter().chain(users.iter().flatten()).cloned();
        let flags = ours.split_whitespace().map(str::to_owned).chain(more).collect::<Vec<_>>();
        if flags.iter().any(|flag| flag.contains(char::is_whitespace)) {
            // The variable is split at spaces, a list of the configuration is not.
            let list = toml::Value::Array(flags.into_iter().map(toml::Value::from).collect());
            command
                .env_remove(name(environment))
                .args(["--config", &format!("target.'{}'.rustflags={list}", environment.triple)]);
        } else {
            command.env(name(environment), flags.join(" "));
        }
    }
    if users.is_some() {
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    }
    if settings::get().ci && std::env::var_os("CARGO_INCREMENTAL").is_none() {
        // What makes the next build faster makes this one slower by a twentieth (docs/benchmarks.md), and in CI there is no next.
        command.env("CARGO_INCREMENTAL", "0");
    }
    Ok(command)
}

/// The flags that the user's environment has for every compiler, if any; cargo splits the one variable at a mark of its own and
/// the other at spaces.
fn users_rustflags() -> Option<Vec<String>> {
    let split = |text: String, mark: &[char]| -> Vec<String> {
        text.split(mark).filter(|flag| !flag.is_empty()).map(str::to_owned).collect()
    };
    let encoded = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().map(|flags| split(flags, &['\x1f']));
    encoded
        .or_else(|| Some(split(std::env::var("RUSTFLAGS").ok()?, &[' ', '\t', '\n'])))
        .filter(|flags| !flags.is_empty())
}

/// Cargo's options that choose what to build within a package.
const SELECTION: &[&str] = &[
    "--lib",
    "--bins",
    "--bin",
    "--tests",
    "--test",
    "--examples",
    "--example",
    "--benches",
    "--bench",
    "--all-targets",
    "--doc",
];

/// Tells if one of these options is among the arguments, as `--option` or `--option=value`.
pub fn given(args: &[String], options: &[&str]) -> bool {
    args.iter().any(|arg| options.contains(&arg.split('=').next().unwrap_or_default()))
}

/// cargo in the environments of these rows and in the workspace's directory, with `verb` and the arguments that choose packages
/// and targets.
fn cargo(workspace: &Workspace, request: &BuildRequest, ready: &[Ready<'_>], verb: &[&str]) -> Result<Command> {
    let environments: Vec<&Environment> = ready.iter().map(|r| r.environment).collect();
    let mut command = cargo_in(&environments)?;
    command.envs(&request.beside);
    command.args(verb);
    for package in &request.packages {
        command.args(["--package", package]);
    }
    for row in ready {
        command.args(["--target", &row.target.triple]);
    }
    // As an argument, for programs under test see the variable.
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) && !given(&request.cargo_args, &["--color"]) {
        command.args(["--color", "always"]);
    }
    // Ours already; cargo takes it once.
    command.args(request.cargo_args.iter().filter(|arg| !verb.contains(&arg.as_str())));
    command.current_dir(&workspace.folder);
    Ok(command)
}

/// A command that would build one row alone, for [`super::features::groups`].
///
/// # Errors
/// The environment cannot be formed.
pub fn alone(workspace: &Workspace, request: &BuildRequest, ready: Ready<'_>) -> Result<Command> {
    let verb = match request.mode {
        // Its graph is that of check.
        Mode::Clippy => Mode::Check,
        other => other,
    };
    cargo(workspace, request, &[ready], &verb.words()[..1])
}

/// Something that cargo reports while it goes on.
pub enum Built {
    /// A crate or program is there.
    Artifact(Box<Artifact>),
    /// A build script has run.
    Script(BuildScript),
    /// A test program is to be run, or rustdoc.
    Recorded(Recorded),
    /// The compiler has something to say: cargo's message with it.
    Diagnostic(Value),
}

/// Runs cargo once for all these targets.
///
/// # Errors
/// Cargo cannot be started or read.
pub fn build(
    workspace: &Workspace,
    request: &BuildRequest,
    recorder: &Recorder,
    ready: &[Ready<'_>],
    on_built: impl FnMut(Built),
) -> Result<BuildEnd> {
    let mut command = cargo(workspace, request, ready, request.mode.words())?;
    if request.mode == Mode::Test {
        let rows = ready.iter().map(|r| (r.target.upper(), r.target.name.as_str()));
        let host = &workspace.toolchain.host;
        // Proc-macros are tested on the host, which may be no row of this run.
        let own = (upper(host), BUILD_MACHINE);
        let own = Some(own).filter(|_| !ready.iter().any(|r| r.target.triple == *host));
        recorder.record(&mut command, rows.chain(own))?;
    }
    let format = if request.mode.only_checks() {
        diagnostics::wrap(&mut command, workspace, recorder.wrapper());
        "json-diagnostic-rendered-ansi"
    } else {
        "json-render-diagnostics"
    };
    if let Some(folder) = &request.objects {
        diagnostics::wrap(&mut command, workspace, recorder.wrapper());
        objects::link(&mut command, folder);
    }
    command.args(["--message-format", format]);
    if matches!(request.mode, Mode::Test | Mode::Clippy) {
        command.arg("--").args(&request.test_args);
    }
    run(command, on_built)
}

/// Builds what can be built of these rows' test programs after [`build`] has failed: `cargo test` stops at the first crate that
/// does not compile, `cargo build` goes on with others.
///
/// # Errors
/// See [`build`].
pub fn build_the_rest(
    workspace: &Workspace,
    request: &BuildRequest,
    ready: &[Ready<'_>],
    on_built: impl FnMut(Built),
) -> Result<()> {
    // `--lib` and its like mean the crate itself to `cargo build` and its tests to `cargo test`.
    if given(&request.cargo_args, SELECTION) {
        return Ok(());
    }
    let mut verb = vec!["build", "--keep-going", "--tests", "--examples"];
    if !given(&request.cargo_args, &["--release", "-r", "--profile"]) {
        // What `cargo test` builds, in the profile in which it does.
        verb.extend(["--profile", "test"]);
    }
    let mut command = cargo(workspace, request, ready, &verb)?;
    command.args(["--message-format", "json-render-diagnostics"]);
    run(command, on_built).map(drop)
}

fn run(mut command: Command, mut on_built: impl FnMut(Built)) -> Result<BuildEnd> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = BufReader::new(stderr).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let stdout = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("cannot read cargo's messages")?;
        let line = String::from_utf8_lossy(&line);
        match serde_json::from_str(&line).unwrap_or_else(|_| Message::TextLine(line.clone().into_owned())) {
            // With what the wrapper has put into it.
            Message::CompilerMessage(_) => on_built(Built::Diagnostic(serde_json::from_str(&line)?)),
            Message::CompilerArtifact(artifact) => on_built(Built::Artifact(Box::new(artifact))),
            Message::BuildScriptExecuted(script) => on_built(Built::Script(script)),
            Message::TextLine(line) => {
                if let Some(call) = Recorded::read(&line) {
                    on_built(Built::Recorded(call?));
                }
            }
            _ => {}
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let stderr = reader.join().unwrap_or_default();
    Ok(BuildEnd { success: status.success(), stderr })
}

/// Seconds since an instant.
pub fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
