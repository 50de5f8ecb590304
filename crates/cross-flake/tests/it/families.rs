//! The C compilers and linkers of rows that are not ELF: Windows, macOS, WASI.

use crate::support::{Fixture, Output};

/// Runs a script of a POSIX shell inside a target.
fn in_shell(fixture: &Fixture, target: &str, script: &str) -> Output {
    fixture.write("script.sh", script);
    fixture.program(&["shell", target, "--", "sh", "-eu", "script.sh"]).succeeds()
}

/// What the crates windows-sys, winapi, pyo3 and winresource do: import libraries and objects of resources from tools that are
/// found by name.
#[test]
fn windows_rows_link_import_libraries_archives_and_resources() {
    let fixture = Fixture::new("small");
    fixture
        .write("archived.c", "int archived(void) { return 5; }\n")
        .write("imported.def", "LIBRARY kernel32.dll\nEXPORTS\nGetTickCount64\n")
        .write("imported-x86.def", "LIBRARY kernel32.dll\nEXPORTS\nGetTickCount64@0\n")
        .write("mark.rc", "#include <windows.h>\nMARK RCDATA { L\"ResourceMark\" }\n")
        .write(
            "build.rs",
            r#"
            use std::{env, process::Command};
            fn main() {
                let (out, triple) = (env::var("OUT_DIR").unwrap(), env::var("TARGET").unwrap());
                let arch = triple.split('-').next().unwrap();
                let run = |program: &str, args: &[&str]| assert!(Command::new(program).args(args).status().unwrap().success());
                let tool = |name: &str| env::var(format!("{name}_{}", triple.replace('-', "_"))).unwrap();
                let at = |name: &str| format!("{out}/{name}");
                run(&tool("CC"), &["-c", "archived.c", "-o", &at("a.o")]);
                run(&tool("AR"), &["rcs", &at("libarchived.a"), &at("a.o")]);
                let (machine, list) = match arch {
                    "i686" => ("i386", "imported-x86.def"),
                    "aarch64" => ("arm64", "imported.def"),
                    _ => ("i386:x86-64", "imported.def"),
                };
                let dlltool = format!("{arch}-w64-mingw32-dlltool");
                run(&dlltool, &["--kill-at", "-m", machine, "-d", list, "-l", &at("libimported.0.52.0.a")]);
                // By the names and with the words of winresource, embed-resource and tauri-winres.
                run(&format!("{arch}-w64-mingw32-windres"), &["-I.", "mark.rc", &at("mark.o")]);
                let parted = at("parted.lib");
                run(&tool("RC"), &["--input", "mark.rc", "--output", &parted, "--include-dir", ".", "--output-format=coff"]);
                run("windres", &["mark.rc", &at("by-cargo.o")]);
                println!("cargo::rustc-link-search={out}\ncargo::rustc-link-lib=archived\ncargo::rustc-link-arg={out}/mark.o");
            }
        "#,
        )
        .write(
            "src/lib.rs",
            r#"
            pub fn next(n: u32) -> u32 { n + 1 }
            #[cfg(test)]
            mod tests {
                unsafe extern "C" { safe fn archived() -> i32; }
                #[link(name = "imported.0.52.0")]
                unsafe extern "system" { safe fn GetTickCount64() -> u64; }
                // Of no crate, and so that the linker has to have the library.
                #[link(name = "Ws2_32")]
                unsafe extern "system" { safe fn WSAGetLastError() -> i32; }
                #[test]
                fn links() {
                    assert_eq!(archived(), 5);
                    assert!(GetTickCount64() > 0);
                    assert_eq!(WSAGetLastError(), 0);
                }
                #[test]
                fn has_its_resource() {
                    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
                    let mark: Vec<u8> = "ResourceMark".encode_utf16().flat_map(u16::to_le_bytes).collect();
                    assert!(own.windows(mark.len()).any(|part| part == mark));
                }
                #[test]
                fn unwinds() {
                    let thread = std::thread::spawn(|| std::panic::catch_unwind(|| panic!("caught")).is_err());
                    assert!(thread.join().unwrap());
                }
            }
        "#,
        );
    let output = fixture.program(&["test", "windows-x64", "windows-x86", "windows-arm64", "--json"]).succeeds();
    for (target, status) in [("windows-x64", "passed"), ("windows-x86", "passed"), ("windows-arm64", "linked")] {
        assert_eq!(output.row(target)["status"], status, "{output}");
    }
}

