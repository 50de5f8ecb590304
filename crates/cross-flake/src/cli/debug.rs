//! `debug`.

use std::ffi::OsString;
use std::io::BufReader;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, Package, TargetKind};
use clap::Args;
use cross_flake_runner::{self as runner, RunnerKind, RunnerSpec};
use nix::sys::signal::{SigHandler, Signal, signal};

use super::options::CargoOptions;
use super::{Place, one_environment};
use crate::engine::build::cargo_in;
use crate::environment::Environment;
use crate::host::{child, signals};
use crate::settings;
use crate::targets::Target;
use crate::workspace::{Workspace, spec_of};

/// Start a test or a program of a target stopped, and a debugger for it
///
/// The debugger is gdb, which must know the target's processor: that of Debian's package gdb-multiarch knows all. With --port no debugger
/// is started, and what an editor needs to connect is printed. qemu serves the debugger of programs for Linux and for boards, winedbg that
/// of programs for Windows, and gdbserver that of the machine's own programs, which gdb starts without --port. For WebAssembly there is
/// --port alone: wasmtime serves an LLDB that has the plugin `wasm`, and node the debugger of Chrome and VS Code.
#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  cargo cross-flake debug s390x-linux --test io -- reads_what_it_wrote\n  cargo cross-flake debug \
                       aarch64-linux --bin hello-zlib --port 1234 -- --help"
)]
pub struct Debug {
    /// Name or triple of the target
    target: String,
    #[command(flatten)]
    which: Which,
    /// Wait for a debugger at this port; qemu opens it on every network interface
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Arguments for the program: for tests, names of those to run
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<OsString>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    cargo: CargoOptions,
}

/// The program, of those of a package.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The library's own tests
    #[arg(long)]
    lib: bool,
    /// The tests in a file of `tests`
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// A program
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// An example
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
}

impl Which {
    /// Cargo's words for it.
    fn words(&self) -> Vec<&str> {
        let named = [("--test", &self.test), ("--bin", &self.bin), ("--example", &self.example)];
        let named = named.into_iter().flat_map(|(option, name)| name.iter().flat_map(move |name| [option, name]));
        self.lib.then_some("--lib").into_iter().chain(named).collect()
    }

    fn is_test(&self) -> bool {
        self.lib || self.test.is_some()
    }

    /// Tells if this target of a package is the one that is meant.
    fn is(&self, target: &cargo_metadata::Target) -> bool {
        let named = |name: &Option<String>| name.as_ref().is_some_and(|name| *name == target.name);
        match target.kind.first() {
            Some(TargetKind::Test) => named(&self.test),
            Some(TargetKind::Bin) => named(&self.bin),
            Some(TargetKind::Example) => named(&self.example),
            Some(TargetKind::CustomBuild | TargetKind::Bench) => false,
            _ => self.lib,
        }
    }
}

