//! The format of a program: whether the runner is the right one for it, and what to say if it is not.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use anyhow::anyhow;
use nix::errno::Errno;

use super::binfmt::BinfmtEntry;
use super::spec::{PREFIX, RunnerKind, RunnerSpec};
use cross_flake_inspect as inspect;

/// Returns true for a program that neither the spec's emulator nor a registered one can run, by its first bytes. Anything that is no
/// program, such as a script or a name that the emulator looks up by itself, is left to the emulator.
pub(super) fn is_for_another_emulator(spec: &RunnerSpec, registered: &[BinfmtEntry], head: &[u8], own: &[u8]) -> bool {
    let (elf, windows, wasm) = (head.starts_with(b"\x7fELF"), head.starts_with(b"MZ"), head.starts_with(b"\0asm"));
    match spec.kind {
        // The binfmt_misc runs whatever an emulator was registered for, and the kernel says of what is left.
        RunnerKind::Native => false,
        RunnerKind::QemuUser => {
            let name = spec.command.first().map(Path::new).and_then(|qemu| qemu.file_name()?.to_str());
            let entry = name.and_then(|name| BinfmtEntry::new(name, Path::new("/")).ok());
            let foreign = entry.is_some_and(|entry| !entry.matches(head));
            let registered = registered.iter().any(|entry| entry.matches(head));
            // ELF's class, byte order and machine: the build machine's own programs run by themselves in the namespace.
            let is_own = head.len() > 20 && own.len() > 20 && head[4..6] == own[4..6] && head[18..20] == own[18..20];
            (elf || windows || wasm) && foreign && !registered && !is_own
        }
        RunnerKind::Wine => elf || wasm,
        RunnerKind::Wasmtime | RunnerKind::Node => elf || windows,
        RunnerKind::QemuSystem => windows || wasm,
    }
}

/// Says what a program is built for, what this runner runs, and which runner it needs.
pub(super) fn explain_format(spec: &RunnerSpec, program: &OsStr) -> anyhow::Error {
    match inspect::inspect(Path::new(program)) {
        Ok(inspection) => anyhow!(
            "Exec format error: {}",
            inspect::explain_wrong_runner(
                &inspection,
                &format!("{PREFIX}{}", spec.target),
                runner_of(spec, &inspection)
            )
        ),
        Err(error) => error.context(format!("Exec format error, under {}", spec.label)),
    }
}

/// Returns the runner of the row whose programs look like this one.
fn runner_of(spec: &RunnerSpec, inspection: &inspect::Inspection) -> Option<String> {
    let is_of =
        |triple: &str| inspect::expected_of_triple(triple).is_some_and(|expected| inspection.check(&expected).is_ok());
    let (name, _) = spec.rows.iter().find(|(_, triple)| is_of(triple))?;
    Some(format!("{PREFIX}{name}"))
}

pub(super) fn explain_exec(spec: &RunnerSpec, program: &OsStr, error: io::Error) -> anyhow::Error {
    let hint = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOEXEC) => "it is in no format that this machine runs or that an emulator was registered for",
        Some(Errno::ENOENT) if Path::new(program).exists() => {
            "it exists, so its emulator, or the interpreter that it names itself, does not"
        }
        Some(Errno::EACCES) => "it, or its emulator, is not executable",
        _ => "it could not be started",
    };
    if error.raw_os_error() == Some(Errno::ENOEXEC as i32)
        && let Ok(inspection) = inspect::inspect(Path::new(program))
    {
        let runner = runner_of(spec, &inspection);
        return anyhow!(inspect::explain_exec_format_error(&inspection, env::consts::ARCH, runner.as_deref()))
            .context("Exec format error");
    }
    let (program, target, label) = (Path::new(program).display(), &spec.target, &spec.label);
    anyhow!(error).context(format!("{program} ({target}, {label}, {:?}): {hint}", spec.command))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_a_program_that_the_emulator_cannot_run_is_for_another() {
        let spec = |kind, command: &str, registered: &[&str]| RunnerSpec {
            target: "row".into(),
            kind,
            label: String::new(),
            command: vec![command.into()],
            env: BTreeMap::new(),
            binfmt: registered.iter().map(|format| ((*format).to_owned(), PathBuf::from("/"))).collect(),
            rows: BTreeMap::new(),
        };
        let elf = |class: u8, data: u8, machine: [u8; 2]| {
            let mut head = vec![0x7f, b'E', b'L', b'F', class, data, 1];
            head.resize(16, 0);
            [&head[..], if data == 1 { &[2, 0] } else { &[0, 2] }, &machine, &[0; 100]].concat()
        };
        let (own, arm, s390x) = (elf(2, 1, [62, 0]), elf(2, 1, [183, 0]), elf(2, 2, [0, 22]));
        let (script, windows) = (b"#!/bin/sh".to_vec(), b"MZ".to_vec());
        let qemu = spec(RunnerKind::QemuUser, "/nix/store/qemu/bin/qemu-aarch64", &["qemu-aarch64"]);
        let all = spec(RunnerKind::QemuUser, "qemu-aarch64", &["qemu-aarch64", "qemu-s390x", "windows"]);
        let wine = spec(RunnerKind::Wine, "wine", &[]);
        let cases = [
            (&qemu, true, &arm, false),
            (&qemu, false, &arm, false),
            (&qemu, true, &own, false),
            (&qemu, true, &script, false),
            (&qemu, true, &s390x, true),
            (&qemu, true, &windows, true),
            (&all, true, &s390x, false),
            (&all, true, &windows, false),
            (&all, false, &s390x, true),
            (&wine, true, &windows, false),
            (&wine, true, &script, false),
            (&wine, true, &arm, true),
        ];
        for (number, (spec, binfmt, head, expected)) in cases.into_iter().enumerate() {
            let entries = spec.binfmt.iter().filter(|_| binfmt).map(|(format, path)| BinfmtEntry::new(format, path));
            let entries: Vec<_> = entries.map(Result::unwrap).collect();
            assert_eq!(is_for_another_emulator(spec, &entries, head, &own), expected, "case {number}");
        }
    }
}
