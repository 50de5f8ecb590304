#!/bin/sh
# Makes a cross toolchain of what zig brings: the headers, start files and libraries of a target in the places where clang and
# LLD, which zig holds unchanged, look for them.
#
#   sysroot.sh ZIG TARGET CPU OUT      makes OUT, which is an empty folder
#   sysroot.sh ZIG TARGET CPU OUT c++  puts libc++ into OUT, which takes half a minute and not every program needs
#   sysroot.sh ZIG TARGET CPU OUT versions  says with which version of glibc each of its functions came; OUT is for scratch
#
# TARGET and CPU are zig's words, with the version of glibc; CPU may be empty. OUT gets
#
#   clang.cfg   options for `zig clang --config` (clang's manual, "Configuration files")
#   sysroot/    the target's / as far as compilers look into it: usr/include, usr/lib
#   resource/   clang's resource directory: its own headers and compiler-rt
#   recipe/     this script and its parts
#
# zig itself says what belongs to a target: it prints its calls of clang and LLD. A family of targets is a file beside this one.
# ZIG_GLOBAL_CACHE_DIR is where zig keeps what it compiles.
set -efu
zig=$1 target=$2 cpu=$3 out=$4 part=${5:-}

case $target in
*-linux-gnu* | *-linux-musl* | *-freebsd*) family=elf ;;
*-freestanding*) family=freestanding ;;
*-windows-gnu) family=windows ;;
*-windows-msvc) family=msvc ;;
*-macos*) family=macos ;;
*-wasi) family=wasi ;;
*)
    echo "cross-flake: no recipe for a sysroot of $target" >&2
    exit 1
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$out" && pwd)
scratch=$(mktemp -d "$out/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
# zig prints paths without quotes, so that they must have no spaces: everything by short names below the scratch folder.
zig_lib=$("$zig" env | sed -n 's/^ *[."]*lib_dir"\{0,1\} *[=:] *"\(.*\)".*/\1/p')
mkdir -p "${ZIG_GLOBAL_CACHE_DIR:=$scratch/zig-cache}"
cache=$(cd "$ZIG_GLOBAL_CACHE_DIR" && pwd)
cd "$scratch"
ln -s "$zig_lib" lib
[ -e zig-cache ] || ln -s "$cache" zig-cache
export ZIG_LIB_DIR=lib ZIG_GLOBAL_CACHE_DIR=zig-cache ZIG_LOCAL_CACHE_DIR=zig-cache
echo 'int main(void) { return 0; }' | tee question.c >question.cc

# build OPTIONS...: has zig make a program; prints its calls, one a line. What is stripped is smaller, and zig keeps one set of
# libraries for all stripped programs.
build() {
    "$zig" "${kind:-build-exe}" -target "$target" ${cpu:+"-mcpu=$cpu"} -O ReleaseFast -fstrip --name answer "$@" >said 2>&1 || {
        cat said >&2
        echo "cross-flake: zig makes no program for $target" >&2
        exit 1
    }
    cat said
}
# call OPTIONS...: the call by which zig links a C program, as words.
call() { build question.c -lc --verbose-link "$@" | grep -v '^ar ' | tail -n 1; }
# place WORDS NAME PLACE: copies the file of this name in a call to a place.
place() {
    for word in $1; do
        case $word in */"$2") cp "$word" "$3" && return ;; esac
    done
    echo "cross-flake: zig links no $2 for $target" >&2
    exit 1
}
# join ARCHIVE ARCHIVES...: one archive of several, in the current folder.
join() {
    joined=$1
    shift
    {
        echo "create $joined"
        printf 'addlib %s\n' "$@"
        printf 'save\nend\n'
    } | "$zig" ar -M
}
# merge FOLDER INTO: puts files into a tree, over those that are there: by a second name where the disk allows that. Nix changes
# the files of what it has built, and so has to have links.
merge() {
    { [ -z "${NIX_STORE:-}" ] && cp -RlfL "$1/." "$2/" 2>/dev/null; } ||
        cp -RsfL "$(cd "$1" && pwd -P)/." "$2/" 2>/dev/null || cp -RfL "$1/." "$2/"
}
# write FILE: replaces a file that may have another name elsewhere.
write() {
    cat >edited
    rm -f "$1"
    mv edited "$1"
}

