//! Compiles `c/variance.c` and gives the linker the board's memory.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=c/variance.c");
    println!("cargo::rerun-if-changed=memory.x");
    // The processor comes with the row's compiler. cortex-m-rt rejects the .got section of position-independent code.
    cc::Build::new().file("c/variance.c").flag("-ffreestanding").pic(false).compile("variance");

    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::copy("memory.x", Path::new(&out).join("memory.x")).expect("cannot copy memory.x");
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-tests=-Tlink.x");
}
