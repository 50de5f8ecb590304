#!/bin/sh
# zig as C compiler, C++ compiler and linker of one row. rustc and the cc crate speak to gcc or clang; this takes out or
# translates what zig does not understand. Both providers write a copy for each row, with the marks below filled in.
ZIG=@ZIG@
MODE=@MODE@     # cc or c++
TARGET=@TARGET@ # what zig's -target takes
ROW=@ROW@
PREFIX=@PREFIX@ # the row's own libraries: include and lib below this
OBJCOPY=@OBJCOPY@ # strips what was linked; may be empty
ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-@CACHE@}
ZIG_LOCAL_CACHE_DIR=${ZIG_LOCAL_CACHE_DIR:-$ZIG_GLOBAL_CACHE_DIR}
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR

case $* in
# With a -target zig would go on to link an empty program into the current folder.
--version) exec "$ZIG" "$MODE" --version ;;
# zig prints its name for the target with the version of glibc in it, after an error.
-dumpmachine) echo "${TARGET%%.*}"; exit ;;
# Meson asks the linker who it is and knows no zig; its options are those of LLVM's, whose version is clang's.
# .NET's Native AOT asks in the same way, and names the linker that it wants.
-Wl,--version | "-fuse-ld=lld -Wl,--version") "$ZIG" "$MODE" --version | sed -n 's/.*clang version \([0-9.]*\).*/LLD \1 (compatible with GNU linkers)/p'; exit ;;
esac

# Arguments of a response file replace it. rustc writes one a line, CMake all in one; both quote as xargs reads it.
files=
for a do
    case $a in @?*) [ -f "${a#@}" ] && files=1 ;; esac
done
if [ "$files" ]; then
    for a do
        shift
        case $a in
        @?*)
            if [ -f "${a#@}" ]; then
                while IFS= read -r b; do [ "$b" ] && set -- "$@" "$b"; done <<END
$(xargs printf '%s\n' <"${a#@}")
END
            else
                set -- "$@" "$a"
            fi
            ;;
        *) set -- "$@" "$a" ;;
        esac
    done
fi