root=$out/sysroot
include=$root/usr/include usr_lib=$root/usr/lib

# archive NAME: zig's name of a static library.
archive() { echo "lib$1.a"; }
# libcxx: puts libc++ with libc++abi in it into OUT.
libcxx() {
    said=$(build question.cc -lc++ $position --verbose-link | grep -v '^ar ' | tail -n 1)
    place "$said" "$(archive c++)" part1.a
    place "$said" "$(archive c++abi)" libc++abi.a
    join libc++.a part1.a libc++abi.a
    mv libc++abi.a "$out/libc++abi.a"
    ln -sf libc++.a "$out/libstdc++.a"
    # Last, for it is what others look for.
    mv libc++.a "$out/libc++.a"
}
position=-fPIE

parts=$family
. "$here/$family.sh"

case $part in
c++) libcxx && exit ;;
versions) versions && exit ;;
esac

mkdir -p "$include/c++/v1" "$usr_lib" "$out/resource" "$out/recipe"
for name in sysroot $parts; do cp "$here/$name.sh" "$out/recipe"; done

# ── Headers and options, as zig gives them to clang ──────────────────────────────────────────────
# What is compiled is not linked, or zig would compile its libc++.
said=$(ZIG_LOCAL_CACHE_DIR=local build question.cc -lc++ -fno-emit-bin --verbose-cc | grep ' clang question.cc ' | head -n 1)
options= folders= site= defines= word=
for next in $said; do
    case $word in
    # The versions of kernel and C library in it are zig's own; FreeBSD's decides what its headers show.
    -target) triple=$(echo "$next" | sed 's/\(linux\)[0-9.]*-/\1-/; s/\(gnu[a-z0-9]*\)[0-9]\.[0-9.]*$/\1/; s/-unknown$//; s/unknown-windows/w64-windows/; s/^i386-w64/i686-w64/') ;;
    -isystem) case $next in lib/libcxx* | lib/include) ;; *) [ ! -d "$next" ] || folders="$next $folders" ;; esac ;;
    -mabi=* | -mfloat-abi=* | -mhard-float | -mthumb) options="$options $word" ;;
    -D_LIBC*) site="$site $word" ;;
    -DNDEBUG) ;;
    # MinGW-w64's headers define them where nobody else does.
    -D__MSVCRT_VERSION__=* | -D_WIN32_WINNT=* | -D__CRT__NO_INLINE) ;;
    -D*) defines="$defines $word" ;;
    esac
    word=$next
done
for folder in $folders; do merge "$folder" "$include"; done
merge lib/libcxx/include "$include/c++/v1"
merge lib/libcxxabi/include "$include/c++/v1"
# clang's own headers stay zig's.
[ -e "$out/resource/include" ] || ln -s "$zig_lib/include" "$out/resource/include"

# zig defines by option what its headers leave open; in the headers it holds for every compiler that reads them.
macro() {
    case $1 in *=*) echo "#define ${1%%=*} ${1#*=}" ;; *) echo "#define $1 1" ;; esac
}
for define in $defines; do
    define=${define#-D} name=${define%%=*} found=
    set +f
    # zig's own remark in the header names the macro.
    mark="zig patch:.*$name.*\*/"
    for file in $(grep -rl --include='*.h' "$mark" "$include" | tr ' ' '?'); do
        sed "\\#$mark#{
            p
            s/.*/#ifndef $name/p
            s/.*/$(macro "$define")/p
            s/.*/#endif/
        }" "$file" | write "$file"
        found=yes
    done
    set -f
    [ "$found" ] || options="$options -D$define"
done
for define in $site; do macro "${define#-D}"; done | write "$include/c++/v1/__config_site"
{
    echo '#include <__config_site>'
    cat "$include/c++/v1/__config"
} | write "$include/c++/v1/__config"

cat >"$out/clang.cfg" <<END
--target=$triple
--sysroot=<CFGDIR>/sysroot
-resource-dir=<CFGDIR>/resource
--rtlib=compiler-rt
--unwindlib=libunwind
-stdlib=libc++
END
for option in $options; do echo "$option"; done >>"$out/clang.cfg"
clang() { "$zig" clang --config "$out/clang.cfg" "$@"; }
builtins=$(clang -print-libgcc-file-name)
mkdir -p "$(dirname "$builtins")"

libraries
