#!/bin/sh
# Installs the wheel that `maturin build --release` has made and runs the tests in the target's own interpreter.
#
#   CARGO_BUILD_TARGET       the triple, as the shells of cross-flake set it
#   CROSSCOMPILING_EMULATOR  what starts the target's programs, likewise
#   PYTHON_ROOT              a folder that stands for the target's / and has its Python: `cargo xtask sysroot`, or musl-python.sh
#   OUT                      where everything goes, and whose folder `wheels` has the wheel [target]
#   PYTHON                   Python with pip, of the build machine [python3]
set -eu
: "${CARGO_BUILD_TARGET:?is set in cargo xtask shell and in nix develop}"
: "${PYTHON_ROOT:?names the folder with the Python of the target}"
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-${CARGO_TARGET_DIR:-$here/target}}
site=$out/site-$CARGO_BUILD_TARGET

# What pip and platform.machine() call the processor; and the newest C library that a wheel may ask for: the floors
# of targets.toml, so that a wheel with a newer one is not found.
arch=${CARGO_BUILD_TARGET%%-*} glibc=28
case $arch in
armv7) arch=armv7l ;;
powerpc64le) arch=ppc64le glibc=32 ;;
riscv64gc) arch=riscv64 ;;
esac
case $CARGO_BUILD_TARGET in
*-linux-gnu*) libc=manylinux_2 minor=$glibc ;;
*-linux-musl*) libc=musllinux_1 minor=2 ;;
*) echo "test.sh: there is no Python of $CARGO_BUILD_TARGET to test with" >&2; exit 2 ;;
esac
set --
while [ "$minor" -gt 0 ]; do
    set -- "$@" --platform "${libc}_${minor}_$arch"
    minor=$((minor - 1))
done

# The program, `usr/bin/python3.13` say, and the loader that it names (ELF: PT_INTERP is 3).
python=$(ls "$PYTHON_ROOT"/usr/bin/python3.[0-9]* | head -n 1)
loader=$(${PYTHON:-python3} - "$python" <<'END'
import struct, sys
elf = open(sys.argv[1], "rb").read()
order = "<" if elf[5] == 1 else ">"
wide = elf[4] == 2
table, = struct.unpack_from(order + ("Q" if wide else "I"), elf, 32 if wide else 28)
size, count = struct.unpack_from(order + "HH", elf, 54 if wide else 42)
for at in range(table, table + size * count, size):
    if struct.unpack_from(order + "I", elf, at)[0] == 3:
        start, = struct.unpack_from(order + ("Q" if wide else "I"), elf, at + (8 if wide else 4))
        print(elf[start : elf.index(0, start)].decode())
END
)

# pip itself says whether the tags of the wheel are right: it takes only one for this platform.
rm -rf "$site"
${PYTHON:-python3} -m pip install --quiet --disable-pip-version-check --no-index --no-deps --only-binary=:all: --no-compile \
    --find-links "$out/wheels" --target "$site" --implementation cp --python-version "${python##*/python}" --abi abi3 \
    "$@" samplepack

# The interpreter and the C library of PYTHON_ROOT belong together, and the runner has a C library of its own: the loader
# starts the program with the libraries of the one folder.
libraries=
for folder in "$PYTHON_ROOT"/usr/lib/*-linux-* "$PYTHON_ROOT"/usr/lib; do
    [ ! -d "$folder" ] || libraries=$libraries${libraries:+:}$folder
done
SITE=$site PYTHONPATH=$site PYTHONDONTWRITEBYTECODE=1 exec ${CROSSCOMPILING_EMULATOR:+"$CROSSCOMPILING_EMULATOR"} \
    "$PYTHON_ROOT$loader" --library-path "$libraries" "$python" -s -m unittest discover --start-directory "$here/tests" --verbose
