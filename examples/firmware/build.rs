//! Compiles `c/filter.c`; on bare metal also gives the linker the board's memory.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=c/filter.c");
    println!("cargo::rerun-if-changed=memory");
    let of = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let bare = of("OS") == "none";
    let arm = of("ARCH") == "arm";

    let mut c = cc::Build::new();
    c.file("c/filter.c").std("c11").extra_warnings(true);
    if bare {
        // riscv-rt and cortex-m-rt reject the .got section that position-independent code brings.
        c.flag("-ffreestanding").pic(false);
        if arm {
            // AAPCS leaves the size of an enum to the platform: gcc and rustc take the smallest
            // that fits on arm-none-eabi, clang takes an int.
            c.flag("-fshort-enums");
        }
    }
    c.compile("firmware_filter");

    if bare {
        let memory = if arm { "memory/mps2-an386.x" } else { "memory/riscv-virt.x" };
        let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
        fs::copy(memory, Path::new(&out).join("memory.x")).expect("cannot copy memory.x");
        println!("cargo::rustc-link-search={out}");
        // cortex-m-rt's link.x includes memory.x by itself; riscv-rt's does not.
        let scripts: &[&str] = if arm { &["-Tlink.x"] } else { &["-Tmemory.x", "-Tlink.x"] };
        for script in scripts {
            println!("cargo::rustc-link-arg-bins={script}");
            println!("cargo::rustc-link-arg-tests={script}");
        }
    }
}
