#!/bin/sh
# The linker of one row: the LLD in zig, unchanged, and what there is to say where it fails. Both providers write a copy for each
# row, with the marks below filled in.
ZIG=@ZIG@
ROW=@ROW@
TARGET=@TARGET@           # zig's name for it
CPU=@CPU@                 # zig's name for the processor; may be empty
TOOLCHAIN=@TOOLCHAIN@     # what sysroot.sh has made
LLD=@LLD@                 # an LLD that goes by -flavor
OPTIONS=@OPTIONS@         # linker-options.txt
DEBIAN=@DEBIAN@           # Debian's name for the architecture; may be empty
ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-@CACHE@}
export ZIG_GLOBAL_CACHE_DIR
CXX=@CXX@                 # the folder that has libc++.a, or will have it

# LLD, in the form that this family of targets wants. That of zig has none for MinGW and macOS.
lld() {
    case $TARGET in
    *-msvc) "$LLD" -flavor link "$@" ;;
    *-windows-*) "$LLD" -flavor gnu "$@" ;;
    *-macos*) "$LLD" -flavor darwin "$@" ;;
    *-wasi) "$ZIG" wasm-ld "$@" ;;
    *) "$ZIG" ld.lld "$@" ;;
    esac
}
say() { echo "cross-flake: $*" >&2; }

# rustc's way to start rust-lld.
[ "${1:-}" != -flavor ] || shift 2
words=" $* "
case $words in *" @"*) for a do case $a in @?*) [ ! -f "${a#@}" ] || words="$words$(tr '\n' ' ' <"${a#@}")" ;; esac done ;; esac
# Not together: a folder of the command may be named as a target.
case $TARGET in
*-linux-gnu*)
    case $words in *" -static "*)
        say "a static program with glibc cannot be had: row $ROW has glibc as shared libraries only; take the row with musl of this architecture (\`${CROSS_FLAKE_CALLED:-cargo cross-flake} list\`), whose programs are static"
        exit 1
        ;;
    esac
    ;;
*-macos*)
    case $words in *" -r "*)
        say "LLD joins no objects of macOS into one, which is what \`-r\` asks for: make an archive of them for $ROW"
        exit 1
        ;;
    esac
    ;;
esac
# libc++ is made when it is first linked; whoever comes meanwhile makes it, too, and zig lets the second wait for the first.
case $words in
*" -lc++"* | *" -l c++"* | *" -lstdc++ "* | *" -l stdc++ "*)
    if [ ! -e "$CXX/libc++.a" ]; then
        mkdir -p "$CXX" && sh "$TOOLCHAIN/recipe/sysroot.sh" "$ZIG" "$TARGET" "$CPU" "$CXX" c++ || exit 1
    fi
    set -- "$@" "-L$CXX"
    ;;
esac
# The row's own libraries: folders with lib. After all of the command's, for LLD goes through its folders in order.
case $TARGET in
*-msvc)
    for folder in @SDK@; do set -- "$@" "-libpath:$folder"; done
    for prefix in @PREFIXES@; do set -- "$@" "-libpath:$prefix/lib"; done
    # Where LLD finds mt.exe.
    PATH=${0%/*}:$PATH
    # rustc asks for a table of exception handlers, and our C library's objects are not made for one.
    case $TARGET in x86-*) set -- "$@" -safeseh:no ;; esac
    ;;
*) for prefix in @PREFIXES@; do set -- "$@" "-L$prefix/lib"; done ;;
esac

# link WORDS...: LLD's output goes where it should, what it complains of is kept in $said.
link() { { said=$(lld "$@" 2>&1 >&3); } 3>&1; }

link "$@" && {
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    exit
}
code=$?

# ── Options that LLD does not know ───────────────────────────────────────────────────────────────
# In the words of LLD for ELF and Mach-O, and of that for MinGW and WebAssembly. Apple's -ld_classic reads as -l.
unknown=$(printf '%s\n' "$said" | sed -n "
    s/.*: error: unknown argument '\([^']*\)'.*/\1/p
    s/.*: error: unknown argument: //p
    s/.*: error: library not found for \(-ld_[a-z]*\|-ld64\)$/\1/p")
# Windows makes no difference between Ws2_32 and ws2_32.
capitals= scratch=
case $TARGET in
*-msvc)
    # Objects name libraries, too: here each gets the name by which it is asked for.
    for library in $(printf '%s\n' "$said" | sed -n "s/.*could not open '\([^/' ]*\)'.*/\1/p" | sort -u); do
        small=$(echo "${library%.[Ll][Ii][Bb]}" | tr '[:upper:]' '[:lower:]')
        for folder in @SDK@; do
            [ -e "$folder/$small.lib" ] || continue
            [ "$scratch" ] || scratch=$(mktemp -d) || exit $code
            ln -s "$folder/$small.lib" "$scratch/$library"
            break
        done
    done
    [ -z "$scratch" ] || {
        trap 'rm -rf "$scratch"' EXIT
        trap 'exit 1' HUP INT TERM
        link "$@" "-libpath:$scratch" && {
            [ -z "$said" ] || printf '%s\n' "$said" >&2
            exit
        }
        code=$?
    }
    ;;
*-windows-*)
    for library in $(printf '%s\n' "$said" | sed -n 's/.*unable to find library -l\(.*[A-Z].*\)/\1/p'); do
        small=$(echo "$library" | tr '[:upper:]' '[:lower:]')
        [ ! -e "$TOOLCHAIN/sysroot/usr/lib/lib$small.a" ] || capitals="$capitals $library"
    done
    ;;
