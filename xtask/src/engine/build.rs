//! One cargo invocation for many targets, and what it reports.

use std::ffi::OsString;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use cargo_metadata::{Artifact, BuildScript, Message};

use crate::environment::{Environment, path_with};
use crate::targets::Target;
use crate::workspace::Workspace;

/// What cargo is asked to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// `build`, or `test` for the test programs.
    pub tests: bool,
    /// Packages, by name.
    pub packages: Vec<String>,
    /// Arguments for cargo, as the user gave them.
    pub cargo_args: Vec<String>,
}

/// A row and its environment, ready to be built.
pub struct Ready<'a> {
    /// The row.
    pub target: &'a Target,
    /// Its environment.
    pub environment: &'a Environment,
}

/// How a cargo invocation ended.
pub struct BuildEnd {
    /// Whether everything was built.
    pub success: bool,
    /// What it printed for people.
    pub stderr: String,
}

/// Variables that cargo or rustup set for xtask itself and that must not reach a cargo for another workspace.
pub fn clean_command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        let inherited_from_cargo = name_text.starts_with("CARGO_PKG_")
            || name_text.starts_with("CARGO_BIN_EXE_")
            || ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_MANIFEST_LINKS", "OUT_DIR"]
                .contains(&name_text.as_ref());
        // The path ahead of `rustc` decides on the compiler, so rustup's and the user's wishes for one are not passed on.
        if inherited_from_cargo || name_text == "RUSTUP_TOOLCHAIN" || name_text == "CARGO_BUILD_TARGET" {
            command.env_remove(&name);
        }
    }
    match library_path() {
        Some(path) if path.is_empty() => command.env_remove("LD_LIBRARY_PATH"),
        Some(path) => command.env("LD_LIBRARY_PATH", path),
        None => &mut command,
    };
    command
}

/// The user's `LD_LIBRARY_PATH` without the folder of rustc's own library, which `cargo run` adds to it: rustc takes the folder
/// of that library for its sysroot, and ours has one of its own.
fn library_path() -> Option<OsString> {
    let inherited = std::env::var_os("LD_LIBRARY_PATH")?;
    let holds_rustc = |folder: &PathBuf| {
        let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|e| e.file_name().to_string_lossy().starts_with("librustc_driver"))
    };
    std::env::join_paths(std::env::split_paths(&inherited).filter(|folder| !holds_rustc(folder))).ok()
}

/// A command inside the environments of all these targets at once.
///
/// A `RUSTFLAGS` of the user's would displace every scoped `CARGO_TARGET_<T>_RUSTFLAGS` (cargo takes one or the other), so
/// it is added to each of them instead.
///
/// # Errors
/// `PATH` cannot be formed.
pub fn command_in(program: impl Into<OsString>, environments: &[&Environment]) -> Result<Command> {
    let mut command = clean_command(program);
    command.env("PATH", path_with(environments)?);
    let users = users_rustflags();
    for environment in environments {
        command.envs(&environment.scoped);
        if let Some(users) = &users {
            let name = format!("CARGO_TARGET_{}_RUSTFLAGS", environment.triple.replace(['-', '.'], "_").to_uppercase());
            let ours = environment.scoped.get(&name).map(String::as_str).unwrap_or_default();
            command.env(name, format!("{ours} {users}").trim());
        }
    }
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    if in_ci() && std::env::var_os("CARGO_INCREMENTAL").is_none() {
        // What makes the next build faster makes this one slower by a twentieth (docs/benchmarks.md), and in CI there is no next.
        command.env("CARGO_INCREMENTAL", "0");
    }
    Ok(command)
}

/// Whether this is a job of a CI service; all of them set the variable `CI`.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

/// The flags that the user's environment has for every compiler, if any.
pub fn users_rustflags() -> Option<String> {
    let encoded = std::env::var("CARGO_ENCODED_RUSTFLAGS").ok().map(|v| v.replace('\x1f', " "));
    encoded.or_else(|| std::env::var("RUSTFLAGS").ok()).filter(|v| !v.trim().is_empty())
}

/// Cargo's options that choose what to build within a package.
pub const SELECTION: &[&str] = &[
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

/// Those of [`SELECTION`] with which `cargo build` builds no tests.
const SELECTION_OF_CRATES: &[&str] =
    &["--lib", "--bins", "--bin", "--examples", "--example", "--benches", "--bench", "--all-targets"];

/// Whether one of these options is among the arguments, as `--option` or `--option=value`.
pub fn given(args: &[String], options: &[&str]) -> bool {
    args.iter().any(|arg| options.contains(&arg.split('=').next().unwrap_or_default()))
}

/// The arguments that choose targets, packages and form of output.
fn arguments(workspace: &Workspace, request: &BuildRequest, targets: &[&Target]) -> Vec<OsString> {
    // `cargo build` goes on after an error and `cargo test` does not, but `--lib` and its like mean the crate itself to the
    // one and its tests to the other. `--test` means the same to both.
    let mut args: Vec<OsString> = if request.tests && given(&request.cargo_args, SELECTION_OF_CRATES) {
        vec!["test".into(), "--no-run".into()]
    } else {
        vec!["build".into(), "--keep-going".into()]
    };
    args.push("--manifest-path".into());
    args.push(workspace.root().join("Cargo.toml").into());
    if request.tests {
        // What `cargo test` builds, in the profile in which it does.
        if !given(&request.cargo_args, SELECTION) {
            args.extend(["--tests".into(), "--examples".into()]);
        }
        if !given(&request.cargo_args, &["--release", "-r", "--profile"]) {
            args.extend(["--profile".into(), "test".into()]);
        }
    }
    for package in &request.packages {
        args.extend(["--package".into(), package.into()]);
    }
    for target in targets {
        args.extend(["--target".into(), target.triple.clone().into()]);
    }
    args.extend(request.cargo_args.iter().map(OsString::from));
    args
}

/// Something that cargo reports while it goes on.
pub enum Built {
    /// A crate or program is there.
    Artifact(Artifact),
    /// A build script has run.
    Script(BuildScript),
}

/// Runs cargo once for all these targets.
///
/// # Errors
/// Cargo cannot be started or read.
pub fn build(
    workspace: &Workspace,
    request: &BuildRequest,
    ready: &[Ready<'_>],
    mut on_built: impl FnMut(Built),
) -> Result<BuildEnd> {
    let environments: Vec<&Environment> = ready.iter().map(|r| r.environment).collect();
    let targets: Vec<&Target> = ready.iter().map(|r| r.target).collect();
    let mut command = command_in("cargo", &environments)?;
    command
        .args(arguments(workspace, request, &targets))
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.spawn().context("cannot start cargo")?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = BufReader::new(stderr).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let stdout = child.stdout.take().expect("stdout is piped");
    for message in Message::parse_stream(BufReader::new(stdout)) {
        match message.context("cannot read cargo's messages")? {
            Message::CompilerArtifact(artifact) => on_built(Built::Artifact(artifact)),
            Message::BuildScriptExecuted(script) => on_built(Built::Script(script)),
            _ => {}
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let stderr = reader.join().unwrap_or_default();
    Ok(BuildEnd { success: status.success(), stderr })
}

/// The first folder below this target folder of cargo's that a file is in: a triple, or a profile of the build machine's own.
pub fn target_folder_of(folder: &Path, file: &Path) -> Option<String> {
    let relative = file.strip_prefix(folder).ok()?;
    Some(relative.components().next()?.as_os_str().to_string_lossy().into_owned())
}

/// Seconds since an instant.
pub fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
