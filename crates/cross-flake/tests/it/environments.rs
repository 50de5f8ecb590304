//! Environments: printed, evaluated by a shell, entered, and mixed with what the user's own environment holds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{BOTH, Cache, Fixture, names};

/// What the program of the fixture `small` prints without arguments, and without a flag of the user's.
const ON_ARM: &str = "aarch64  false\n";

#[test]
fn an_evaluated_environment_makes_plain_cargo_test_cross() {
    let fixture = Fixture::new("with-c");
    let script = "set -e\neval \"$(\"$0\" env aarch64-linux --shell)\"\ncargo test --quiet\ncargo run --quiet";
    let output = fixture.command("sh", &["-c", script, env!("CARGO_BIN_EXE_cargo-cross-flake")]).succeeds();
    assert!(output.out.contains("test result: ok. 1 passed"), "{output}");
    assert!(output.out.ends_with("aarch64 64 42\n"), "{output}");
    assert!(fixture.path("target/aarch64-unknown-linux-gnu/debug/with-c").exists());
}

#[test]
fn c_and_macros_and_programs_of_the_same_package_are_built_for_every_target_at_once() {
    let fixture = Fixture::new("with-c");
    let output = fixture.for_both("test", &["--json"]).succeeds();
    for target in BOTH {
        let row = output.row(target);
        assert_eq!((&row["status"], &row["tests"]["passed"]), (&"passed".into(), &1.into()), "{output}");
    }
    // The macro's own tests belong to no target.
    assert_eq!(output.row("build-machine")["tests"]["passed"], 1, "{output}");
}

#[test]
fn a_printed_environment_names_variables_path_and_runner() {
    let fixture = Fixture::new("small");
    let json = fixture.program(&["env", "aarch64-unknown-linux-gnu", "--json"]).succeeds().json();
    assert_eq!(json["schema"], 1);
    assert_eq!((&json["provider"], &json["target"]), (&"portable".into(), &"aarch64-linux".into()));
    let scoped = json["scoped"].as_object().unwrap();
    for name in ["CC", "CXX", "AR", "PKG_CONFIG_LIBDIR", "CMAKE_TOOLCHAIN_FILE"] {
        let file = scoped[&format!("{name}_aarch64_unknown_linux_gnu")].as_str().unwrap();
        assert!(Path::new(file).exists(), "{name}={file}");
    }
    assert!(Path::new(scoped["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"].as_str().unwrap()).exists());
    assert!(scoped.keys().all(|name| name.to_lowercase().contains("aarch64_unknown_linux_gnu")), "{json}");
    let shell = json["shell"].as_object().unwrap();
    assert_eq!(shell["CARGO_BUILD_TARGET"], "aarch64-unknown-linux-gnu");
    assert_eq!(shell["CC"], scoped["CC_aarch64_unknown_linux_gnu"]);
    let path: Vec<&Path> = json["path"].as_array().unwrap().iter().map(|p| Path::new(p.as_str().unwrap())).collect();
    assert!(path.iter().any(|folder| folder.join("rustc").exists()), "{json}");
    let runner = scoped["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER"].as_str().unwrap();
    assert!(path.iter().any(|folder| folder.join(runner).exists()), "{json}");
    assert_eq!((&json["runner"]["target"], &json["runner"]["kind"]), (&"aarch64-linux".into(), &"qemu-user".into()));
    // JSON is what it prints when nobody says otherwise, and it is the same every time.
    assert_eq!(fixture.program(&["env", "aarch64-linux"]).succeeds().json(), json);
}

#[test]
fn a_program_is_run_with_its_arguments_and_gives_its_exit_code() {
    let fixture = Fixture::new("small");
    let output = fixture.program(&["run", "aarch64-linux", "--", "a", "b  c", "--d", "*"]).succeeds();
    assert_eq!(output.out, "aarch64 a|b  c|--d|* false\n");
    let output = fixture.program(&["run", "x86_64-linux"]).env("CODE", "7").ends_with(7);
    assert_eq!(output.out, "x86_64  false\n");
}

#[test]
fn a_command_in_a_shell_is_inside_the_target_and_gives_its_exit_code() {
    let fixture = Fixture::new("small");
    let script = "cargo run --quiet; echo $CARGO_BUILD_TARGET; exit 5";
    let output = fixture.program(&["shell", "aarch64-linux", "--", "sh", "-c", script]).ends_with(5);
    assert_eq!(output.out, format!("{ON_ARM}aarch64-unknown-linux-gnu\n"), "{output}");
    // Without a command it is the user's own shell.
    let output = fixture.program(&["shell", "aarch64-linux"]).env("SHELL", "/bin/pwd").succeeds();
    assert_eq!(output.out.trim_end(), fixture.root().canonicalize().unwrap().to_str().unwrap());
}