impl Debug {
    /// Runs the command.
    ///
    /// # Errors
    /// The target cannot be had here or has no server for a debugger, there is no debugger, or the program is not built.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = self.place.workspace()?;
        let target = workspace.table.find(&self.target)?;
        // Before anything is fetched.
        target.runner.map_or(Ok(()), |runner| self.can_serve(target, runner))?;
        let (workspace, target, environment) = one_environment(&self.place, &self.target)?;
        let runner = environment.runner.as_ref().with_context(|| format!("programs for {target} do not run here"))?;
        self.can_serve(&target, runner.kind)?;
        let package = self.package(&workspace, &target)?;
        let program = self.build(&workspace, &target, &environment, &package)?;
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let debugger = self.port.is_none().then(|| debugger(&target, runner.kind)).transpose()?;
        let server = match self.port {
            Some(port) => Server::Port(port),
            // winedbg knows ports alone.
            None if runner.kind == RunnerKind::Wine => Server::Port(free_port()?),
            None => Server::Socket(folder.path().join("gdb")),
        };
        let verb = if self.which.is_test() { "test" } else { "run" };
        let mut command = self.cargo(&[verb], &workspace, &target, &environment, &package)?;
        match (runner.kind, &debugger) {
            (RunnerKind::QemuUser, _) => {
                // What the program starts itself does not wait, for it does not see the variable.
                command.env("QEMU_GDB", server.to_string()).env("QEMU_UNSET_ENV", "QEMU_GDB");
            }
            // gdb, or its server, is what cargo starts, so that the program has the variables that cargo gives it.
            (RunnerKind::Native, Some(gdb)) => {
                let own = gdb_for(gdb, &workspace, &environment);
                start_by(&mut command, &target, &[&own[..], &["--args".into()]].concat());
            }
            (RunnerKind::Native, None) => {
                let at = format!("localhost:{server}");
                start_by(&mut command, &target, &["gdbserver".into(), "--once".into(), at.into()]);
            }
            _ => start_by_runner(&mut command, &target, &stopped(runner, &server), folder.path())?,
        }
        command.arg("--").args(&self.args);
        if let Some(port) = self.port {
            eprintln!(
                "{} waits for a debugger at port {port}; for VS Code:\n{}",
                program.display(),
                launch(&target, runner.kind, &program, port)?
            );
        }
        if debugger.is_some() {
            // It is how one stops a program that runs.
            signals::leave_interrupts();
            leave_interrupts(&mut command, runner.kind);
        }
        let mut child = command.spawn().context("cannot start cargo")?;
        if let Some(debugger) = debugger.filter(|_| runner.kind != RunnerKind::Native) {
            if let Server::Socket(socket) = &server {
                wait_for(socket, &mut child)?;
            }
            attach(&debugger, &workspace, &environment, &program, &server)?;
            // Whoever quits has ended the program, or let it go on without anybody who waits for it.
            let _ = child.kill();
            let _ = child.wait();
            runner::sweep(&[]);
            return Ok(ExitCode::SUCCESS);
        }
        let status = child.wait().context("cannot wait for cargo")?;
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }

    /// Refuses what nothing here serves.
    fn can_serve(&self, target: &Target, runner: RunnerKind) -> Result<()> {
        match (runner, self.port) {
            (RunnerKind::Native, Some(_)) if child::which("gdbserver").is_none() => {
                bail!("gdbserver is not on PATH: Debian's package gdbserver has it; without --port gdb alone is needed")
            }
            (RunnerKind::Wasmtime | RunnerKind::Node, None) => {
                bail!("gdb knows no WebAssembly: take --port, and connect a debugger that does to {target}")
            }
            _ => Ok(()),
        }
    }

    /// The package that has the program.
    fn package(&self, workspace: &Workspace, target: &Target) -> Result<Package> {
        let (selection, _) = self.cargo.selection(Vec::new());
        let all = workspace.packages_for(target, &selection)?;
        let with: Vec<&Package> =
            all.into_iter().filter(|package| package.targets.iter().any(|t| self.which.is(t))).collect();
        match with.as_slice() {
            [one] => Ok((*one).clone()),
            [] => bail!("no package for {target} has {}", self.which.words().join(" ")),
            many => {
                let names: Vec<&str> = many.iter().map(|package| package.name.as_str()).collect();
                bail!(
                    "several packages have {}: choose with -p one of {}",
                    self.which.words().join(" "),
                    names.join(", ")
                )
            }
        }
    }

    /// cargo with this command for the program.
    fn cargo(
        &self,
        verb: &[&str],
        workspace: &Workspace,
        target: &Target,
        environment: &Environment,
        package: &Package,
    ) -> Result<Command> {
        let mut command = cargo_in(&[environment])?;
        command.args(verb).args(["--package", &spec_of(package), "--target", &target.triple]);
        command.args(self.which.words()).args(self.cargo.args()).current_dir(&workspace.folder);
        Ok(command)
    }

    /// Builds the program, and gives its path.
    fn build(
        &self,
        workspace: &Workspace,
        target: &Target,
        environment: &Environment,
        package: &Package,
    ) -> Result<PathBuf> {
        let verb = if self.which.is_test() { &["test", "--no-run"][..] } else { &["build"] };
        let mut command = self.cargo(verb, workspace, target, environment, package)?;
        command.args(["--message-format", "json-render-diagnostics"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start cargo")?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut program = None;
        for message in Message::parse_stream(BufReader::new(stdout)) {
            let Message::CompilerArtifact(artifact) = message.context("cannot read cargo's messages")? else {
                continue;
            };
            if self.which.is(&artifact.target) && artifact.profile.test == self.which.is_test() {
                program = artifact.executable.or(program);
            }
        }
        signals::check()?;
        if !child.wait().context("cannot wait for cargo")?.success() {
            bail!("{} of {} is not built for {target}", self.which.words().join(" "), package.name);
        }
        Ok(program.context("cargo has built no program")?.into_std_path_buf())
    }
}

/// The place where a debugger finds the program.
enum Server {
    Port(u16),
    Socket(PathBuf),
}

/// As qemu's variable has it, and gdb's `target remote`.
impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Server::Port(port) => write!(f, "{port}"),
            Server::Socket(socket) => write!(f, "{}", socket.display()),
        }
    }
}

