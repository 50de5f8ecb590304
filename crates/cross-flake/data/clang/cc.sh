#!/bin/sh
# C compiler, C++ compiler and linker of one row: the clang in zig, unchanged, over the toolchain that sysroot.sh has made.
# Both providers write a copy for each row, with the marks below filled in.
ZIG=@ZIG@
ROW=@ROW@
TARGET=@TARGET@       # zig's name for it
TOOLCHAIN=@TOOLCHAIN@ # what sysroot.sh has made
CONFIG=@CONFIG@       # the row's options, in clang's words; they include those of the toolchain
DRIVER=@DRIVER@       # --driver-mode=g++ for C++
LD=@LD@               # the linker, ld.sh

# Whatever has to be known of the command, also of what is in its response files.
words=" $* "
case $words in *" @"*) for a do case $a in @?*) [ ! -f "${a#@}" ] || words="$words$(tr '\n' ' ' <"${a#@}")" ;; esac done ;; esac

case $words in
# Two questions that gcc answers and clang does not, and one that gcc answers without a vendor.
" -print-sysroot ") echo "$TOOLCHAIN/sysroot"; exit ;;
" -print-prog-name=ld " | " --print-prog-name=ld ") echo "$LD"; exit ;;
" -dumpmachine ")
    case $TARGET in
    *-msvc) ;;
    # gcc's name for it, which older configure scripts know: clang's is x86_64-w64-windows-gnu.
    x86-windows-*) echo i686-w64-mingw32; exit ;;
    *-windows-*) echo "${TARGET%%-*}-w64-mingw32"; exit ;;
    esac
    machine=$("$ZIG" clang --config="$CONFIG" -dumpmachine)
    echo "${machine%%-unknown-*}-${machine#*-unknown-}"
    exit
    ;;
esac

# The target is the row's: cc, CMake and others name it in rustc's words, which are not always clang's. And what `native` means
# is the machine that builds, which the programs are not for: the row's processor stays.
# Start files come by their bare names where rustc has found none in its own folder, and clang adds those of the sysroot; or they
# are those of that folder, which are for the musl in it.
case $words in
*" --target"* | *" -target "* | *"=native "* | *" -dynamic "* | *" -mmacos"* | *" -isysroot"* | *rsbegin.o* | *crt1.o* | *crt[in].o* | *crtbegin* | *crtend* | */self-contained*)
    # Only here what is in a response file stands for it: rustc writes an argument a line, others all in one; both quote as xargs reads it.
    for a do
        shift
        if [ "$a" != "${a#@?}" ] && [ -f "${a#@}" ]; then
            while IFS= read -r b; do [ -z "$b" ] || set -- "$@" "$b"; done <<END
$(xargs printf '%s\n' <"${a#@}")
END
        else
            set -- "$@" "$a"
        fi
    done
    skip= nostart=
    for a do
        shift
        if [ "$skip" ]; then skip=; continue; fi
        case $a in
        --target=* | -target=* | -march=native | -mcpu=native | -mtune=native | -dynamic) continue ;;
        -target | --target) skip=1; continue ;;
        crt1.o | [SMgr]crt1.o | crt[in].o | crtbegin*.o | crtend*.o) [ -f "$a" ] || { nostart=yes; continue; } ;;
        */self-contained/*.o) nostart=yes; continue ;;
        -L*/self-contained) continue ;;
        # For 32-bit Windows: they tell gcc's unwinder of its tables, and libunwind finds them by itself.
        rsbegin.o | rsend.o | */rsbegin.o | */rsend.o) continue ;;
        esac
        set -- "$@" "$a"
    done
    [ -z "$nostart" ] || for a do
        shift
        [ "$a" = -nostartfiles ] || set -- "$@" "$a"
    done
    ;;
esac

