//! The C compilers and linkers of rows that are not ELF: Windows, macOS, WASI.

use crate::support::{COMPILER, Cache, Fixture, Output, ZLIB};

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

/// What Visual Studio's runtime does for Rust: panics, libraries with variables of threads, resources, programs
/// without a console, libraries of imports that rustc makes itself or that are asked for in capitals, C and C++ of the crate cc.
#[test]
fn a_program_for_microsofts_abi_needs_nothing_of_microsofts() {
    let fixture = Fixture::new("small");
    fixture
        .write("part.c", "int part(void) { return 5; }\nvoid call(void (*function)(void)) { function(); part(); }\n")
        .write("imported.def", "LIBRARY kernel32.dll\nEXPORTS\nGetCurrentThreadId\n")
        .write("part.cpp", "struct A { int n; A() : n(6) {} }; static A a; extern \"C\" int plus(void) { static A b; return a.n + b.n; }\n")
        .write("mark.rc", "#include <windows.h>\nMARK RCDATA { L\"ResourceMark\" }\n")
        .write(
            "build.rs",
            r#"
            use std::{env, process::Command};
            fn main() {
                let (out, triple) = (env::var("OUT_DIR").unwrap(), env::var("TARGET").unwrap().replace('-', "_"));
                let run = |program: &str, args: &[&str]| assert!(Command::new(program).args(args).status().unwrap().success());
                let tool = |name: &str| env::var(format!("{name}_{triple}")).unwrap();
                let at = |name: &str| format!("{out}/{name}");
                run(&tool("CC"), &["-nologo", "-MD", "-O2", "-W4", "-c", "part.c", &format!("-Fo{}", at("c.o"))]);
                run(&tool("CXX"), &["/nologo", "/EHsc", "/c", "part.cpp", &format!("/Fo{}", at("cxx.o"))]);
                run(&tool("AR"), &[&format!("-out:{}", at("part.lib")), "-nologo", &at("c.o"), &at("cxx.o")]);
                run("llvm-rc", &["/fo", &at("mark.res"), "mark.rc"]);
                run(&tool("AR"), &["/machine:x64", "/def:imported.def", &format!("/out:{}", at("imported.0.53.0.lib"))]);
                println!("cargo::rustc-link-search={out}\ncargo::rustc-link-lib=part\ncargo::rustc-link-arg={out}/mark.res");
                println!("cargo::rustc-link-arg=/delayload:shlwapi.dll\ncargo::rustc-link-arg=delayimp.lib");
            }
        "#,
        )
        .write(
            "src/lib.rs",
            r#"
            pub fn next(n: u32) -> u32 { n + 1 }
            #[cfg(test)]
            mod tests {
                unsafe extern "C" { safe fn part() -> i32; safe fn plus() -> i32; }
                unsafe extern "C-unwind" { safe fn call(function: extern "C-unwind" fn()); }
                #[link(name = "Ws2_32")]
                unsafe extern "system" { safe fn WSAGetLastError() -> i32; }
                #[link(name = "kernel32", kind = "raw-dylib")]
                unsafe extern "system" { safe fn GetTickCount64() -> u64; }
                // htons, by its number.
                #[link(name = "ws2_32", kind = "raw-dylib")]
                unsafe extern "system" { #[link_ordinal(9)] safe fn in_order_of_the_net(n: u16) -> u16; }
                // As windows-sys brings its own.
                #[link(name = "imported.0.53.0", kind = "dylib")]
                unsafe extern "system" { safe fn GetCurrentThreadId() -> u32; }
                // Loaded when it is called.
                #[link(name = "shlwapi")]
                unsafe extern "system" { safe fn PathIsRelativeA(path: *const u8) -> i32; }
                unsafe extern "system" { safe fn GetModuleHandleA(name: *const u8) -> *const u8; }
                #[test]
                fn links() {
                    assert_eq!((part(), plus()), (5, 12));
                    assert_eq!(in_order_of_the_net(0x1234), 0x3412);
                    assert!(GetCurrentThreadId() > 0);
                    let library = b"shlwapi.dll\0".as_ptr();
                    assert!(GetModuleHandleA(library).is_null());
                    assert_eq!(PathIsRelativeA(b"a\0".as_ptr()), 1);
                    assert!(!GetModuleHandleA(library).is_null());
                    // Any number is right.
                    WSAGetLastError();
                    assert!(GetTickCount64() > 0);
                }
                #[test]
                fn has_its_resource() {
                    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
                    let mark: Vec<u8> = "ResourceMark".encode_utf16().flat_map(u16::to_le_bytes).collect();
                    assert!(own.windows(mark.len()).any(|part| part == mark));
                }
                extern "C-unwind" fn through() { panic!("caught") }
                #[test]
                fn unwinds() {
                    let thread = std::thread::spawn(|| std::panic::catch_unwind(|| call(through)).is_err());
                    assert!(thread.join().unwrap());
                }
                struct Dropped(std::sync::mpsc::Sender<i32>);
                impl Drop for Dropped { fn drop(&mut self) { self.0.send(1).unwrap() } }
                thread_local! { static OWN: std::cell::RefCell<Option<Dropped>> = const { std::cell::RefCell::new(None) } }
                #[test]
                fn variables_of_threads_are_dropped() {
                    let (sender, receiver) = std::sync::mpsc::channel();
                    std::thread::spawn(|| OWN.set(Some(Dropped(sender)))).join().unwrap();
                    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1]);
                }
            }
        "#,
        )
        .write(
            "script.sh",
            r#"
            cat >library.rs <<'END'
            thread_local! { static COUNT: std::cell::Cell<i32> = const { std::cell::Cell::new(40) } }
            #[unsafe(no_mangle)] pub extern "C" fn exported() -> i32 {
                std::thread::spawn(|| ()).join().unwrap();
                COUNT.set(COUNT.get() + 1);
                COUNT.get() + i32::from(std::panic::catch_unwind(|| panic!("caught")).is_err())
            }
