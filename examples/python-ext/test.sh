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

# What pip calls the processor; and the newest C library that a wheel may ask for, so that one that asks for a newer is
# not found: the policy of manylinux (PEP 600) that is next above the floor in targets.toml.
# There is none for 2.32, and for riscv64 the first is 2.31.
arch=${CARGO_BUILD_TARGET%%-*} glibc=28
case $arch in
armv7) arch=armv7l ;;
powerpc64le) arch=ppc64le glibc=34 ;;
riscv64gc) arch=riscv64 glibc=31 ;;
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

python=$(ls "$PYTHON_ROOT"/usr/bin/python3.[0-9]* | head -n 1)

# pip itself says whether the tags of the wheel are right: it takes only one for this platform.
rm -rf "$site"
${PYTHON:-python3} -m pip install --quiet --disable-pip-version-check --no-index --no-deps --only-binary=:all: --no-compile \
    --find-links "$out/wheels" --target "$site" --implementation cp --python-version "${python##*/python}" --abi abi3 \
    "$@" samplepack

# CROSS_FLAKE_ROOT tells the runner where the interpreter finds its libraries.
SITE=$site PYTHONPATH=$site PYTHONDONTWRITEBYTECODE=1 CROSS_FLAKE_ROOT=$PYTHON_ROOT \
    exec ${CROSSCOMPILING_EMULATOR:+"$CROSSCOMPILING_EMULATOR"} "$python" -s -m unittest discover \
    --start-directory "$here/tests" --verbose
