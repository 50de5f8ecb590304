#!/bin/sh
# Cross-builds the least CPython that unittest needs, for a row with musl: no distribution in reach has one.
#
#   musl-python.sh SOURCE BUILD_ROOT MUSL_ROOT INTO
#
# SOURCE      the unpacked source of CPython, of the same minor version as the one in BUILD_ROOT
# BUILD_ROOT  `cargo xtask sysroot --apart x86_64-linux python3.13-minimal libpython3.13-stdlib`: the build platform's own
# MUSL_ROOT   `cargo xtask sysroot --apart aarch64-linux musl`: the loader, from the glibc row of the same processor
# INTO        the folder to make, PYTHON_ROOT of test.sh
#
# To be run in `cargo xtask shell aarch64-linux-musl`, whose CC it uses. OUT is as in test.sh.
set -eu
[ $# = 4 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
source=$(cd "$1" && pwd) build_root=$(cd "$2" && pwd) musl_root=$(cd "$3" && pwd) into=$4
: "${CARGO_BUILD_TARGET:?is set in cargo xtask shell and in nix develop}"
[ ! -e "$into" ] || { echo "musl-python.sh: $into is there" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
work=${OUT:-${CARGO_TARGET_DIR:-$here/target}}/python-$CARGO_BUILD_TARGET
rm -rf "$work"
mkdir -p "$work/Modules" "$into.new"
into=$(cd "$into.new" && pwd)
cd "$work"

# CPython freezes its own modules with an interpreter of the build platform.
python=$(ls "$build_root"/usr/bin/python3.[0-9]* | head -n 1)
loader=$(ls "$build_root"/lib64/ld-linux*.so.* "$build_root"/lib/ld-linux*.so.* 2>/dev/null | head -n 1)
libraries=$(echo "$build_root"/usr/lib/*-linux-gnu)
printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$libraries" "$python" >build-python
chmod +x build-python

# Built in, so that nothing but the program is to be made: what unittest and the tests import, and no more.
cat >Modules/Setup.local <<'END'
*disabled*
_asyncio _blake2 _bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _csv _ctypes _curses
_curses_panel _dbm _decimal _elementtree _gdbm _hashlib _interpchannels _interpqueues _interpreters _lsprof _lzma _md5
_multibytecodec _multiprocessing _pickle _posixshmem _queue _sha1 _sha3 _socket _sqlite3 _ssl _statistics _tkinter _uuid
_zoneinfo cmath grp mmap pyexpat readline resource syslog termios unicodedata xxlimited xxlimited_35 xxsubtype
END
# Files that configure cannot look for on another machine.
printf 'ac_cv_file__dev_ptmx=no\nac_cv_file__dev_ptc=no\n' >config.site
arch=${CARGO_BUILD_TARGET%%-*}
# Of musl zig links a static program unless it is told otherwise, and that cannot load extensions; to gcc the word means dumps.
case $("$CC" --version) in *clang*) dynamic=-dynamic ;; *) dynamic= ;; esac
# PIE: `environ` is copied into a program at a fixed place, and musl goes on with its own. musl is known by a macro of its
# stdarg.h, which clang's hides.
if CONFIG_SITE=$work/config.site MODULE_BUILDTYPE=static CPP="$CC -E -D__DEFINED_va_list" "$source/configure" \
    --host="${arch%gc}-linux-${CARGO_BUILD_TARGET##*-}" --build="$(uname -m)-linux-gnu" --with-build-python="$work/build-python" \
    --prefix=/usr --with-pkg-config=no --disable-ipv6 --disable-test-modules --without-ensurepip --without-doc-strings \
    OPT="-O1 -DNDEBUG -fPIE" LDFLAGS="$dynamic -pie" >log 2>&1 &&
    make -j"$(nproc)" python pybuilddir.txt >>log 2>&1
then :; else tail -n 30 log >&2; exit 1; fi

mkdir -p "$into/usr/bin" "$into/usr/lib/python3.${python##*.}"
cp python "$into/usr/bin/${python##*/}"
"$STRIP" "$into/usr/bin/${python##*/}"
cp -R "$source"/Lib/* "$(cat pybuilddir.txt)"/_sysconfigdata_*.py "$into/usr/lib/python3.${python##*.}"
# What nobody imports here is half of the library; the empty folder is what Python knows its own place by.
for part in ensurepip idlelib test tkinter turtledemo; do rm -rf "$into"/usr/lib/python3.*/"$part"; done
mkdir "$into/usr/lib/python3.${python##*.}/lib-dynload"
# The loader is musl's libc itself.
cp "$musl_root"/usr/lib/*-linux-musl*/libc.so "$into/usr/lib/$(basename "$musl_root"/usr/lib/ld-musl-*)"
ln -s usr/lib "$into/lib"
mv "$into" "${into%.new}"
