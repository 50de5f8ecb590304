//! The runner as a process, and its parts.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::thread;
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::geteuid;
use tempfile::TempDir;

use super::spec::ROOT_VARIABLE;
use super::*;

const SPEC: &str = "CROSS_FLAKE_TEST_SPEC";

/// Returns the test program itself as the runner, because a runner must have its process to itself. The signals are
/// blocked before it starts, for libtest's other thread would swallow them.
fn runner(dir: &TempDir, script: &str, binfmt: &[(&str, &Path)]) -> Command {
    let spec = RunnerSpec {
        target: "test".into(),
        kind: RunnerKind::Native,
        label: "native".into(),
        command: vec![],
        env: [("QEMU_CPU", "row"), ("HOME", "/row")].map(|(name, value)| (name.into(), value.into())).into(),
        binfmt: binfmt.iter().map(|(format, path)| ((*format).to_owned(), path.to_path_buf())).collect(),
        rows: BTreeMap::new(),
    };
    let path = dir.path().join("runner.json");
    fs::write(&path, serde_json::to_vec(&spec).unwrap()).unwrap();
    let this = module_path!().split_once("::").unwrap().1.to_owned() + "::acts_as_the_runner_when_asked_to";
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &this, "--nocapture"]).current_dir(dir);
    command.env(SPEC, path).env("SCRIPT", script).env(STATUS_VARIABLE, dir.path().join("status"));
    unsafe { command.pre_exec(|| Ok(watched_signals().thread_set_mask()?)) };
    command
}

fn output(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

fn status(dir: &TempDir) -> Status {
    serde_json::from_slice(&fs::read(dir.path().join("status")).unwrap()).unwrap()
}

fn is_gone(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| stat.contains(") Z "))
        || !Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn acts_as_the_runner_when_asked_to() {
    let Some(spec) = env::var_os(SPEC) else {
        return;
    };
    let spec: RunnerSpec = serde_json::from_slice(&fs::read(spec).unwrap()).unwrap();
    let args = ["-c".into(), env::var_os("SCRIPT").unwrap()];
    let program = env::var_os("PROGRAM").unwrap_or("/bin/sh".into());
    std::process::exit(run(&spec, &program, &args, true).unwrap());
}

#[test]
fn exit_codes_and_signals_pass_through() {
    let dir = TempDir::new().unwrap();
    assert_eq!(output(&mut runner(&dir, "exit 3", &[])).0, Some(3));
    assert_eq!(output(&mut runner(&dir, "kill -SEGV $$", &[])).0, Some(128 + 11));
    assert_eq!(status(&dir), Status { entered: Entered::Direct, refused: None });
}

#[test]
fn the_caller_chooses_the_processor_and_the_row_the_places() {
    let dir = TempDir::new().unwrap();
    let mut command = runner(&dir, "echo $QEMU_CPU,$HOME,$CROSS_FLAKE_RUNNER_STATUS.", &[]);
    let (_, text) = output(command.env("QEMU_CPU", "caller"));
    assert!(text.contains("caller,/row,."), "{text}");
}

#[test]
fn a_root_replaces_the_rows_for_another_processor() {
    let dir = TempDir::new().unwrap();
    for (kind, root, sees) in [
        (RunnerKind::QemuSystem, "/root", "/row"),
        (RunnerKind::QemuUser, "", "/row"),
        (RunnerKind::QemuUser, "/root", "/root"),
    ] {
        let mut command = runner(&dir, "echo $QEMU_LD_PREFIX.", &[]);
        let path = dir.path().join("runner.json");
        let mut spec: RunnerSpec = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        spec.kind = kind;
        spec.env.insert("QEMU_LD_PREFIX".into(), "/row".into());
        fs::write(&path, serde_json::to_vec(&spec).unwrap()).unwrap();
        let (_, text) = output(command.env("QEMU_LD_PREFIX", "/caller").env(ROOT_VARIABLE, root));
        assert!(text.contains(&format!("{sees}.")), "{kind:?} {root}: {text}");
    }
}

#[test]
fn a_daemon_that_a_program_leaves_behind_is_killed() {
    let dir = TempDir::new().unwrap();
    let daemon = "(setsid sh -c 'echo $$ >pid.new; mv pid.new pid; exec sleep 1000' >/dev/null 2>&1 &)";
    let script = format!("{daemon}; until [ -e pid ]; do sleep 0.01; done; exit 7");
    assert_eq!(output(&mut runner(&dir, &script, &[])).0, Some(7));
    assert!(is_gone(&fs::read_to_string(dir.path().join("pid")).unwrap()));
}

#[test]
fn a_signal_to_the_runner_takes_everything_with_it() {
    let dir = TempDir::new().unwrap();
    let script = "trap '' TERM; sleep 1000 & echo $! >pid.new; mv pid.new pid; wait";
    let mut child = runner(&dir, script, &[]).spawn().unwrap();
    while !dir.path().join("pid").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert!(is_gone(&fs::read_to_string(dir.path().join("pid")).unwrap()));
}

#[test]
fn a_program_may_start_files_of_a_registered_format_or_the_status_says_why_not() {
    let dir = TempDir::new().unwrap();
    for (name, text) in [("emulator", "#!/bin/sh\necho emulated $1\n"), ("module", "\0asm")] {
        fs::write(dir.path().join(name), text).unwrap();
        fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let wasm = ("wasm", &*dir.path().join("emulator"));
    let (_, text) = output(&mut runner(&dir, "./module; id -u", &[wasm]));
    match probe() {
        Ok(()) => {
            assert_eq!(status(&dir), Status { entered: Entered::Binfmt, refused: None });
            assert!(text.contains(&format!("emulated ./module\n{}\n", geteuid())), "{text}");
        }
        Err(reason) => assert_eq!(status(&dir), Status { entered: Entered::Direct, refused: Some(reason) }),
    }
}

#[test]
fn a_file_of_unknown_format_is_refused_and_not_given_to_a_shell() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("script"), "exit 0").unwrap();
    fs::set_permissions(dir.path().join("script"), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = runner(&dir, "", &[]);
    let output = command.env("PROGRAM", "./script").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("in no format"), "{text}");
}

#[test]
fn a_missing_emulator_is_named_in_the_status() {
    let dir = TempDir::new().unwrap();
    // The kernel opens a program at once, and this one may not be executed.
    let emulator = dir.path().join("emulator");
    fs::write(&emulator, b"\x7fELF").unwrap();
    assert_eq!(output(&mut runner(&dir, "exit 0", &[("qemu-s390x", &emulator)])).0, Some(0));
    let Status { entered, refused } = status(&dir);
    assert_eq!(entered, Entered::Direct);
    assert!(probe().is_err() || refused.unwrap().starts_with(emulator.to_str().unwrap()));
}
