//! Programs that start programs of their own target: the system, or an emulator in its place, must
//! know how to run them.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

fn hello(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hello-zlib"));
    command.args(arguments);
    command
}

/// Feeds `input` from a thread, so that neither pipe can fill up and block both sides.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    })
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn a_child_says_the_same_as_its_parent() {
    let greeting = text(hello(&[]).output().unwrap());
    assert_eq!(greeting.trim_end(), hello_zlib::greeting());
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn bytes_pass_through_the_pipes_unchanged() {
    // Larger than any pipe, with every byte in it: \r\n, \0 and ^Z are what a text mode would eat.
    let data: Vec<u8> = (0..300_000_u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    let packed = run(&mut hello(&["pack"]), &data);
    assert!(packed.status.success(), "{packed:?}");
    assert_eq!(hello_zlib::decompress(&packed.stdout).unwrap(), data);
    let unpacked = run(&mut hello(&["unpack"]), &packed.stdout);
    assert_eq!(unpacked.stdout, data);
    let digest = text(run(&mut hello(&["digest"]), &data));
    assert_eq!(digest.trim_end(), hello_zlib::digest(&data));
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn a_child_gets_its_arguments_unchanged() {
    let arguments = ["two words", "\"quoted\"", "back\\slash\\", "", "größe → ✓", "*"];
    let output = text(hello(&["arguments"]).args(arguments).output().unwrap());
    assert_eq!(output.lines().collect::<Vec<_>>(), arguments);
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn a_child_gets_its_own_environment() {
    let mut command = hello(&["variable", "HELLO_ZLIB_CHILD"]);
    assert_eq!(text(command.env("HELLO_ZLIB_CHILD", "für das Kind").output().unwrap()).trim_end(), "für das Kind");
    assert_eq!(command.env_remove("HELLO_ZLIB_CHILD").output().unwrap().status.code(), Some(1));
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn a_childs_exit_code_arrives() {
    for code in [0, 1, 7, 100] {
        let status = hello(&["exit", &code.to_string()]).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
    let output = hello(&["nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonsense"));
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn a_program_that_is_not_there_is_not_found() {
    for program in ["no-such-program", "./no-such-program", "/no/such/program"] {
        let error = Command::new(program).spawn().err().map(|error| error.kind());
        assert_eq!(error, Some(std::io::ErrorKind::NotFound), "{program}");
    }
}

#[test]
#[cfg_attr(not(has_processes), ignore = "this target has no processes")]
fn several_children_run_at_once() {
    thread::scope(|scope| {
        for length in [10, 1000, 100_000] {
            scope.spawn(move || {
                let data = vec![length as u8; length];
                let digest = text(run(&mut hello(&["digest"]), &data));
                assert_eq!(digest.trim_end(), hello_zlib::digest(&data));
            });
        }
    });
}
