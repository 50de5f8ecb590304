#!/bin/sh
# The linker of one row: the LLD in zig, unchanged, and what there is to say where it fails. Both providers write a copy for each
# row, with the marks below filled in.
ZIG=@ZIG@
ROW=@ROW@
TARGET=@TARGET@           # zig's name for it
CPU=@CPU@                 # zig's name for the processor; may be empty
TOOLCHAIN=@TOOLCHAIN@     # what sysroot.sh has made
OPTIONS=@OPTIONS@         # linker-options.txt
DEBIAN=@DEBIAN@           # Debian's name for the architecture; may be empty
ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-@CACHE@}
export ZIG_GLOBAL_CACHE_DIR
CXX=@CXX@                 # the folder that has libc++.a, or will have it

# LLD, in the form that this family of targets wants.
lld() { @LLD@ "$@"; }
say() { echo "cross-flake: $*" >&2; }

words=" $* "
case $TARGET:$words in
*-gnu*:*" -static "*)
    say "a static program with glibc cannot be had: row $ROW has glibc as shared libraries only; take the row with musl of this architecture (\`cargo xtask list\`), whose programs are static"
    exit 1
    ;;
esac
# libc++ is made when it is first linked; whoever comes meanwhile makes it, too, and zig lets the second wait for the first.
case $words in
*" -lc++"* | *" -lstdc++ "*)
    if [ ! -e "$CXX/libc++.a" ]; then
        mkdir -p "$CXX" && sh "$TOOLCHAIN/recipe/sysroot.sh" "$ZIG" "$TARGET" "$CPU" "$CXX" c++ || exit 1
    fi
    set -- "$@" "-L$CXX"
    ;;
esac
# The row's own libraries: folders with lib. After all of the command's, for LLD goes through its folders in order.
for prefix in @PREFIXES@; do set -- "$@" "-L$prefix/lib"; done

# link WORDS...: LLD's output goes where it should, what it complains of is kept in $said.
link() { { said=$(lld "$@" 2>&1 >&3); } 3>&1; }

link "$@" && {
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    exit
}
code=$?

# ── Options that LLD does not know ───────────────────────────────────────────────────────────────
unknown=$(printf '%s\n' "$said" | sed -n "s/.*: error: unknown argument '\([^']*\)'.*/\1/p")
if [ "$unknown" ]; then
    again=yes
    while IFS= read -r option; do
        verdict=
        while read -r name verdict with reason; do
            case $name in
            *\*) name=${name%?}; case $option in "$name"*) break ;; esac ;;
            *) case $option in "$name" | "$name="*) break ;; esac ;;
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
                    case $verdict:$with in
                    replace:*) set -- "$@" "$with${a#"$name"}" ;;
                    drop:VALUE) skip=1 ;;
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
library=$(printf '%s\n' "$said" | sed -n 's/.*unable to find library -l\(.*\)/\1/p' | head -n 1)
if [ "$library" ]; then
    folders=
    for prefix in "$TOOLCHAIN/sysroot/usr" @PREFIXES@; do folders="$folders$prefix/lib, "; done
    say "no library \`$library\` for $ROW in ${folders%, } or the -L folders of the command; those of this machine are not searched."
    # Debian's rule for names of packages.
    case $DEBIAN:$library in
    :* | *:*[!a-z0-9+.-]*) ;;
    *) echo "Try the package lib$library-dev, if Debian calls it so: \`cargo xtask sysroot $ROW lib$library-dev\` unpacks the distribution's and names the folder for -L." >&2 ;;
    esac
fi
runtime=$(printf '%s\n' "$said" | sed -n 's/.*cannot open .*libclang_rt\.\([a-z_-]*\)[^/]*: No such file.*/\1/p' | head -n 1)
[ -z "$runtime" ] || say "zig has no runtime library \`$runtime\` of clang's for $ROW: sanitizers, profiles and coverage of C cannot be had there"

# ── Functions that came with a later glibc ───────────────────────────────────────────────────────
case $TARGET in
*-linux-gnu*.[0-9]*) ;;
*) exit $code ;;
esac
floor=${TARGET#*-linux-gnu*.}
symbols=$(printf '%s\n' "$said" | sed -n 's/.*: error: undefined symbol: \([A-Za-z_][A-Za-z0-9_]*\)$/\1/p' | sort -u)
[ "$symbols" ] || exit $code
scratch=$(mktemp -d) || exit $code
trap 'rm -rf "$scratch"' EXIT
# The newest glibc that zig knows: it takes that for one that it does not know.
sh "$TOOLCHAIN/recipe/sysroot.sh" "$ZIG" "${TARGET%".$floor"}.2.999" "$CPU" "$scratch" versions >"$scratch/versions" 2>/dev/null
for symbol in $symbols; do
    version=$(sed -n "s/^$symbol //p" "$scratch/versions")
    [ -z "$version" ] || say "undefined symbol $symbol: needs glibc $version, this row promises $floor; write glibc = \"$version\" for [target.$ROW] in targets.toml where all machines that are to run the program have it"
done
exit $code
