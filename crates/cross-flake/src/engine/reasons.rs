//! The cause of a failure in one line, out of all that a compiler, linker, build script or test said.

use crate::settings;

/// The cause of a failed build: what comes nearest to the fault, and without colours.
///
/// Our own tools' words come first, then a linker's, a build script's and the compiler's: rustc says only that the linker failed,
/// and cargo only that a build script did.
pub fn of_build(output: &str) -> String {
    let plain = anstream::adapter::strip_str(output).to_string();
    let lines = || plain.lines().map(str::trim);
    if let Some(ours) = lines().find_map(|line| Some(line.split_once("cross-flake: ")?.1)) {
        return ours.to_owned();
    }
    let error = plain.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed and said nothing");
    let nearer = if error.contains("linking with") || error.contains("linker") {
        lines().find_map(linkers)
    } else if error.contains("custom build command") {
        of_script(&plain).map(|cause| format!("a build script failed: {cause}"))
    } else {
        None
    };
    nearer.unwrap_or_else(|| error.to_owned())
}

/// Returns the words of a linker on a line of its own. rustc puts the first of them behind `= note: `.
fn linkers(line: &str) -> Option<String> {
    let line = line.strip_prefix("= note: ").unwrap_or(line);
    // `ld.lld: error: …` of LLD, `/usr/bin/ld: …` of GNU's, `error: …` of zig's, `ld: …` of Apple's.
    let (tool, said) = line.split_once(": ")?;
    let is_lld = ["lld", "lld-link", "wasm-ld", "ld", "mold"].iter().any(|name| tool.ends_with(name));
    match said.strip_prefix("error: ") {
        Some(said) if is_lld => return Some(said.to_owned()),
        _ => {}
    }
    let gnu =
        ["undefined reference to ", "cannot find ", "multiple definition of ", "undefined symbol", "unable to find "];
    let at = gnu.iter().filter_map(|words| line.find(words)).min()?;
    // In rustc's line with all arguments of the linker these words would be a name.
    (!line.starts_with('"')).then(|| line[at..].to_owned())
}

/// Returns the words of a build script: a compiler's error, its panic, or else its last line.
fn of_script(output: &str) -> Option<String> {
    // cargo repeats what a script says of itself as `warning: PACKAGE@VERSION: …`.
    let repeated = |line: &'_ str| {
        let (package, said) = line.strip_prefix("warning: ")?.split_once(": ")?;
        (package.contains('@') && !package.contains(' ')).then(|| said.to_owned())
    };
    let plain = |line: &str| repeated(line).unwrap_or_else(|| line.trim_start_matches("cargo:warning=").to_owned());
    let said: Vec<String> = output.lines().map(str::trim).map(plain).collect();
    // The words of the crate pkg-config, which name what to install on this machine.
    let library = said.iter().find_map(|line| line.split_once("The system library `")?.1.split('`').next());
    if let Some(library) = library {
        let package = if library.starts_with("lib") { format!("{library}-dev") } else { format!("lib{library}-dev") };
        return Some(format!(
            "pkg-config finds no `{library}` for the target; if {package} is Debian's package with it, `{} sysroot TARGET {package}` adds that",
            settings::program()
        ));
    }
    let compiler = said.into_iter().find(|line| line.contains("error:") && !line.starts_with("error"));
    compiler.or_else(|| panic(output))
}

/// Returns the message of a panic and its place, by libstd's words: `thread 'main' panicked at src/main.rs:1:2:` and the message below.
pub fn panic(output: &str) -> Option<String> {
    let mut lines = output.lines().map(str::trim);
    let place = lines.find_map(|line| line.split_once(" panicked at ").map(|(_, place)| place))?;
    let message = lines.next().filter(|line| !line.is_empty() && !line.starts_with("note: "));
    let place = place.trim_end_matches(':');
    // What follows file and line is the column.
    let place =
        place.rsplit_once(':').filter(|(_, column)| column.bytes().all(|b| b.is_ascii_digit())).map_or(place, |p| p.0);
    Some(message.map_or_else(|| place.to_owned(), |message| format!("{message} ({place})")))
}

/// Returns the message of a test's panic, out of the part of libtest's output that is about it.
pub fn of_test(output: &str, name: &str) -> Option<String> {
    if let Some((_, part)) = output.split_once(&format!("---- {name} stdout ----")) {
        let end = part.find("\n---- ").unwrap_or(part.len());
        return panic(&part[..end]);
    }
    // Under nextest a test prints as it goes, in a thread of its name.
    panic(&output[output.find(&format!("thread '{name}'"))?..])
}

