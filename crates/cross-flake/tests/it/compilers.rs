//! The C compiler and the linker of a row: what people and build systems ask of gcc, clang, GNU ld and LLD.

use std::path::Path;

use crate::support::{BOTH, Cache, Fixture, Output};

/// Runs a script of a POSIX shell inside a target.
fn in_shell(fixture: &Fixture, target: &str, script: &str) -> Output {
    fixture.write("script.sh", script);
    fixture.program(&["shell", target, "--", "sh", "-eu", "script.sh"]).succeeds()
}

#[test]
fn a_compiler_answers_for_its_target_and_names_no_folder_of_this_machine() {
    let fixture = Fixture::new("small");
    let script = r#"
        for question in --version -v -dumpversion -dumpmachine -print-search-dirs -print-sysroot -print-prog-name=ld \
            -print-libgcc-file-name -print-file-name=crt1.o -print-file-name=libm.so -print-file-name=libz.a; do
            echo "$question: $("$CC" "$question" 2>&1)"
        done
        echo | "$CC" -E -dM -
        echo | "$CXX" -E -v -x c++ - 2>&1
        "$CC" -Wl,--version
    "#;
    for (target, arch) in BOTH.into_iter().zip(["x86_64", "aarch64"]) {
        let output = in_shell(&fixture, target, script);
        let answer = |question: &str| {
            let line = output.out.lines().find_map(|line| line.strip_prefix(question)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("{question}\n{output}")).to_owned()
        };
        assert_eq!(answer("-dumpmachine"), format!("{arch}-linux-gnu"));
        assert!(answer("--version").starts_with("clang version "));
        assert!(answer("-print-prog-name=ld").ends_with(&format!("/{target}-ld")));
        let sysroot = answer("-print-sysroot");
        assert!(Path::new(&sysroot).join("usr/include/stdio.h").exists(), "{sysroot}");
        for file in ["crt1.o", "libm.so"] {
            assert_eq!(answer(&format!("-print-file-name={file}")), format!("{sysroot}/usr/lib/{file}"));
        }
        assert!(Path::new(&answer("-print-libgcc-file-name")).exists(), "{output}");
        let text = output.out.as_str();
        assert!(text.contains(&format!("#define __{arch}__ 1")), "{output}");
        assert!(text.contains("LLD ") && text.contains("compatible with GNU linkers"), "{output}");
        assert!(!text.contains("warning:"), "{output}");
        for of_the_host in ["/usr/include/x86_64-linux-gnu", "/usr/lib/gcc", " /usr/", "=/usr", ":/usr", " /lib"] {
            assert!(!text.contains(of_the_host), "{of_the_host}: {output}");
        }
    }
}

#[test]
fn options_that_users_of_other_linkers_pass_are_taken_or_explained() {
    let fixture = Fixture::new("small");
    let script = r#"
        echo 'int answer(void) { return 42; } int main(void) { return 0; }' >call.c
        # Known to LLD; to LLD under another name, with and without a value; and of no meaning to it.
        for option in -Wl,-Map=map -Wl,--fix-cortex-a53-843419 -Wl,--version-script,map.v -Wl,-z,now -Wl,--wrap=malloc -rdynamic \
            -Wl,--icf=all -Wl,--no-eh-frame-hdr -Wl,-I/lib/ld.so -Wl,--require-defined=answer -Wl,--require-defined,answer \
            -Wl,--fix-cortex-a53-835769 -Wl,--no-warn-rwx-segments -Wl,-a,shared -Wl,--incremental-full; do
            echo '{ global: answer; local: *; };' >map.v
            "$CC" call.c "$option" -o call || echo "refused $option"
        done
        "$CC" call.c -o call -Wl,--default-symver || echo code $?
        "$CC" call.c -o call -Wl,--no-warn-rwx-segments -Wl,--such-an-option=1 || echo code $?
    "#;
    let output = in_shell(&fixture, "aarch64-linux", script);
    assert!(!output.out.contains("refused"), "{output}");
    assert_eq!(output.out.matches("code 1").count(), 2, "{output}");
    output.says(&[
        "cross-flake: the linker option --default-symver cannot be had for aarch64-linux: LLD gives versions",
        "cross-flake: the linker option --such-an-option=1 is unknown to LLD, which links for aarch64-linux",
    ]);
}