#[test]
fn options_for_windows_are_taken_or_explained() {
    let fixture = Fixture::new("small");
    let script = r#"
        [ "$("$CC" -dumpmachine)" = x86_64-w64-mingw32 ]
        [ "$("$WINDRES" --version | head -c 11)" = "GNU windres" ]
        echo 'int answer(void) { return 42; } int main(void) { return 0; }' >call.c
        # Known to LLD; of meaning to ELF alone, with and without a value; translated; and names in capitals.
        for option in -mwindows -mconsole -static -static-libgcc -flto -fstack-protector-strong -march=x86-64-v3 -lwinpthread -lstdc++ \
            -Wl,--subsystem,windows -Wl,--stack,8388608 -Wl,--heap,1048576 -Wl,--large-address-aware -Wl,--no-insert-timestamp \
            -Wl,--enable-stdcall-fixup -Wl,--delayload=user32.dll -Wl,--tsaware -Wl,--gc-sections -Wl,-z,now -Wl,-soname,x \
            -Wl,--version-script=map.v -Wl,--exclude-libs,ALL -Wl,--no-bind -Wl,--no-as-needed -Wl,--hash-style=gnu -lAdvapi32 \
            -lsynchronization -lruntimeobject -lwindowsapp; do
            "$CC" call.c "$option" -o call.exe || echo "refused $option"
        done
        echo 'int wmain(void) { return 0; }' | "$CC" -municode -x c - -o wide.exe
        "$CC" call.c -o call.exe -Wl,-r || echo code $?
        "$CC" call.c -o call.exe -lno_such_library || echo code $?
        # A library of Rust's, and a C program that has to find its unwinder.
        echo '#[unsafe(no_mangle)] extern "C" fn rust() -> i32 { std::panic::catch_unwind(|| panic!("caught")).is_err().into() }' >lib.rs
        rustc --edition 2024 --crate-type staticlib --target "$CARGO_BUILD_TARGET" lib.rs
        echo 'int rust(void); int main(void) { return rust() != 1; }' >main.c
        "$CC" main.c -L. -llib -lws2_32 -luserenv -lntdll -ldbghelp -o main.exe
        "$CROSSCOMPILING_EMULATOR" ./main.exe
    "#;
    let output = in_shell(&fixture, "windows-x64", script);
    assert!(!output.out.contains("refused"), "{output}");
    assert_eq!(output.out.matches("code 1").count(), 2, "{output}");
    output.says(&[
        "cross-flake: the linker option -r cannot be had for windows-x64: LLD joins no objects",
        "cross-flake: no library `no_such_library` for windows-x64",
    ]);
}