/// The runner's words for why it does not run a program, qemu's for a crash that may be its own doing (tokio#6361), or the panic of a
/// program that has no tests by name.
pub fn of_program(output: &str) -> Option<String> {
    let qemu = |line: &&str| line.contains("QEMU internal SIG") || line.contains("qemu: uncaught target signal");
    let ours = output.lines().find_map(|line| line.strip_prefix("cross-flake: "));
    ours.or_else(|| output.lines().find(qemu)).map(str::to_owned).or_else(|| panic(output))
}

/// Returns the words by which an emulator says that it failed itself: what qemu-user prints of a signal in its own code
/// (linux-user/signal.c), and wine's programs of their server (dlls/ntdll/unix/server.c).
pub fn of_emulator(output: &str) -> Option<&str> {
    let own = |line: &&str| {
        line.contains("QEMU internal SIG") || line.starts_with("wine client error:") || line.starts_with("wineserver: ")
    };
    output.lines().map(str::trim).find(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failed_link_is_what_the_linker_says() {
        let rustc = |note: &str| {
            format!(
                "   Compiling a v1.0.0\nerror: linking with `x-cc` failed: exit status: 1\n  |\n  = note:  \"x-cc\" \"-lcannot find x\"\n  = note: {note}\n\nerror: could not compile `a`\n"
            )
        };
        for (note, cause) in [
            (
                "ld.lld: error: undefined symbol: gettid\n          >>> referenced by lib.rs:3",
                "undefined symbol: gettid",
            ),
            ("rust-lld: error: unable to find library -lfoo", "unable to find library -lfoo"),
            ("lld-link: error: could not open 'x.lib'", "could not open 'x.lib'"),
            ("/usr/bin/ld: lib.rs:(.text+0x1): undefined reference to `f'", "undefined reference to `f'"),
            ("/usr/bin/x86_64-w64-mingw32-ld: cannot find -lfoo: No such file", "cannot find -lfoo: No such file"),
            ("cross-flake: no library `foo` for x", "no library `foo` for x"),
        ] {
            assert_eq!(of_build(&rustc(note)), cause);
        }
        assert_eq!(of_build(&rustc("something else")), "error: linking with `x-cc` failed: exit status: 1");
    }

    #[test]
    fn the_cause_of_a_failed_build_script_is_what_it_says() {
        let cargo = |said: &str| {
            format!(
                "error: failed to run custom build command for `a v1.0.0`\n\nCaused by:\n  process didn't exit successfully\n  --- stderr\n{said}\n"
            )
        };
        let library = cargo(
            "  thread 'main' panicked at build.rs:2:81:\n  called `Result::unwrap()` on an `Err` value:\n  The system library `lzma` required by crate `a` was not found.",
        );
        assert!(of_build(&library).contains("finds no `lzma` for the target; if liblzma-dev is Debian's"));
        let compiler = cargo("  cargo:warning=x.c:1:1: fatal error: 'y.h' file not found");
        assert_eq!(of_build(&compiler), "a build script failed: x.c:1:1: fatal error: 'y.h' file not found");
        let repeated = cargo("").replace("error: failed", "warning: a@1.0.0: x.c:2:1: error: no\nerror: failed");
        assert_eq!(of_build(&repeated), "a build script failed: x.c:2:1: error: no");
        let panic = cargo(
            "\n  thread 'main' (7) panicked at build.rs:3:5:\n  no bindings\n  note: run with `RUST_BACKTRACE=1`",
        );
        assert_eq!(of_build(&panic), "a build script failed: no bindings (build.rs:3)");
    }

    #[test]
    fn the_cause_of_a_failed_test_is_its_own_panic() {
        let output = "running 2 tests\ntest a ... FAILED\ntest b ... FAILED\n\nfailures:\n\n---- a stdout ----\n\nthread 'a' (1) panicked at src/lib.rs:3:9:\nfirst\nnote: run\n\n---- b stdout ----\n\nthread 'b' (2) panicked at src/lib.rs:7:9:\nassertion failed: x\n";
        assert_eq!(of_test(output, "b").unwrap(), "assertion failed: x (src/lib.rs:7)");
        assert_eq!(of_test(output, "a").unwrap(), "first (src/lib.rs:3)");
        assert_eq!(of_test(output, "c"), None);
        assert_eq!(
            of_program("qemu: uncaught target signal 11 (Segmentation fault)").unwrap(),
            "qemu: uncaught target signal 11 (Segmentation fault)"
        );
    }
}
