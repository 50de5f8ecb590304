#!/bin/sh
# Makes a directory with zlib for one target: the static library, its two headers, and a zlib.pc for them.
#
#   zlib.sh SYSTEM SOURCE OUT PLACE    compiles SOURCE with $CC and $AR
#   zlib.sh - - OUT PLACE              describes the zlib that is in OUT
#
# SYSTEM is that of platforms.toml, PLACE where OUT will be in the end.
set -eu
system=$1 source=$2 out=$3 place=$4

if [ "$source" != - ]; then
    case $system in
    windows) define=ZLIB_UNUSED ;;
    *) define=HAVE_UNISTD_H ;;
    esac
    mkdir -p "$out/include" "$out/lib" "$out/objects"
    # Object files are named after the sources, in the directory where the compiler is started.
    (
        cd "$out/objects"
        set --
        for file in "$source"/*.c; do
            case $system/${file##*/} in
            # gz* wants more of a system than WASI has, and no program here uses it.
            wasi/gz*) ;;
            *) set -- "$@" "$file" ;;
            esac
        done
        "$CC" -O2 -fPIC "-D$define" -I "$source" -c "$@"
        "$AR" rcs "$out/lib/libz.a" ./*
    )
    # The name that linkers with Microsoft's words look for.
    case $system in windows) ln "$out/lib/libz.a" "$out/lib/z.lib" ;; esac
    rm -r "$out/objects"
    cp "$source/zlib.h" "$source/zconf.h" "$out/include/"
fi

version=$(sed -n 's/^#define ZLIB_VERSION "\(.*\)"/\1/p' "$out/include/zlib.h")
[ "$version" ] || { echo "zlib.h names no version" >&2; exit 1; }
mkdir -p "$out/lib/pkgconfig"
# pkg-config takes a space for the end of a word.
cat >"$out/lib/pkgconfig/zlib.pc" <<END
prefix=$(printf '%s' "$place" | sed 's/ /\\ /g')
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: zlib
Description: zlib compression library
Version: $version
Libs: -L\${libdir} -lz
Cflags: -I\${includedir}
END
