//! Compiles `c/filter.c`; on bare metal also says what starts the program, and gives the linker the board's memory.

use std::path::Path;
use std::{env, fs};

/// A way to start: by how triples begin, the module in src/start, the file in memory/, and what the linker is told.
struct Board {
    triples: &'static [&'static str],
    start: &'static str,
    memory: Option<&'static str>,
    linking: &'static [&'static str],
}

const CORTEX_M: &str = "cortex-m";
const AARCH32: &str = "aarch32";
/// As processes of Linux, for want of a board: with semihosting, or with Linux's own calls where qemu-user answers no other.
const PROCESS: &str = "process";
const LINUX: &str = "linux";
/// link.x includes memory.x by itself, which that of riscv-rt does not.
const ALONE: &[&str] = &["-Tlink.x"];

/// The first that fits. Which board QEMU plays for a target, its row in the table says, or your own targets.toml.
#[rustfmt::skip]
const BOARDS: &[Board] = &[
    Board { triples: &["thumbv6m-"], start: CORTEX_M, memory: Some("microbit"), linking: ALONE },
    Board { triples: &["thumbv7m-"], start: CORTEX_M, memory: Some("mps2-an385"), linking: ALONE },
    Board { triples: &["thumbv7em-"], start: CORTEX_M, memory: Some("mps2-an386"), linking: ALONE },
    Board { triples: &["thumbv8m."], start: CORTEX_M, memory: Some("mps2-an505"), linking: ALONE },
    Board { triples: &["armeb"], start: PROCESS, memory: None, linking: &["--be8"] },
    Board { triples: &["aarch64_be", "aarch64v8r"], start: PROCESS, memory: None, linking: &[] },
    Board { triples: &["loongarch64", "s390x", "x86_64"], start: LINUX, memory: None, linking: &[] },
    Board { triples: &["armv7a-", "thumbv7a-"], start: AARCH32, memory: Some("xilinx-zynq-a9"), linking: ALONE },
    Board { triples: &["armv8r-", "thumbv8r-"], start: AARCH32, memory: Some("mps3-an536"), linking: ALONE },
    Board { triples: &["arm", "thumb"], start: AARCH32, memory: Some("versatilepb"), linking: ALONE },
    Board { triples: &["aarch64"], start: "aarch64", memory: Some("aarch64-virt"), linking: &["-Timage.ld", "-Tmemory.x"] },
    Board { triples: &["riscv"], start: "riscv", memory: Some("riscv-virt"), linking: &["-Tmemory.x", "-Tlink.x"] },
];

fn main() {
    println!("cargo::rerun-if-changed=c/filter.c");
    println!("cargo::rerun-if-changed=memory");
    let triple = env::var("TARGET").expect("cargo sets TARGET");
    let is_bare = triple.contains("-none");
    let is_arm = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "arm");
    let fits = |board: &&Board| board.triples.iter().any(|start| triple.starts_with(start));
    let board = BOARDS.iter().find(fits).filter(|_| is_bare);

    println!("cargo::rustc-check-cfg=cfg(start, values(any()))");
    println!("cargo::rustc-cfg=start=\"{}\"", board.map_or("host", |board| board.start));

    let mut c = cc::Build::new();
    c.file("c/filter.c").std("c11").extra_warnings(true);
    if is_bare {
        // The runtimes reject the .got section that position-independent code brings.
        c.flag("-ffreestanding").pic(false);
        if is_arm {
            // AAPCS leaves the size of an enum to the platform: gcc and rustc take the smallest
            // that fits on arm-none-eabi, clang takes an int.
            c.flag("-fshort-enums");
        }
    }
    c.compile("firmware_filter");

    if let Some(Board { memory, linking, .. }) = board {
        if let Some(memory) = memory {
            let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
            fs::copy(format!("memory/{memory}.x"), Path::new(&out).join("memory.x")).expect("cannot copy memory.x");
            println!("cargo::rustc-link-search={out}");
        }
        for argument in *linking {
            println!("cargo::rustc-link-arg-bins={argument}");
            println!("cargo::rustc-link-arg-tests={argument}");
        }
    }
}