case $TARGET in
*-macos*)
    # The oldest macOS that programs of the row run on. Options and a variable may say a later one, and an earlier one is what rustc
    # takes for its target where nobody has said anything.
    floor=${TARGET#*-macos.} floor=${floor%%-*} isysroot=
    # clang takes the SDK in SDKROOT. What is none has the build machine's headers, or nothing.
    [ -e "${SDKROOT:-}/usr/lib/libSystem.tbd" ] || unset SDKROOT
    for a do
        shift
        if [ "$isysroot" ]; then
            isysroot=
            [ -e "$a/usr/lib/libSystem.tbd" ] || {
                echo "cross-flake: \`-isysroot $a\` is no SDK of macOS, for it has no usr/lib/libSystem.tbd: that of row $ROW is used" >&2
                continue
            }
            set -- "$@" -isysroot
        fi
        case $a in
        -isysroot) isysroot=1; continue ;;
        -mmacosx-version-min=* | -mmacos-version-min=*)
            version=${a#*=}
            [ "${version%%.*}" -ge "${floor%%.*}" ] || continue
            ;;
        esac
        set -- "$@" "$a"
    done
    set -- --start-no-unused-arguments "-mmacosx-version-min=${MACOSX_DEPLOYMENT_TARGET:-$floor}" --end-no-unused-arguments "$@"
    ;;
esac

case $TARGET in
*-msvc)
    # To Microsoft's driver /w is an option, and /work/a.c is that with something behind it.
    # With /Fo it leaves what it has preprocessed of a .S file in the current directory (getNamedOutputPath in clang's Driver.cpp).
    case $DRIVER in *=cl)
        for a do
            shift
            case $a in
            [-/]Fo*[!/]) case $words in *".S "*) set -- "$@" -o; a=${a#?Fo} ;; esac ;;
            /?*/*) [ ! -e "$a" ] || a=/.$a ;;
            esac
            set -- "$@" "$a"
        done
        ;;
    esac
    # Programs of Windows are position-independent, and clang refuses to hear of it.
    for a do
        shift
        case $a in -fPIC | -fpic | -fPIE | -fpie | -pie | -fuse-ld=*) ;; *) set -- "$@" "$a" ;; esac
    done
    # Its driver knows the linker by a name, which it looks for in this folder.
    set -- --start-no-unused-arguments -fuse-ld=lld --end-no-unused-arguments "$@"
    export COMPILER_PATH="${LD%/*}"
    ;;
esac

case $TARGET in
*-wasi)
    # clang's driver for WebAssembly knows no --ld-path.
    for a do
        shift
        case $a in -fuse-ld=*) ;; *) set -- "$@" "$a" ;; esac
    done
    set -- --start-no-unused-arguments "-fuse-ld=$LD" --end-no-unused-arguments "$@"
    ;;
esac

more=
case $TARGET in
*-musl*)
    # All of it is static. clang would go on with shared libraries after this, and so take libc.so into a static program.
    case $words in *" -static-libstdc++ "*)
        for a do
            shift
            [ "$a" = -static-libstdc++ ] || set -- "$@" "$a"
        done
        ;;
    esac
    case $words in
    # zig's word for a program that musl's loader starts, which is there where musl is.
    *" -dynamic "*) ;;
    *" -c "* | *" -S "* | *" -E "* | *" -M "* | *" -MM "* | *" -fsyntax-only "*) ;;
    *" -shared "* | *" -r "* | *" -static "* | *" -static-pie "*) ;;
    # rustc alone names the libraries that a compiler adds. It wants such a program, and there is no loader to run it.
    *" -nodefaultlibs "*)
        echo "cross-flake: \`-crt-static\` asks for a program that needs musl's loader and libc.so, and row $ROW has neither when its programs run; -Clink-arg=-dynamic links it for a system that has them" >&2
        exit 1
        ;;
    # As zig does: programs for musl are static.
    *" -no-pie "* | *" -nopie "*) more=-static ;;
    *) more=-static-pie ;;
    esac
    ;;
esac
# clang looks for the machine's glibc before it believes in this long double, and hears of warnings only from the command.
case $TARGET in powerpc*-linux-*) more="$more -Wno-unsupported-abi" ;; esac
# Options of the linker on a line that only compiles are no error to gcc, nor to zig, with -Werror either.
exec "$ZIG" clang $DRIVER -Qunused-arguments --config="$CONFIG" $more "$@"
