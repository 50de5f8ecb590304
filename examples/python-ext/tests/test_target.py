"""Whether everything here is the target's: the interpreter, the extension in the wheel, and what C believed."""

import os
import platform
import struct
import sys
import sysconfig
import unittest

import samplepack
from samplepack import _native

TRIPLE = os.environ["CARGO_BUILD_TARGET"]

# By the first part of the triple: platform.machine(), ELF's e_machine (glibc's elf.h), bits and order of bytes.
MACHINES = {
    "x86_64": ("x86_64", 62, 64, "little"),
    "i686": ("i686", 3, 32, "little"),
    "aarch64": ("aarch64", 183, 64, "little"),
    "armv7": ("armv7l", 40, 32, "little"),
    "riscv64gc": ("riscv64", 243, 64, "little"),
    "powerpc64le": ("ppc64le", 21, 64, "little"),
    "s390x": ("s390x", 22, 64, "big"),
    "loongarch64": ("loongarch64", 258, 64, "little"),
}
MACHINE, ELF, BITS, ORDER = MACHINES[TRIPLE.split("-")[0]]
# Debian's and Python's name of the system: aarch64-linux-gnu.
MULTIARCH = "-".join(
    [{"i686": "i386", "armv7l": "arm", "ppc64le": "powerpc64le"}.get(MACHINE, MACHINE), "linux", TRIPLE.split("-")[-1]]
)


class Target(unittest.TestCase):
    def test_the_interpreter_is_the_targets(self):
        self.assertEqual(sysconfig.get_config_var("MULTIARCH"), MULTIARCH)
        self.assertEqual(sys.byteorder, ORDER)
        self.assertEqual(struct.calcsize("P") * 8, BITS)

    def test_the_machine_is_the_targets(self):
        # qemu's newest arm is a 64-bit one that runs 32-bit programs, and calls itself so.
        also = {"armv7l": {"armv8l"}}.get(MACHINE, set())
        self.assertIn(platform.machine(), {MACHINE} | also)
        self.assertIn(sysconfig.get_platform(), {f"linux-{name}" for name in {MACHINE} | also})

    def test_the_extension_comes_from_the_wheel_and_is_the_targets(self):
        self.assertEqual(os.path.dirname(os.path.dirname(_native.__file__)), os.environ["SITE"])
        self.assertTrue(_native.__file__.endswith(".abi3.so"), _native.__file__)
        with open(_native.__file__, "rb") as file:
            head = file.read(20)
        self.assertEqual(head[:4], b"\x7fELF")
        self.assertEqual(head[4] * 32, BITS)
        self.assertEqual(int.from_bytes(head[18:20], ORDER), ELF)

    def test_c_and_rust_were_compiled_for_the_target(self):
        self.assertEqual(samplepack.built_for(), (MACHINE, BITS, ORDER))