/// git2, sqlx and many others link libraries in build scripts and proc-macros.
#[test]
fn what_runs_on_the_host_gets_no_library_of_the_target_in_a_shell() {
    let fixture = Fixture::new("host-libraries");
    let script = "cargo run --quiet --locked && cat \"$HOST_CMAKE_TOOLCHAIN_FILE\"";
    let output = fixture.program(&["shell", "aarch64-linux", "--", "sh", "-c", script]).succeeds();
    assert!(output.out.starts_with("aarch64 true\n"), "{output}");
    // The crate cmake names no compiler where there is a toolchain file, and CMake would take CC.
    let line = |name: &str| output.out.lines().find(|line| line.starts_with(&format!("set({name} [=[/")));
    let compiler = line("CMAKE_C_COMPILER").unwrap_or_else(|| panic!("{output}"));
    assert!(!compiler.contains("aarch64") && compiler.ends_with("/cc]=])"), "{output}");
}

#[test]
fn flags_of_the_user_reach_every_target_and_leave_its_own_in_place() {
    for (name, value) in [("RUSTFLAGS", "--cfg from_user"), ("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}from_user")] {
        let fixture = Fixture::new("small");
        let output = fixture.for_both("test", &["--json"]).env(name, value).succeeds();
        for target in BOTH {
            // One of them is there only with the flag.
            assert_eq!(output.row(target)["tests"]["passed"], 2, "{name}\n{output}");
        }
        let output = fixture.program(&["run", "aarch64-linux"]).env(name, value).succeeds();
        assert_eq!(output.out, "aarch64  true\n", "{name}");
    }
}

#[test]
fn flags_of_a_row_and_of_the_user_add_up() {
    let fixture = Fixture::new("small");
    fixture.write("targets.toml", "[target.aarch64-linux]\nrustflags = [\"--cfg\", \"from_row\"]\n");
    fixture.write(
        "src/lib.rs",
        "pub fn next(n: u32) -> u32 { n + 1 }\n#[cfg(all(from_row, from_user))] #[test] fn has_both() {}",
    );
    let output = fixture.for_both("test", &["--json", "--", "--lib"]).env("RUSTFLAGS", "--cfg from_user").succeeds();
    let passed = BOTH.map(|target| output.row(target)["tests"]["passed"].as_u64().unwrap());
    assert_eq!(passed, [0, 1], "{output}");
}

#[test]
fn a_target_folder_of_the_user_is_used_and_the_workspace_stays_clean() {
    let fixture = Fixture::new("small");
    let elsewhere = fixture.path("else where");
    fixture.for_both("test", &[]).env("CARGO_TARGET_DIR", &elsewhere).succeeds();
    assert!(elsewhere.join("aarch64-unknown-linux-gnu/debug/deps").exists());
    assert!(!fixture.root().join("target").exists() && !fixture.path("target").exists());
    // Without one it is the workspace's own.
    fixture.program(&["build", "x86_64-linux"]).without("CARGO_TARGET_DIR").succeeds();
    assert!(fixture.root().join("target/x86_64-unknown-linux-gnu/debug/small").exists());
}

/// Starts itself in every way that there is, and the machine's own programs, and is stopped and continued.
const STARTS: &str = r#"
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

