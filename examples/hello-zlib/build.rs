//! Compiles `c/platform.c` and tells the tests what the target can do.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=c/platform.c");
    // No `pic`, no `static`: whatever the cross compiler does by default has to work.
    cc::Build::new().file("c/platform.c").std("c11").extra_warnings(true).compile("hello_platform");

    let of = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let families = of("FAMILY");
    let family = |name| families.split(',').any(|family| family == name);
    let feature = |name| of("FEATURE").split(',').any(|feature| feature == name);
    let wasm = family("wasm");
    let hosted = family("unix") || family("windows");

    // std::env::consts::OS is empty on WASI.
    println!("cargo::rustc-env=HELLO_ZLIB_OS={}", of("OS"));

    // One name per capability: a test says what it needs, not where it runs.
    capability("has_os", of("OS") != "unknown");
    capability("has_threads", hosted && !wasm || wasm && feature("atomics"));
    capability("has_processes", hosted && !wasm);
    capability("has_sockets", hosted && !wasm);
    capability("has_plain_floats", of("ARCH") != "x86" || feature("sse2"));
    capability("has_temp_dir", hosted && !wasm);
}

fn capability(name: &str, present: bool) {
    println!("cargo::rustc-check-cfg=cfg({name})");
    if present {
        println!("cargo::rustc-cfg={name}");
    }
}
