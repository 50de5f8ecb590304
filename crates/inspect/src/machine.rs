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

/// One row of [`MACHINES`].
pub struct MachineRow {
    /// The name that people use.
    pub name: &'static str,
    pub(super) architecture: Architecture,
    /// The width of a pointer in bits.
    pub pointer_width: u8,
    /// The order of bytes.
    pub endian: Endian,
    /// The beginnings of its names in triples and `uname -m`.
    prefixes: &'static [&'static str],
    /// The ELF machine, `e_machine` of glibc's elf.h; 0 where there is none, or where another row has the same header.
    pub elf: u16,
    /// The name in `qemu-<name>`, which runs Linux programs of it; empty where qemu has none.
    pub qemu: &'static str,
}

impl MachineRow {
    /// Returns the row of qemu's name for a processor.
    pub fn of_qemu(name: &str) -> Option<&'static MachineRow> {
        MACHINES.iter().find(|row| row.qemu == name && !name.is_empty())
    }
}

/// Every processor that a file may be for. Programs of mips' ABI N32 have the header of mips.
#[rustfmt::skip]
pub static MACHINES: &[MachineRow] = {
    use Architecture as A;
    use Endian::{Big, Little};
    const fn row(
        name: &'static str, architecture: A, pointer_width: u8, endian: Endian,
        prefixes: &'static [&'static str], elf: u16, qemu: &'static str,
    ) -> MachineRow {
        MachineRow { name, architecture, pointer_width, endian, prefixes, elf, qemu }
    }
    &[
        row("x86_64",       A::X86_64,        64, Little, &["x86_64", "amd64"],                       62,     "x86_64"),
        row("x86_64",       A::X86_64_X32,    32, Little, &[],                                        0,      ""),
        row("i686",         A::I386,          32, Little, &["i386", "i486", "i586", "i686", "x86"],   3,      "i386"),
        row("aarch64",      A::Aarch64,       64, Little, &["aarch64", "arm64"],                      183,    "aarch64"),
        row("aarch64",      A::Aarch64_Ilp32, 32, Little, &["arm64_32"],                              0,      ""),
        row("aarch64_be",   A::Aarch64,       64, Big,    &["aarch64_be"],                            183,    "aarch64_be"),
        row("aarch64_be",   A::Aarch64_Ilp32, 32, Big,    &[],                                        0,      ""),
        row("arm",          A::Arm,           32, Little, &["arm", "thumb"],                          40,     "arm"),
        row("armeb",        A::Arm,           32, Big,    &["armeb", "thumbeb"],                      40,     "armeb"),
        row("riscv32",      A::Riscv32,       32, Little, &["riscv32"],                               243,    "riscv32"),
        row("riscv64",      A::Riscv64,       64, Little, &["riscv64"],                               243,    "riscv64"),
        row("powerpc",      A::PowerPc,       32, Big,    &["powerpc", "ppc"],                        20,     "ppc"),
        row("powerpc64",    A::PowerPc64,     64, Big,    &["powerpc64", "ppc64"],                    21,     "ppc64"),
        row("powerpc64le",  A::PowerPc64,     64, Little, &["powerpc64le", "ppc64le"],                21,     "ppc64le"),
        row("s390x",        A::S390x,         64, Big,    &["s390x"],                                 22,     "s390x"),
        row("loongarch32",  A::LoongArch32,   32, Little, &["loongarch32"],                           0,      ""),
        row("loongarch64",  A::LoongArch64,   64, Little, &["loongarch64"],                           258,    "loongarch64"),
        row("mips",         A::Mips,          32, Big,    &["mips", "mipsisa32r6"],                   8,      "mips"),
        row("mipsel",       A::Mips,          32, Little, &["mipsel", "mipsisa32r6el"],               8,      "mipsel"),
        row("mips64",       A::Mips64,        64, Big,    &["mips64", "mipsisa64r6"],                 8,      "mips64"),
        row("mips64el",     A::Mips64,        64, Little, &["mips64el", "mipsisa64r6el"],             8,      "mips64el"),
        row("mips64",       A::Mips64_N32,    32, Big,    &[],                                        0,      ""),
        row("mips64el",     A::Mips64_N32,    32, Little, &[],                                        0,      ""),
        row("sparc",        A::Sparc,         32, Big,    &["sparc"],                                 2,      "sparc"),
        row("sparc",        A::Sparc32Plus,   32, Big,    &[],                                        18,     "sparc32plus"),
        row("sparc64",      A::Sparc64,       64, Big,    &["sparc64", "sparcv9"],                    43,     "sparc64"),
        row("m68k",         A::M68k,          32, Big,    &["m68k"],                                  4,      "m68k"),
        row("csky",         A::Csky,          32, Little, &["csky"],                                  0,      ""),
        row("hexagon",      A::Hexagon,       32, Little, &["hexagon"],                               164,    "hexagon"),
        row("xtensa",       A::Xtensa,        32, Little, &["xtensa"],                                94,     "xtensa"),
        row("xtensaeb",     A::Xtensa,        32, Big,    &[],                                        94,     "xtensaeb"),
        row("alpha",        A::Alpha,         64, Little, &["alpha"],                                 0x9026, "alpha"),
        row("hppa",         A::Hppa,          32, Big,    &["hppa"],                                  15,     "hppa"),
        row("sh4",          A::SuperH,        32, Little, &["sh4"],                                   42,     "sh4"),
        row("sh4eb",        A::SuperH,        32, Big,    &["sh4eb"],                                 42,     "sh4eb"),
        row("microblaze",   A::Unknown,       32, Big,    &["microblaze"],                            189,    "microblaze"),
        row("microblazeel", A::Unknown,       32, Little, &["microblazeel"],                          189,    "microblazeel"),
        row("or1k",         A::Unknown,       32, Big,    &["or1k"],                                  92,     "or1k"),
        row("avr",          A::Avr,           16, Little, &["avr"],                                   0,      ""),
        row("msp430",       A::Msp430,        16, Little, &["msp430"],                                0,      ""),
        row("wasm32",       A::Wasm32,        32, Little, &["wasm32"],                                0,      ""),
        row("wasm64",       A::Wasm64,        64, Little, &["wasm64"],                                0,      ""),
    ]
};

/// Returns the row of an object file's architecture.
pub(super) fn row_of(architecture: Architecture, endian: Endian) -> Option<&'static MachineRow> {
    let is_known = architecture != Architecture::Unknown;
    MACHINES.iter().find(|row| is_known && row.architecture == architecture && row.endian == endian)
}

/// Returns the row whose beginning of a name fits best: `armebv7r` begins with `arm` too, but `armeb` says more.
pub(super) fn machine_of_arch(arch: &str) -> Option<&'static MachineRow> {
    let fits = |row: &MachineRow| row.prefixes.iter().filter(|p| arch.starts_with(**p)).map(|p| p.len()).max();
    MACHINES.iter().max_by_key(|row| fits(row)).filter(|row| fits(row).is_some())
}