END
            cat >program.rs <<'END'
            #![windows_subsystem = "windows"]
            unsafe extern "C" { safe fn exported() -> i32; }
            fn main() { std::process::exit(exported()) }
END
            echo 'int exported(void); int main(void) { return exported(); }' >main.c
            rustc="rustc --edition 2024 --target $CARGO_BUILD_TARGET -C linker=$CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER"
            $rustc --crate-type cdylib library.rs
            $rustc -L. -l library.dll program.rs
            $rustc -C target-feature=+crt-static -L. -l library.dll program.rs -o static.exe
            # A manifest of its own, which says nothing of who may start it: that is LLD's.
            cat >own.manifest <<'END'
            <assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0"><application><windowsSettings>
            <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
            </windowsSettings></application></assembly>
END
            echo 'fn main() { std::process::exit(42) }' >embeds.rs
            $rustc embeds.rs -C link-arg=/MANIFEST:EMBED -C "link-arg=/MANIFESTINPUT:$PWD/own.manifest"
            grep -a -q longPathAware embeds.exe && grep -a -q "level='asInvoker'" embeds.exe
            $rustc --crate-type staticlib library.rs -o library-static.lib
            # By the names of `--print native-static-libs`, once as Microsoft's compiler is called and once as gcc.
            clang_cl=$CC_x86_64_pc_windows_msvc
            printf '.globl nothing\nnothing: ret\n' >assembly.S
            "$clang_cl" -nologo -c -Foassembly.obj -- assembly.S
            [ -e assembly.obj ] && [ ! -e assembly.asm ]
            "$clang_cl" -nologo -MD main.c library-static.lib kernel32.lib ntdll.lib userenv.lib ws2_32.lib dbghelp.lib -Fewith-cl.exe
            "$CC" main.c library-static.lib -lkernel32 -lntdll -luserenv -lws2_32 -ldbghelp -o with-cc.exe
            for program in program static with-cl with-cc embeds; do
                code=0
                "$CROSSCOMPILING_EMULATOR" ./$program.exe 2>/dev/null || code=$?
                echo "$program $code"
            done
        "#,
        );
    let output = fixture.program(&["test", "windows-x64-msvc", "--json"]).succeeds();
    assert_eq!(output.row("windows-x64-msvc")["tests"]["passed"], 4, "{output}");
    let output = fixture.program(&["shell", "windows-x64-msvc", "--", "sh", "-eu", "script.sh"]).succeeds();
    assert!(output.out.contains("program 42\nstatic 42\nwith-cl 42\nwith-cc 42\nembeds 42\n"), "{output}");
    // Nothing that Windows does not bring, and what is not beside the program is named.
    fixture.program(&["inspect", "library.dll", "program.exe", "static.exe", "with-cl.exe", "with-cc.exe"]).succeeds();
    std::fs::remove_file(fixture.root().join("library.dll")).unwrap();
    fixture
        .program(&["inspect", "program.exe"])
        .ends_with(1)
        .says(&["program.exe needs library.dll, which neither Windows nor its directory has"]);
}