#[test]
fn a_processor_that_a_build_script_names_is_used_unless_it_is_that_of_this_machine() {
    let fixture = Fixture::new("small");
    let script = r#"
        cat >crc.c <<END
        #include <arm_acle.h>
        unsigned crc(unsigned a) { return __crc32w(a, 7); }
END
        "$CC" -march=armv8-a+crc+crypto -mtune=cortex-a72 -Wp,-DX=1 -flto=auto -ffat-lto-objects -fstack-clash-protection -gz -c crc.c -o crc.o
        # Of no use to who compiles only, and of no harm.
        "$CC" -Werror -march=armv8-a+crc -Wl,-z,now -L. -lm -c crc.c -o crc.o
        ! "$CC" -c crc.c -o plain.o 2>log
        for flag in -march=native -mcpu=native -mtune=native; do echo | "$CC" "$flag" -E -dM - | sort >"said$flag"; done
        echo | "$CC" -E -dM - | sort >said
        for flag in -march=native -mcpu=native -mtune=native; do cmp said "said$flag"; done
    "#;
    in_shell(&fixture, "aarch64-linux", script);
    let script = r#"
        echo | "$CC" -march=native -E -dM - | sort >said.native
        echo | "$CC" -E -dM - | sort >said
        cmp said said.native
        echo | "$CC" -march=x86-64-v3 -E -dM - | grep -q __AVX2__
    "#;
    in_shell(&fixture, "x86_64-linux", script);
}

/// GNU ld's rule for a library of no kind: the shared one, else the archive.
#[test]
fn an_archive_is_found_where_there_is_no_shared_library() {
    let fixture = Fixture::new("small");
    fixture.write("archived.c", "int archived(void) { return 5; }\n").write(
        "build.rs",
        r#"
            use std::{env, process::Command};
            fn main() {
                let (out, triple) = (env::var("OUT_DIR").unwrap(), env::var("TARGET").unwrap().replace('-', "_"));
                let tool = |name: &str| Command::new(env::var(format!("{name}_{triple}")).unwrap());
                assert!(tool("CC").args(["-c", "archived.c", "-o"]).arg(format!("{out}/a.o")).status().unwrap().success());
                assert!(tool("AR").arg("rcs").args([format!("{out}/libarchived.a"), format!("{out}/a.o")]).status().unwrap().success());
                println!("cargo::rustc-link-search={out}\ncargo::rustc-link-lib=archived");
            }
        "#,
    );
    let test =
        "unsafe extern \"C\" { fn archived() -> i32; }\n#[test] fn links() { assert_eq!(unsafe { archived() }, 5) }\n";
    fixture.write("src/lib.rs", &format!("pub fn next(n: u32) -> u32 {{ n + 1 }}\n{test}"));
    let output = fixture.for_both("test", &["--json"]).succeeds();
    for target in BOTH {
        assert_eq!(output.row(target)["status"], "passed", "{output}");
    }
}

#[test]
fn a_function_of_a_later_glibc_is_named_with_its_version_and_what_to_write() {
    // The scripts of a row are named by it, and this row becomes another one.
    let cache = Cache::ready();
    let fixture = Fixture::new("small").with_cache(cache.root());
    let call = "unsafe extern \"C\" { safe fn gettid() -> i32; }\n#[test] fn runs() { assert!(gettid() > 0) }\n";
    fixture.write("src/lib.rs", &format!("pub fn next(n: u32) -> u32 {{ n + 1 }}\n{call}"));
    let output = fixture.program(&["test", "aarch64-linux", "--json"]).ends_with(1);
    let reason = output.row("aarch64-linux")["reason"].as_str().unwrap().to_owned();
    let expected = "undefined symbol gettid: needs glibc 2.30, this row promises 2.28; write glibc = \"2.30\"";
    assert!(reason.starts_with(expected), "{reason}");
    fixture.write("targets.toml", "[target.aarch64-linux]\nglibc = \"2.30\"\n");
    fixture.program(&["test", "aarch64-linux"]).succeeds();
}

#[test]
fn a_static_program_is_not_given_for_a_dynamic_one_nor_the_other_way_round() {
    let fixture = Fixture::new("small");
    let test = fixture.program(&["test", "aarch64-linux", "--json"]).env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let output = test.ends_with(1);
    let reason = output.row("aarch64-linux")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("a static program with glibc cannot be had"), "{reason}");
    assert!(reason.contains("musl"), "{reason}");
}

/// bindgen hands the variable to a libclang that may be any; zig's own clang, told nothing else, stands for it.
#[test]
fn bindgen_is_told_where_the_headers_of_a_target_are() {
    let fixture = Fixture::new("small");
    let script = r#"
        variable=BINDGEN_EXTRA_CLANG_ARGS_$(echo "$CARGO_BUILD_TARGET" | tr - _)
        zig=$(sed -n "s/^ZIG=//p" "$CC")
        cat >header.h <<END
        #include <limits.h>
        #include <stdio.h>
        #include <zlib.h>
        #ifndef __GLIBC_MINOR__
        #error not glibc
        #endif
        _Static_assert(__GLIBC_MINOR__ == 28, "the row's version");
END
        eval "eval set -- \"\$$variable\""
        eval "$zig clang --no-default-config -x c -fsyntax-only header.h \"\$@\""
        echo '#include <vector>' >header.hpp
        eval "$zig clang --no-default-config -x c++ -fsyntax-only header.hpp \"\$@\""
    "#;
    for target in BOTH {
        in_shell(&fixture, target, script);
    }
}
