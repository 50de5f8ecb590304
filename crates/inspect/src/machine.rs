//! Processors: how files, triples and people call them.

use std::fmt;

use object::Architecture;
use serde::Serialize;

/// The order of a number's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endian {
    /// Lowest byte first.
    Little,
    /// Highest byte first.
    Big,
}

impl fmt::Display for Endian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Endian::Little => "little-endian",
            Endian::Big => "big-endian",
        })
    }
}

/// A processor architecture, under the name that people use; the name tells the endianness too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Machine(pub(super) &'static str);

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Name, architecture, width of a pointer, endianness, and how the names of it in triples and `uname` begin.
pub(super) type MachineRow = (&'static str, Architecture, u8, Endian, &'static [&'static str]);

#[rustfmt::skip]
pub(super) const MACHINES: &[MachineRow] = {
    use Architecture as A;
    use Endian::{Big, Little};
    &[
        ("x86_64",      A::X86_64,        64, Little, &["x86_64", "amd64"]),
        ("x86_64",      A::X86_64_X32,    32, Little, &[]),
        ("i686",        A::I386,          32, Little, &["i386", "i486", "i586", "i686", "x86"]),
        ("aarch64",     A::Aarch64,       64, Little, &["aarch64", "arm64"]),
        ("aarch64",     A::Aarch64_Ilp32, 32, Little, &["arm64_32"]),
        ("aarch64_be",  A::Aarch64,       64, Big,    &["aarch64_be"]),
        ("aarch64_be",  A::Aarch64_Ilp32, 32, Big,    &[]),
        ("arm",         A::Arm,           32, Little, &["arm", "thumb"]),
        ("armeb",       A::Arm,           32, Big,    &["armeb", "thumbeb"]),
        ("riscv32",     A::Riscv32,       32, Little, &["riscv32"]),
        ("riscv64",     A::Riscv64,       64, Little, &["riscv64"]),
        ("powerpc",     A::PowerPc,       32, Big,    &["powerpc", "ppc"]),
        ("powerpc64",   A::PowerPc64,     64, Big,    &["powerpc64", "ppc64"]),
        ("powerpc64le", A::PowerPc64,     64, Little, &["powerpc64le", "ppc64le"]),
        ("s390x",       A::S390x,         64, Big,    &["s390x"]),
        ("loongarch32", A::LoongArch32,   32, Little, &["loongarch32"]),
        ("loongarch64", A::LoongArch64,   64, Little, &["loongarch64"]),
        ("mips",        A::Mips,          32, Big,    &["mips", "mipsisa32r6"]),
        ("mipsel",      A::Mips,          32, Little, &["mipsel", "mipsisa32r6el"]),
        ("mips64",      A::Mips64,        64, Big,    &["mips64", "mipsisa64r6"]),
        ("mips64el",    A::Mips64,        64, Little, &["mips64el", "mipsisa64r6el"]),
        ("mips64",      A::Mips64_N32,    32, Big,    &[]),
        ("mips64el",    A::Mips64_N32,    32, Little, &[]),
        ("sparc",       A::Sparc,         32, Big,    &["sparc"]),
        ("sparc",       A::Sparc32Plus,   32, Big,    &[]),
        ("sparc64",     A::Sparc64,       64, Big,    &["sparc64", "sparcv9"]),
        ("m68k",        A::M68k,          32, Big,    &["m68k"]),
        ("csky",        A::Csky,          32, Little, &["csky"]),
        ("hexagon",     A::Hexagon,       32, Little, &["hexagon"]),
        ("xtensa",      A::Xtensa,        32, Little, &["xtensa"]),
        ("avr",         A::Avr,           16, Little, &["avr"]),
        ("msp430",      A::Msp430,        16, Little, &["msp430"]),
        ("wasm32",      A::Wasm32,        32, Little, &["wasm32"]),
        ("wasm64",      A::Wasm64,        64, Little, &["wasm64"]),
    ]
};

/// The row whose beginning of a name fits best: `armebv7r` begins with `arm` too, but `armeb` says more.
pub(super) fn machine_of_arch(arch: &str) -> Option<&'static MachineRow> {
    let fits = |row: &MachineRow| row.4.iter().filter(|p| arch.starts_with(**p)).map(|p| p.len()).max();
    MACHINES.iter().max_by_key(|row| fits(row)).filter(|row| fits(row).is_some())
}
