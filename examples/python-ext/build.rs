//! Compiles `c/delta.c` for the target.

fn main() {
    println!("cargo::rerun-if-changed=c/delta.c");
    cc::Build::new().file("c/delta.c").std("c11").extra_warnings(true).compile("samplepack_delta");
}