/// The directory that `xwin splat` makes, filled with what there is instead of Microsoft's: whatever a row's `sdk` names is all that
/// its compiler and linker see.
#[test]
fn an_sdk_replaces_headers_and_libraries() {
    let fixture = Fixture::new("small");
    fixture
        .write(
            "make.sh",
            r#"
            own=$("$CC" -print-sysroot)/usr
            mkdir -p sdk/crt/include sdk/crt/lib sdk/sdk/include sdk/sdk/lib/ucrt/x86_64 sdk/sdk/lib/um/x86_64
            echo '#define HAS_crt' >sdk/crt/include/only_crt.h
            ln -s "$own/lib" sdk/crt/lib/x86_64
            echo 'int from_ucrt(void) { return 1; }' >ucrt.c
            echo 'int from_um(void) { return 2; }' >um.c
            for part in ucrt um; do
                "$CC" -c $part.c -o $part.obj
                "$AR" rcs sdk/sdk/lib/$part/x86_64/only_$part.lib $part.obj
            done
            for part in ucrt um shared winrt; do
                mkdir sdk/sdk/include/$part
                echo '#define HAS_'$part >sdk/sdk/include/$part/only_$part.h
            done
            "#,
        )
        .write(
            "part.c",
            "#include <only_crt.h>\n#include <only_ucrt.h>\n#include <only_um.h>\n#include <only_shared.h>\n#include <only_winrt.h>\n\
             #if !defined HAS_crt || !defined HAS_ucrt || !defined HAS_um || !defined HAS_shared || !defined HAS_winrt\n#error headers\n#endif\n\
             #if __has_include(<windows.h>)\n#error what the directory lacks is not taken from elsewhere\n#endif\n\
             int from_ucrt(void), from_um(void);\nint part(void) { return from_ucrt() + from_um(); }\n",
        )
        .write(
            "build.rs",
            r#"
            use std::{env, process::Command};
            fn main() {
                let (out, triple) = (env::var("OUT_DIR").unwrap(), env::var("TARGET").unwrap().replace('-', "_"));
                let cl = env::var(format!("CC_{triple}")).unwrap();
                let object = format!("{out}/part.obj");
                assert!(Command::new(cl).args(["-nologo", "-c", "part.c", &format!("-Fo{object}")]).status().unwrap().success());
                println!("cargo::rustc-link-arg={object}\ncargo::rustc-link-lib=only_ucrt\ncargo::rustc-link-lib=only_UM");
            }
        "#,
        )
        .write(
            "src/lib.rs",
            r#"
            pub fn next(n: u32) -> u32 { n + 1 }
            #[cfg(test)]
            unsafe extern "C" { safe fn part() -> i32; }
            #[test]
            fn links() { assert_eq!(part(), 3) }
        "#,
        );
    fixture.program(&["shell", "windows-x64-msvc", "--", "sh", "-eu", "make.sh"]).succeeds();
    // The scripts of a row are named by it, and this row becomes another one.
    let cache = Cache::empty().with(&[&COMPILER[..], &ZLIB, &["std", "packages", "wine"]].concat());
    let with = |sdk: &str, command: &[&str]| {
        fixture.write("targets.toml", &format!("[target.windows-x64-msvc]\nsdk = '{sdk}'\n"));
        fixture.program(command).env("CROSS_FLAKE_CACHE", cache.root())
    };
    let test = ["test", "windows-x64-msvc", "--json"];
    with("src", &test).ends_with(1).says(&["field `sdk`: there is no ", "which `xwin splat` makes"]);
    let output = with("sdk", &test).succeeds();
    let row = output.row("windows-x64-msvc");
    assert_eq!(row["tests"]["passed"], 1, "{output}");
    assert!(row["runner"].as_str().unwrap().ends_with(", Microsoft's SDK"), "{output}");
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