/// A port that nobody uses now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no port can be had")?.local_addr()?.port())
}

/// Returns a runner under which a program waits at its first instruction: qemu's options `-S` and `-gdb` (qemu's manual, "GDB usage"), wasmtime's
/// `--gdbstub`, node's `--inspect-brk`, or winedbg in front of the program.
fn stopped(runner: &RunnerSpec, server: &Server) -> RunnerSpec {
    let mut runner = runner.clone();
    // wasmtime's options are those of its command.
    let at = if runner.kind == RunnerKind::Wasmtime { 2 } else { 1 };
    let words = match (runner.kind, server) {
        (RunnerKind::Wine, server) => {
            let port = server.to_string();
            ["winedbg", "--gdb", "--no-start", "--port", &port].map(str::to_owned).to_vec()
        }
        (RunnerKind::Wasmtime, server) => vec!["--gdbstub".to_owned(), server.to_string()],
        (RunnerKind::Node, server) => vec![format!("--inspect-brk={server}")],
        (_, Server::Port(port)) => vec!["-S".to_owned(), "-gdb".to_owned(), format!("tcp::{port}")],
        (_, Server::Socket(socket)) => {
            vec!["-S".to_owned(), "-gdb".to_owned(), format!("unix:{},server=on,wait=off", socket.display())]
        }
    };
    runner.command.splice(at..at, words);
    runner
}

/// Leaves Ctrl-C to the debugger. cargo ignores it where cargo itself starts gdb, which heeds it all the same; the server of another
/// program, and that, are no part of the terminal's group.
fn leave_interrupts(command: &mut Command, runner: RunnerKind) {
    if runner == RunnerKind::Native {
        // SAFETY: one system call, and no handler is installed.
        unsafe {
            command.pre_exec(|| signal(Signal::SIGINT, SigHandler::SigIgn).map(drop).map_err(Into::into));
        }
    } else {
        command.process_group(0).stdin(Stdio::null());
    }
}

/// Has cargo start the programs of a row by this runner, whose document goes into a directory.
fn start_by_runner(command: &mut Command, target: &Target, runner: &RunnerSpec, folder: &Path) -> Result<()> {
    let file = folder.join("runner.json");
    std::fs::write(&file, serde_json::to_vec(runner)?).context("cannot write a temporary file")?;
    let own = std::env::current_exe().context("cannot find this program itself")?;
    start_by(command, target, &[own.into(), "runner".into(), file.into(), "--".into()]);
    Ok(())
}

/// Has cargo put these words before the programs of a row.
fn start_by(command: &mut Command, target: &Target, words: &[OsString]) {
    let words = toml::Value::Array(words.iter().map(|word| word.to_string_lossy().into_owned().into()).collect());
    command.env_remove(format!("CARGO_TARGET_{}_RUNNER", target.upper()));
    command.args(["--config", &format!("target.'{}'.runner={words}", target.triple)]);
}

/// gdb with Rust's own printers of its types, as `rust-gdb` has them, and std's sources where they are.
fn gdb_for(debugger: &Path, workspace: &Workspace, environment: &Environment) -> Vec<OsString> {
    let toolchain = &workspace.toolchain;
    let rust = toolchain.sysroot.join("lib/rustlib");
    let (printers, sources) = (rust.join("etc"), rust.join("src/rust"));
    let root = environment.runner.as_ref().and_then(|runner| runner.env.get("QEMU_LD_PREFIX"));
    let before = [
        // Not by PYTHONPATH, which the program would see.
        Some(format!("python import sys; sys.path.insert(0, {:?})", printers.display().to_string())),
        Some(format!("add-auto-load-safe-path {}", printers.display())),
        Some(format!("set substitute-path /rustc/{} {}", toolchain.commit, sources.display())),
        root.map(|root| format!("set sysroot {root}")),
    ];
    let mut words = vec![debugger.into(), "-q".into(), "--directory".into(), printers.into()];
    words.extend(before.into_iter().flatten().flat_map(|line| [OsString::from("-iex"), line.into()]));
    words
}