link=1 cxx= crt= skip= keep= unwind= out=a.out strip= stdin= language=
for a do
    shift
    if [ "$skip" ]; then skip=; continue; fi
    if [ "$keep" ]; then
        [ "$keep" = -o ] && out=$a
        keep=
        set -- "$@" "$a"
        continue
    fi
    case $a in
    -) stdin=1 ;;
    -x*) language=1 ;;
    esac
    case $a in
    -o | -I | -isystem | -include | -MF | -MT | -MQ | -D | -U | -x | -framework | -install_name) keep=$a ;;
    -target | --target | -arch) skip=1; continue ;;
    --target=* | -target=* | -m64 | -m32 | -Wl,-melf_* | -mmacosx-version-min=* | -mmacos-version-min=* ) continue ;;
    -c | -S | -E | -M | -MM | -fsyntax-only) link= ;;
    # gcc and clang know C++ by its name and find its headers; zig wants to be called for it.
    *.cpp | *.cc | *.cxx | *.c++ | *.C) cxx=1 ;;
    # zig names processors its own way, and the row carries the processor.
    -march=armv* | -march=rv* | -march=i686 | -march=pentium4 | -march=x86-64 | -march=loongarch64 | -march=z* | -mcpu=* | -mabi=* | -mfloat-abi=* | -mfpu=vfp*) continue ;;
    -fuse-ld=* | -B*gcc-ld | -fno-use-linker-plugin | -nolibc | --unwindlib=* | -nodefaultlibs) continue ;;
    # Start files, by rustc's names or those of its self-contained folder: zig brings its own.
    rcrt1.o | Scrt1.o | crt1.o | crti.o | crtn.o | crtbegin*.o | crtend*.o | crt2.o | dllcrt2.o) crt=1; continue ;;
    rsbegin.o | rsend.o | */rsbegin.o | */rsend.o) continue ;;
    */self-contained/*.o) crt=1; continue ;;
    -L*/self-contained) continue ;;
    -L) keep=$a ;;
    esac
    case $a in
    # zig keeps one set of libc and compiler-rt for stripped links and one for others, and each costs up to a minute
    # the first time: link unstripped and strip afterwards.
    -s | -Wl,-s | -Wl,--strip-all) case ${OBJCOPY:+$TARGET} in *-linux-* | *-freebsd* | *-windows-*) strip=--strip-all; continue ;; esac ;;
    -Wl,-S | -Wl,--strip-debug) case ${OBJCOPY:+$TARGET} in *-linux-* | *-freebsd* | *-windows-*) strip=${strip:---strip-debug}; continue ;; esac ;;
    -Wl,--disable-auto-image-base | -Wl,--high-entropy-va | -Wl,--large-address-aware | -Wl,--dynamicbase | -Wl,--nxcompat) continue ;;
    -Wl,--no-undefined-version | -Wl,-plugin-opt=* | -Wl,-no_exported_symbols) continue ;;
    # zig's linker for Mach-O has no export lists: a cdylib exports everything.
    -Wl,-exported_symbols_list) skip=1; continue ;;
    -Wl,-exported_symbols_list,*) continue ;;
    # .NET's Native AOT says -pie once more to the linker, and for static programs gives an old glibc's mknod its new name:
    # zig's linker knows neither, and zig's libc for static programs is musl.
    -Wl,-pie | -Wl,--defsym,__xmknod=mknod) continue ;;
    -Wl,*.def) a=${a#-Wl,} ;;
    esac
    case $TARGET:$a in
    *-windows-*:-lgcc_eh | *-windows-*:-lgcc_s | *-windows-*:-lunwind)
        [ "$unwind" ] && continue
        unwind=1 a=-lunwind ;;
    *-windows-*:-l:libpthread.a | *-windows-*:-lgcc | *-windows-*:-lmsvcrt | *-windows-*:-lmingwex | *-windows-*:-lmingw32) continue ;;
    *-macos*:-liconv) continue ;;
    # The libc crate names them for the whole of FreeBSD; zig has stubs of its base libraries only.
    *-freebsd*:-lkvm | *-freebsd*:-lmemstat | *-freebsd*:-lprocstat | *-freebsd*:-ldevstat) continue ;;
    *-musl*:-lgcc_eh) a=-lunwind ;;
    # The row's own libraries are static, and after -Bdynamic zig would look for shared ones only.
    *:-l?*) [ -f "$PREFIX/lib/lib${a#-l}.a" ] && a=$PREFIX/lib/lib${a#-l}.a ;;
    esac
    set -- "$@" "$a"
done
if [ "$crt" ]; then
    for a do
        shift
        case $a in -nostartfiles) ;; *) set -- "$@" "$a" ;; esac
    done
fi
# Of standard input zig must be told the language, or it takes the version of glibc for a part of the target's name.
[ "$stdin" ] && [ -z "$language" ] && case $MODE in cc) set -- -x c "$@" ;; *) set -- -x c++ "$@" ;; esac
[ -d "$PREFIX" ] && set -- "$@" -isystem "$PREFIX/include"
# zig makes undefined behaviour a trap and __DATE__ an error; gcc and clang do neither unless they are asked.
if [ -z "$link" ]; then
    [ "$cxx" ] && MODE=c++
    exec "$ZIG" "$MODE" -target "$TARGET" -fno-sanitize=undefined -Wno-date-time @FLAGS@ "$@"
fi
[ -d "$PREFIX" ] && set -- "$@" "-L$PREFIX/lib"
# -O2 decides how zig builds its own libc and compiler-rt, once for all programs.
link() { "$ZIG" "$MODE" -target "$TARGET" -fno-sanitize=undefined -Wno-date-time -O2 @FLAGS@ "$@"; }
link "$@" || {
    code=$?
    # Once more for the name of a library that is not there: nothing is lost, for zig looks for them first.
    library=$(link "$@" 2>&1 | sed -n 's/.*unable to find .*system library .\([^ ]*\). using.*/\1/p' | head -n 1)
    [ "$library" ] && cat >&2 <<END
cross-flake: no library \`$library\` for $ROW in $PREFIX/lib or the -L folders of the command; those of this machine are not searched.
Try the package lib$library-dev: \`cargo xtask sysroot $ROW lib$library-dev\` unpacks the distribution's and names the folder for -L.
END
    exit $code
}
[ "$strip" ] || exit 0
case $TARGET in *-windows-*) rm -f "${out%.*}.pdb" ;; esac
exec "$OBJCOPY" "$strip" "$out"