#[test]
fn frameworks_of_macos_link_without_an_sdk_or_say_what_to_set() {
    let fixture = Fixture::new("small");
    let script = r#"
        [ "$(xcrun --sdk macosx --show-sdk-path)" = "$("$CC" -print-sysroot)" ]
        cat >call.m <<'END'
        #import <objc/NSObject.h>
        long CFStringGetLength(const void *);
        int IOServiceClose(unsigned);
        @interface Holder : NSObject
        @property(strong) id held;
        @end
        @implementation Holder
        @end
        int main(void) {
            Holder *holder = [Holder new];
            holder.held = @"held";
            return IOServiceClose(0) == CFStringGetLength((__bridge void *)holder.held);
        }
END
        "$CC" -fobjc-arc call.m -framework Foundation -framework IOKit -liconv -lresolv -lobjc -o call
        "$CC" -mmacosx-version-min=12.0 -fobjc-arc call.m -framework Cocoa -framework IOKit -o later
        echo 'int main(void) { return 0; }' >empty.c
        for option in -Wl,-dead_strip -Wl,-headerpad_max_install_names -Wl,-ld_classic -Wl,-no_fixup_chains -Wl,-export_dynamic -flto \
            -Wl,-weak_framework,Metal -lc++ -lSystem "-arch arm64" "-isysroot /" -Wl,--gc-sections -Wl,--as-needed; do
            # shellcheck disable=SC2086
            "$CC" empty.c $option -o empty || echo "refused $option"
        done
        "$CC" empty.c -framework NoSuch -o empty || echo code $?
        echo 'int CFNoSuchFunction(void); int main(void) { return CFNoSuchFunction(); }' >missing.c
        "$CC" missing.c -framework CoreFoundation -o missing || echo code $?
    "#;
    let output = in_shell(&fixture, "macos-arm64", script);
    assert!(!output.out.contains("refused"), "{output}");
    assert_eq!(output.out.matches("code 1").count(), 2, "{output}");
    let call = fixture.program(&["inspect", "call"]).succeeds();
    for part in ["Foundation.framework/Versions/C/Foundation", "IOKit.framework/Versions/A/IOKit", "minimum OS  11.0"] {
        assert!(call.out.contains(part), "{call}");
    }
    let later = fixture.program(&["inspect", "later"]).succeeds();
    assert!(later.out.contains("minimum OS  12.0"), "{later}");
    output.says(&[
        "no framework NoSuch for macos-arm64",
        "the stubs of frameworks for macos-arm64 have the names that Rust crates declare",
        "set SDKROOT to the folder of an SDK of macOS",
    ]);
}

#[test]
fn a_cdylib_for_macos_exports_what_rust_says_and_nothing_else() {
    let fixture = Fixture::new("small");
    let script = r#"
        echo '#[unsafe(no_mangle)] pub extern "C" fn exported() -> i32 { 1 }' >lib.rs
        rustc --edition 2024 --crate-type cdylib -O --target "$CARGO_BUILD_TARGET" -C linker="$CC" lib.rs
        "$OBJCOPY" --strip-all liblib.dylib
        # `LC_CODE_SIGNATURE`, 29, in the order of bytes that arm64 has.
        od -An -v -tx4 -w4 liblib.dylib | head -n 400 | grep -q 0000001d
        grep -aq _exported liblib.dylib
        ! grep -aq rust_eh_personality liblib.dylib
    "#;
    in_shell(&fixture, "macos-arm64", script);
}

#[test]
fn wasi_has_a_cxx_library_for_c_and_for_rust() {
    let fixture = Fixture::new("small");
    let text = "#include <string>\nextern \"C\" int length(void) { return (int)std::to_string(12345).size(); }\n";
    fixture.write("length.cc", text).write(
        "build.rs",
        r#"
            use std::{env, process::Command};
            fn main() {
                let (out, triple) = (env::var("OUT_DIR").unwrap(), env::var("TARGET").unwrap().replace('-', "_"));
                let tool = |name: &str| Command::new(env::var(format!("{name}_{triple}")).unwrap());
                assert!(tool("CXX").args(["-c", "length.cc", "-o"]).arg(format!("{out}/l.o")).status().unwrap().success());
                assert!(tool("AR").arg("rcs").args([format!("{out}/liblength.a"), format!("{out}/l.o")]).status().unwrap().success());
                println!("cargo::rustc-link-search={out}\ncargo::rustc-link-lib=static=length\ncargo::rustc-link-lib=c++");
            }
        "#,
    );
    let test = "unsafe extern \"C\" { safe fn length() -> i32; }\n#[test] fn links() { assert_eq!(length(), 5) }\n";
    fixture.write("src/lib.rs", &format!("pub fn next(n: u32) -> u32 {{ n + 1 }}\n{test}"));
    let output = fixture.program(&["test", "wasm32-wasi", "--json"]).succeeds();
    assert_eq!(output.row("wasm32-wasi")["status"], "passed", "{output}");
    let script = r#"
        echo 'int main(void);' | cat - length.cc >all.cc
        echo 'int main(void) { return length() != 5; }' >>all.cc
        "$CXX" -fuse-ld=lld all.cc -o all.wasm
        "$CROSSCOMPILING_EMULATOR" all.wasm
    "#;
    in_shell(&fixture, "wasm32-wasi", script);
}