unsafe extern "C" {
    static environ: *const *const std::ffi::c_char;
    fn fexecve(file: i32, argv: *const *const std::ffi::c_char, envp: *const *const std::ffi::c_char) -> i32;
    fn dup(file: i32) -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn programs_of_the_target_start() {
    let expected = format!("{} a| b false\n", std::env::consts::ARCH);
    let small = env!("CARGO_BIN_EXE_small");
    assert_eq!(said(Command::new(small).args(["a", " b"])), expected);
    // By a relative path, from another folder, by a shell of the machine's, and without a name of its own.
    let (folder, name) = small.rsplit_once('/').unwrap();
    assert_eq!(said(Command::new(format!("./{name}")).args(["a", " b"]).current_dir(folder)), expected);
    assert_eq!(said(Command::new("sh").args(["-c", "exec \"$0\" \"$@\"", small, "a", " b"])), expected);
    assert_eq!(said(Command::new(small).arg0("").args(["a", " b"])), expected);
    let own = std::env::current_exe().unwrap();
    assert!(said(Command::new(&own).arg0("a name").args(["--ignored", "--nocapture"])).contains("I am \"a name\""));
    let code = Command::new(small).env("CODE", "7").status().unwrap().code();
    assert_eq!(code, Some(7));
}

#[test]
fn an_open_file_is_executed() {
    let small = env!("CARGO_BIN_EXE_small");
    let read = |file: std::fs::File| {
        let mut command = Command::new("true");
        let words = [c"small".to_owned(), c"a".to_owned()];
        unsafe {
            command.pre_exec(move || {
                use std::os::fd::AsRawFd;
                let argv = [words[0].as_ptr(), words[1].as_ptr(), std::ptr::null()];
                // One that is not closed before its interpreter opens it.
                fexecve(dup(file.as_raw_fd()), argv.as_ptr(), environ);
                Err(std::io::Error::last_os_error())
            })
        };
        said(&mut command)
    };
    assert_eq!(read(std::fs::File::open(small).unwrap()), format!("{} a false\n", std::env::consts::ARCH));
}

#[test]
fn what_may_not_be_executed_is_not() {
    let copy = std::env::temp_dir().join("copy");
    std::fs::copy(env!("CARGO_BIN_EXE_small"), &copy).unwrap();
    std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(Command::new(&copy).status().unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
}

#[test]
fn a_process_stays_stopped_until_it_is_continued() {
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id() as i32;
    let mut status = 0;
    unsafe {
        assert_eq!(kill(pid, 19), 0);
        // WUNTRACED, WCONTINUED.
        assert_eq!(waitpid(pid, &mut status, 2), pid);
        assert_eq!(status & 0xff, 0x7f, "stopped");
        std::thread::sleep(std::time::Duration::from_millis(50));
        // Of a traced process it is a small letter.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(stat.to_uppercase().contains(") T "), "{stat}");
        assert_eq!(kill(pid, 18), 0);
        assert_eq!(waitpid(pid, &mut status, 8), pid);
        assert_eq!(status, 0xffff, "continued");
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
#[ignore = "is started by another"]
fn says_its_name() {
    println!("I am {:?}", std::env::args().next().unwrap());
}
"#;

#[test]
fn programs_of_another_target_start_others_where_user_namespaces_are_forbidden() {
    let fixture = Fixture::new("small");
    fixture.write("tests/starts.rs", STARTS);
    let forbidden = |args: &[&str]| {
        let script = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
        fixture.program(args).under(&["unshare", "-Ur", "sh", "-c", script])
    };
    let test = ["test", "x86_64-linux", "aarch64-linux", "aarch64-linux-musl", "--json"];
    let output = forbidden(&test).succeeds();
    for row in ["aarch64-linux", "aarch64-linux-musl"] {
        let row = output.row(row);
        assert_eq!((&row["status"], &row["binfmt"]), (&"passed".into(), &false.into()), "{output}");
        assert_eq!(row["tests"]["passed"], 5);
    }
    // Where nothing can be traced either, the program itself runs.
    let output = forbidden(&test).untraced().ends_with(1);
    let row = output.row("aarch64-linux");
    assert_eq!((&row["tests"]["passed"], &row["tests"]["failed"]), (&3.into(), &2.into()), "{output}");

    let doctor = forbidden(&["doctor", "--json"]).succeeds().json();
    let finding = doctor.as_array().unwrap().iter().find(|finding| finding["name"] == "private binfmt").unwrap();
    assert_eq!(finding["state"], "limited");
    assert!(finding["what"].as_str().unwrap().contains("user.max_user_namespaces is 0"), "{finding}");

    // The report of an ordinary run tells the two apart, where this machine allows a private binfmt_misc at all.
    let doctor = fixture.program(&["doctor", "--json"]).succeeds().json();
    let finding = doctor.as_array().unwrap().iter().find(|finding| finding["name"] == "private binfmt").unwrap();
    let row = fixture.program(&test).succeeds().row("aarch64-linux");
    assert_eq!(row["binfmt"], finding["state"] == "ok");
    let row = fixture.program(&[&test[..], &["--no-binfmt", "--", "--lib"]].concat()).succeeds().row("aarch64-linux");
    assert_eq!(row["binfmt"], false);
}

/// As CMake, Meson and configure scripts ask, before they compile anything.
#[test]
fn the_compiler_answers_what_build_systems_ask() {
    let fixture = Fixture::new("small");
    // CPython, among others, prints when it was built.
    fixture.write("answer.c", "int main(void) { return __DATE__[0] == 0; }\n");
    // The name of the target; macros of a program on standard input; the linker; all arguments on one line of a file.
    let script = "$CC -dumpmachine && echo | $CC -E -dM - | grep '__aarch64__ ' && $CC -Wl,--version && \
                  $CC -fuse-ld=lld -Wl,--version && \
                  printf '%s' '-O1 answer.c -o \"an answer\" -lz' >arguments && $CC @arguments && \
                  $CROSSCOMPILING_EMULATOR './an answer' && echo ran";
    let output = fixture.program(&["shell", "aarch64-linux", "--", "sh", "-c", script]).succeeds();
    let lines: Vec<&str> = output.out.lines().collect();
    assert_eq!((lines[0], lines[1], lines[4]), ("aarch64-linux-gnu", "#define __aarch64__ 1", "ran"), "{output}");
    assert!(lines[2].starts_with("LLD ") && lines[2].ends_with("(compatible with GNU linkers)"), "{output}");
    // .NET's Native AOT asks for a linker by its name, too.
    assert_eq!(lines[3], lines[2], "{output}");
}

/// The contract names every variable, and none that is not set.
#[test]
fn the_documentation_of_the_environment_has_every_variable() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/environment.md")).unwrap();
    let generated = cross_flake::environment::markdown();
    assert!(
        document.contains(&format!("<!-- begin: variables -->\n{generated}<!-- end: variables -->\n")),
        "{generated}"
    );
    let tables = document.split_once("## Scoped variables").unwrap().1.split_once("## PATH").unwrap().0;
    let documented: BTreeSet<String> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" |"))
        .flat_map(|(names, _)| names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>())
        .collect();
    let json = Fixture::new("small").program(&["env", "aarch64-linux"]).succeeds().json();
    let set: BTreeSet<String> = [&json["scoped"], &json["shell"]]
        .into_iter()
        .flat_map(|variables| variables.as_object().unwrap().keys())
        .map(|name| {
            let lower = "aarch64_unknown_linux_gnu";
            name.replace(lower, "<triple>").replace(&lower.to_uppercase(), "<TRIPLE>")
        })
        .collect();
    assert_eq!(set.difference(&documented).collect::<Vec<_>>(), [""; 0], "not documented");
    // Those that only some rows have.
    let absent: Vec<&String> = documented.difference(&set).collect();
    let some = ["RUSTDOCFLAGS", "RUSTFLAGS"].map(|name| format!("CARGO_TARGET_<TRIPLE>_{name}"));
    let others = ["CMAKE_GENERATOR_<triple>", "GOARM", "MACOSX_DEPLOYMENT_TARGET", "RC", "RC_<triple>", "WINDRES"];
    assert_eq!(absent, some.iter().map(String::as_str).chain(others).collect::<Vec<_>>());
}

#[test]
fn the_doctor_promises_nothing_that_this_machine_will_not_get() {
    let cache = Cache::empty();
    let fixture = Fixture::new("small").with_cache(cache.root());
    // A machine of another distribution.
    fs::write(fixture.path("os-release"), "ID=fedora\nPRETTY_NAME=\"Fedora Linux 43\"\n").unwrap();
    let script =
        format!("mount --bind '{}' /etc/os-release && exec \"$0\" \"$@\"", fixture.path("os-release").display());
    let doctor =
        fixture.program(&["doctor"]).env("CROSS_FLAKE_STD", "source").under(&["unshare", "-rm", "sh", "-c", &script]);
    let output = doctor.run();
    for promise in ["first use of a target fetches its own", "the distribution's, fetched", "uses the distribution's"] {
        assert!(!output.out.contains(promise), "{promise}\n{output}");
    }
    // What `setup` says of such rows, too.
    let reason =
        "emulators come from Debian's packages, and Fedora Linux 43 has none: set CROSS_FLAKE_ARCHIVE to a mirror";
    let of_row = output.out.split_once("these are skipped: ").unwrap_or_else(|| panic!("{output}")).1;
    assert!(output.out.contains(reason) && of_row.lines().next().unwrap().contains("aarch64-linux"), "{output}");
}

/// A packet of gdb's remote protocol (GDB manual, "Overview" of the remote protocol).
fn ask(connection: &mut TcpStream, packet: &str) -> String {
    let sum = packet.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
    write!(connection, "${packet}#{sum:02x}").unwrap();
    let mut answer = Vec::new();
    // Behind the mark of the end are two digits.
    while answer.iter().rev().nth(2) != Some(&b'#') {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    connection.write_all(b"+").unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (start, end) = (text.find('$').unwrap() + 1, text.rfind('#').unwrap());
    text[start..end].to_owned()
}

/// The first connection to a port is the debugger, so nobody else may try.
fn connect(port: u16) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(connection) => return connection,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(1800), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_test_waits_for_a_debugger_and_goes_on_when_that_says_so() {
    let fixture = Fixture::new("small");
    let firmware = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/firmware/Cargo.toml");
    let all = [
        ("aarch64-linux", &["--lib"][..], "one_more", "test tests::one_more ... ok"),
        // What winedbg shows of the program comes to it.
        ("windows-x64", &["--lib"], "one_more", ""),
        ("cortex-m4f", &["--test", "on_target", "--manifest-path", firmware], "", "7 passed"),
        ("x86_64-linux", &["--lib"], "one_more", "test tests::one_more ... ok"),
        ("wasm32-wasi", &["--lib"], "one_more", "test tests::one_more ... ok"),
    ];
    for (target, which, name, says) in all {
        let port = free_port();
        let args =
            [&["debug", target], which, &["--port", &port.to_string(), "--"], &[name][..usize::from(!name.is_empty())]];
        let running = fixture.program(&args.concat()).start();
        let mut connection = connect(port);
        // Stopped by SIGTRAP, at the first instruction: nothing has run yet.
        assert!(ask(&mut connection, "?").starts_with("T05"), "{target}");
        assert!(!fixture.processes().is_empty());
        // It goes on, and ends with code 0.
        assert!(ask(&mut connection, "c").starts_with("W00"), "{target}");
        // gdbserver waits for its end.
        drop(connection);
        let output = running.wait();
        assert_eq!(output.code, Some(0), "{output}");
        assert!(output.out.contains(says), "{output}");
        output.says(&["waits for a debugger at port", &format!("localhost:{port}\"")]);
        if target == "windows-x64" {
            // wine's own directory of a session is there for the next of its programs.
            names(&fixture.path("tmp"))
                .iter()
                .for_each(|name| fs::remove_dir_all(fixture.path("tmp").join(name)).unwrap());
        }
        fixture.assert_nothing_left();
    }

    fixture.program(&["debug", "wasm32-wasi", "--lib"]).ends_with(2).says(&["gdb knows no WebAssembly: take --port"]);
    let output = fixture.program(&["debug", "aarch64-linux", "--test", "none"]).ends_with(2);
    output.says(&["no package for aarch64-linux has --test none"]);
}

/// gdb itself, at a break in the test, with the variables that cargo gives to a test.
#[test]
fn a_test_of_the_machines_own_is_started_by_gdb() {
    let fixture = Fixture::new("small");
    fixture.write("src/lib.rs", "#[test]\nfn shows() {\n    let name = std::env::var(\"CARGO_PKG_NAME\").unwrap();\n    println!(\"{name}\");\n}\npub fn next(n: u32) -> u32 { n + 1 }\n");
    let commands = "break lib.rs:4\\nrun\\nprint name\\ndelete\\ncontinue\\nquit\\n";
    let script = format!("printf '{commands}' | \"$0\" \"$@\"");
    let output = fixture.program(&["debug", "x86_64-linux", "--lib", "--", "shows"]).under(&["sh", "-c", &script]);
    let output = output.without("PYTHONPATH").succeeds();
    assert!(output.out.contains("= \"small\"") && output.out.contains("test shows ... ok"), "{output}");
    fixture.assert_nothing_left();
}

/// As under cargo, for nothing resets what a process inherits.
#[test]
fn tests_and_what_they_start_have_no_signal_blocked() {
    let fixture = Fixture::new("small");
    let test = "
        use std::os::unix::process::ExitStatusExt;
        use std::process::Command;
        #[test]
        fn a_child_is_ended_by_a_signal() {
            // Not one that whoever started all of this may ignore, as nohup does.
            let mut child = Command::new(\"sleep\").arg(\"1000\").spawn().unwrap();
            let kill = Command::new(\"kill\").args([\"-s\", \"TERM\", &child.id().to_string()]).status().unwrap();
            assert!(kill.success() && child.wait().unwrap().signal() == Some(15));
        }
        #[test]
        fn a_child_has_none_blocked() {
            let status = Command::new(\"cat\").arg(\"/proc/self/status\").output().unwrap();
            let status = String::from_utf8(status.stdout).unwrap();
            assert!(status.contains(\"SigBlk:\\t0000000000000000\\n\"), \"{status}\");
        }
    ";
    fixture.write("tests/signals.rs", test);
    let output = fixture.for_both("test", &["--json", "--", "--test", "signals"]).succeeds();
    assert!(crate::support::BOTH.iter().all(|row| output.row(row)["tests"]["passed"] == 2), "{output}");
}
