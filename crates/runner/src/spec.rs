//! The documents and names by which the runner is told what to do, and tells what it did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The runner under the name `cross-flake-run-<target>` is that of this target, so that `CARGO_TARGET_<TRIPLE>_RUNNER` can be a
/// single word and no shell stands between cargo and the program.
pub const PREFIX: &str = "cross-flake-run-";

/// Names a file to which the runner writes a [`Status`]. The program does not see the variable.
pub const STATUS_VARIABLE: &str = "CROSS_FLAKE_RUNNER_STATUS";

/// Names a directory that stands for `/` to a Linux program: there it finds its loader and libraries. `cargo cross-flake sysroot`
/// makes such directories. It is a variable of our own, because `QEMU_LD_PREFIX` may come from the shell of another target.
pub const ROOT_VARIABLE: &str = "CROSS_FLAKE_ROOT";

/// The way in which programs of a target are run: the document `runner.json`, written by a provider.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct RunnerSpec {
    /// The row's name.
    pub target: String,
    /// The layer between the program and this machine.
    pub kind: RunnerKind,
    /// Its name in reports, such as `qemu-aarch64 10.0.2`.
    pub label: String,
    /// The emulator and its arguments, put before the program. The kernel does not pass these arguments when it
    /// starts the emulator itself: what must reach it there belongs in `env` (`QEMU_CPU`, `QEMU_LD_PREFIX`).
    pub command: Vec<String>,
    /// Variables for the program. Those that name a place replace the caller's, the others yield to it.
    pub env: BTreeMap<String, String>,
    /// Interpreters with which the kernel shall start programs of other targets: absolute paths by the format of the programs, which
    /// is `qemu-<architecture>` by qemu's name, `windows` or `wasm`.
    #[serde(default)]
    pub binfmt: BTreeMap<String, PathBuf>,
    /// The triples of rows that have a runner, by their names: a program that this one cannot start is said to be theirs.
    #[serde(default)]
    pub rows: BTreeMap<String, String>,
}

impl RunnerSpec {
    /// Returns the runner of programs of the build machine itself.
    pub fn of_this_machine(target: &str) -> RunnerSpec {
        RunnerSpec {
            target: target.to_owned(),
            kind: RunnerKind::Native,
            label: "native".to_owned(),
            command: Vec::new(),
            env: BTreeMap::new(),
            binfmt: BTreeMap::new(),
            rows: BTreeMap::new(),
        }
    }

    /// Returns the programs that play the machine.
    pub(crate) fn emulators(&self) -> Vec<PathBuf> {
        let own = self.command.first().map(PathBuf::from);
        let all = own.into_iter().chain(self.binfmt.values().cloned());
        all.filter_map(|program| program.canonicalize().ok()).collect()
    }
}

/// A layer between a program and this machine.
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

/// The way in which emulators were started.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Entered {
    /// The program ran in the namespace and could start programs of its target.
    Binfmt,
    /// The emulator was started directly, and the runner handed it the programs of its target that the program started.
    Traced,
    /// The emulator was started directly: only the program itself was emulated.
    Direct,
}

/// The runner's message to its caller, in the file named by [`STATUS_VARIABLE`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which of the two ways was used.
    pub entered: Entered,
    /// The reason for which the namespace was refused, if it was asked for.
    pub refused: Option<String>,
}