esac
if [ "$unknown$capitals" ]; then
    again=yes
    for library in $capitals; do
        for a do
            shift
            [ "$a" != "-l$library" ] || a=$(echo "$a" | tr '[:upper:]' '[:lower:]')
            set -- "$@" "$a"
        done
    done
    while IFS= read -r option; do
        [ "$option" ] || continue
        verdict=
        while read -r name verdict with reason; do
            case $name in
            *\*) name=${name%?}; case $option in "$name"*) break ;; esac ;;
            *) case $option in "$name" | "$name="* | "-$name" | "-$name="*) break ;; esac ;;
            esac
            verdict=
        done <"$OPTIONS"
        case $verdict in
        drop | replace)
            skip=
            for a do
                shift
                if [ "$skip" ]; then skip=; continue; fi
                if [ "$a" = "$option" ]; then
                    case $verdict:$with:$option in
                    replace:*) set -- "$@" "$with${option#*"$name"}" ;;
                    drop:VALUE:*=*) ;;
                    drop:VALUE:*) skip=1 ;;
                    esac
                    continue
                fi
                set -- "$@" "$a"
            done
            ;;
        refuse)
            say "the linker option $option cannot be had for $ROW: $reason"
            again=
            ;;
        *)
            say "the linker option $option is unknown to LLD, which links for $ROW; a build script, RUSTFLAGS, LDFLAGS or the build system has passed it: leave it out for this target"
            again=
            ;;
        esac
    done <<END
$unknown
END
    [ "$again" ] || exit $code
    link "$@" && {
        [ -z "$said" ] || printf '%s\n' "$said" >&2
        exit
    }
    code=$?
fi
printf '%s\n' "$said" >&2

# ── Libraries that are not there ─────────────────────────────────────────────────────────────────
library=$(printf '%s\n' "$said" | sed -n "
    s/.*\(unable to find library\|library not found for\) -l\(.*\)/\2/p
    s/.*could not open '\([^/']*\)\.lib'.*/\1/p" | head -n 1)
if [ "$library" ]; then
    folders=
    for folder in @SDK@; do folders="$folders$folder, "; done
    for prefix in @PREFIXES@; do folders="$folders$prefix/lib, "; done
    say "no library \`$library\` for $ROW in ${folders%, } or the -L folders of the command; those of this machine are not searched."
    # Debian's rule for names of packages.
    case $DEBIAN:$library in
    :* | *:*[!a-z0-9+.-]*) ;;
    *) echo "Try the package lib$library-dev, if Debian calls it so: \`${CROSS_FLAKE_CALLED:-cargo cross-flake} sysroot $ROW lib$library-dev\` adds the distribution's to the row's builds." >&2 ;;
    esac
fi
case $TARGET:$said in *-msvc:*"undefined symbol: "*" std::__1::"*)
    say "there is no C++ library for $ROW: C++ has there what is in headers alone"
    ;;
esac
runtime=$(printf '%s\n' "$said" | sed -n 's/.*cannot open .*libclang_rt\.\([a-z_-]*\)[^/]*: No such file.*/\1/p' | head -n 1)
[ -z "$runtime" ] || say "zig has no runtime library \`$runtime\` of clang's for $ROW: sanitizers, profiles and coverage of C cannot be had there"

# ── Frameworks of macOS ──────────────────────────────────────────────────────────────────────────
framework=$(printf '%s\n' "$said" | sed -n 's/.*framework not found for -framework \(.*\)/\1/p' | head -n 1)
[ -z "$framework" ] || {
    say "no framework $framework for $ROW: there are stubs of those that Rust crates declare (ls '$TOOLCHAIN/sysroot/System/Library/Frameworks'); for others set SDKROOT to the folder of an SDK of macOS, MacOSX.sdk, which Apple's Xcode has"
    exit $code
}
case $TARGET:$said:$words in
*-macos*:*"undefined symbol: "*:*" -syslibroot $TOOLCHAIN/sysroot "*" -framework "*)
    say "the stubs of frameworks for $ROW have the names that Rust crates declare; if one of the undefined symbols belongs to a framework and is not among them, set SDKROOT to the folder of an SDK of macOS, MacOSX.sdk, which Apple's Xcode has"
    ;;
esac

# ── Functions that came with a later glibc ───────────────────────────────────────────────────────
case $TARGET in
*-linux-gnu*.[0-9]*) ;;
*) exit $code ;;
esac
floor=${TARGET#*-linux-gnu*.}
# Of a shared library that was built elsewhere.
needed=$(printf '%s\n' "$said" | sed -n 's/.*: error: undefined reference: .*@GLIBC_\([0-9.]*\)$/\1/p' | sort -uV | tail -n 1)
[ -z "$needed" ] || say "a shared library needs glibc $needed, this row promises $floor; link its archive instead, or write glibc = \"$needed\" for [target.$ROW] in targets.toml where all machines that are to run the program have it"
symbols=$(printf '%s\n' "$said" | sed -n 's/.*: error: undefined symbol: \([A-Za-z_][A-Za-z0-9_]*\)$/\1/p' | sort -u)
[ "$symbols" ] || exit $code
scratch=$(mktemp -d) || exit $code
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
# The newest glibc that zig knows: it takes that for one that it does not know.
sh "$TOOLCHAIN/recipe/sysroot.sh" "$ZIG" "${TARGET%".$floor"}.2.999" "$CPU" "$scratch" versions >"$scratch/versions" 2>/dev/null
for symbol in $symbols; do
    version=$(sed -n "s/^$symbol //p" "$scratch/versions")
    [ -z "$version" ] || say "undefined symbol $symbol: needs glibc $version, this row promises $floor; write glibc = \"$version\" for [target.$ROW] in targets.toml where all machines that are to run the program have it"
done
exit $code
