//! Compiles the checksum in C, and in assembly where there is one.

fn main() {
    println!("cargo::rerun-if-changed=native");
    let mut build = cc::Build::new();
    build.file("native/checksum.c");
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    if ["x86_64", "aarch64", "riscv64"].contains(&arch.as_str()) {
        build.file("native/rotate.S").define("HAVE_ROTATE", None);
    }
    build.compile("ledger_native");
}