/// Starts gdb, and returns when it ends.
fn attach(
    debugger: &Path,
    workspace: &Workspace,
    environment: &Environment,
    program: &Path,
    server: &Server,
) -> Result<()> {
    let at = match server {
        // gdb tries for fifteen seconds.
        Server::Port(port) => format!("localhost:{port}"),
        server => server.to_string(),
    };
    let words = gdb_for(debugger, workspace, environment);
    let mut gdb = Command::new(&words[0]);
    gdb.args(&words[1..]);
    gdb.arg(program).arg("-ex").arg(format!("target remote {at}"));
    gdb.status().context("cannot start gdb")?;
    Ok(())
}

/// A gdb that knows the processor of a target.
fn debugger(target: &Target, runner: RunnerKind) -> Result<PathBuf> {
    let knows = |gdb: &PathBuf| {
        let output = Command::new(gdb).args(["-nx", "-batch", "-ex", "set architecture"]).stdin(Stdio::null()).output();
        output.is_ok_and(|output| lists(&String::from_utf8_lossy(&output.stderr), &target.triple))
    };
    // The machine's own processor every gdb knows, under other names than triples have.
    let knows = |gdb: &PathBuf| runner == RunnerKind::Native || knows(gdb);
    ["gdb-multiarch", "gdb"].into_iter().filter_map(child::which).find(knows).with_context(|| {
        format!(
            "no gdb on PATH knows the processor of {target}\nDebian's package gdb-multiarch has one; `{} debug` with --port \
             starts none",
            settings::program()
        )
    })
}

/// Tells if gdb names the processor of a triple among all that it knows: `s390:64-bit` and `s390x-unknown-linux-gnu` begin alike.
fn lists(all: &str, triple: &str) -> bool {
    let (_, all) = all.split_once("Valid arguments are ").unwrap_or_default();
    all.split(", ").any(|one| one.to_lowercase().starts_with(&triple[..3]))
}

/// Waits for qemu to open its socket.
fn wait_for(socket: &Path, child: &mut Child) -> Result<()> {
    while !socket.exists() {
        signals::check()?;
        if let Some(status) = child.try_wait().context("cannot wait for cargo")? {
            bail!("the program ended before it waited for a debugger ({status})");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A configuration of VS Code's launch.json: for its C++ extension, LLVM's, or its own debugger of JavaScript.
fn launch(target: &Target, runner: RunnerKind, program: &Path, port: u16) -> Result<String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{name} on {target}");
    Ok(serde_json::to_string_pretty(&match runner {
        RunnerKind::Wasmtime => serde_json::json!({
            "name": name,
            "type": "lldb-dap",
            "request": "attach",
            "attachCommands": [format!("process connect --plugin wasm connect://localhost:{port}")],
        }),
        RunnerKind::Node => serde_json::json!({ "name": name, "type": "node", "request": "attach", "port": port }),
        _ => serde_json::json!({
            "name": name,
            "type": "cppdbg",
            "request": "launch",
            "program": program,
            "cwd": "${workspaceFolder}",
            "MIMode": "gdb",
            "miDebuggerPath": "gdb-multiarch",
            "miDebuggerServerAddress": format!("localhost:{port}"),
        }),
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gdb_says_which_processors_it_knows() {
        let host = "Requires an argument. Valid arguments are i386, i386:x86-64, i8086, auto.";
        let all = "Requires an argument. Valid arguments are arm, armv7, aarch64, powerpc:common64, s390:64-bit, auto.";
        for triple in
            ["aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf", "powerpc64le-x", "s390x-unknown-linux-gnu"]
        {
            assert!(!lists(host, triple) && lists(all, triple), "{triple}");
        }
        assert!(!lists("Undefined command", "aarch64-x"));
    }
}
