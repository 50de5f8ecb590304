# Windows with MinGW-w64's headers and libraries, part of sysroot.sh.

archive() { echo "$1.lib"; }
position=

libraries() {
    # Where clang looks for MinGW's in a sysroot.
    ln -s usr/include "$root/include"
    ln -s usr/lib "$root/lib"
    clang -c -x assembler /dev/null -o "$usr_lib/crtbegin.o"
    cp "$usr_lib/crtbegin.o" "$usr_lib/crtend.o"

    # That LLD links is what clang wants to know before it makes objects for it to compile.
    echo '-fuse-ld=lld' >>"$out/clang.cfg"

    said=$(call -lunwind)
    place "$said" crt2.obj "$usr_lib/crt2.o"
    place "$said" compiler_rt.lib "$builtins"
    place "$said" unwind.lib "$usr_lib/libunwind.a"
    # zig keeps in one library what MinGW-w64 keeps in a dozen, and the functions of libc that it has written itself in another.
    place "$said" libmingw32.lib part1.a
    place "$said" zigc.lib part2.a
    join libmingw32.a part1.a part2.a
    mv libmingw32.a "$usr_lib/libmingw32.a"
    # The start files of shared libraries and of programs with wmain.
    place "$(kind=build-lib call -dynamic)" dllcrt2.obj "$usr_lib/dllcrt2.o"
    echo 'int wmain(void) { return 0; }' >question.c
    place "$(call -municode)" crt2.obj "$usr_lib/crt2u.o"

    for name in gcc atomic; do alias_library "$name" "$builtins"; done
    for name in gcc_eh gcc_s; do alias_library "$name" "$usr_lib/libunwind.a"; done
    import_libraries
    # All of these are in libmingw32. Names of libraries of identifiers are those of MinGW-w64.
    for name in m mingwex mingwthrd moldname pthread winpthread ssp ssp_nonshared delayimp \
        uuid adsiid amstrmid dinput dmoguids dxerr8 dxerr9 dxguid ksguid ksuser locationapi mfuuid portabledeviceguids sapi \
        sensorsapi strmiids taskschd wbemuuid windowscodecs_guid wmcodecdspuuid; do
        [ -e "$usr_lib/lib$name.a" ] || "$zig" ar rcs "$usr_lib/lib$name.a"
    done
}

# alias_library NAME FILE: a library under one more name.
alias_library() { ln "$2" "$usr_lib/lib$1.a" 2>/dev/null || cp "$2" "$usr_lib/lib$1.a"; }

# An import library for each of Windows' libraries that MinGW-w64 has a list of.
import_libraries() {
    # kill-at: 32-bit Windows exports functions without the `@N' that their callers write.
    case $target in
    x86_64-*) machine=i386:x86-64 define=DEF_X64 folders='lib64 lib-common' kill= ;;
    x86-*) machine=i386 define=DEF_I386 folders='lib32 lib-common' kill=--kill-at ;;
    # zig has no lists for arm64 alone. The names of functions are those of x64.
    aarch64-*) machine=arm64 define=DEF_ARM64 folders='lib-common lib64' kill= ;;
    esac
    mkdir import
    set +f
    for folder in $folders; do
        for list in lib/libc/mingw/$folder/*.def lib/libc/mingw/$folder/*.def.in; do
            name=${list##*/} name=${name%.in} name=${name%.def}
            [ -e "$list" ] && [ ! -e "import/lib$name.a" ] || continue
            case $list in
            *.in)
                # Lists that others include are none themselves.
                clang -E -P -w -x c "-D$define" -Ilib/libc/mingw/def-include "$list" -o all.def && grep -q '^LIBRARY' all.def || continue
                # What is for all architectures is written as for 32-bit Windows.
                case $define in DEF_I386) cp all.def list.def ;; *) sed 's/^\([A-Za-z0-9_]*\)@[0-9]*/\1/' all.def >list.def ;; esac
                list=list.def
                ;;
            esac
            # Some lists of forgotten libraries are not understood; zig passes over them, too.
            "$zig" dlltool $kill -m "$machine" -d "$list" -l "import/lib$name.a" 2>/dev/null || echo "no import library $name" >&2
        done
    done
    cd import
    join libmsvcrt.a libapi-ms-win-crt-*.a
    join libsynchronization.a libapi-ms-win-core-synch-l1-2-*.a
    join libruntimeobject.a libapi-ms-win-core-winrt-*.a
    # Of what a store application may call, lists with this name have a part.
    join libwindowsapp.a $(for name in libapi-ms-win-*.a; do
        case $name in
        libapi-ms-win-crt-*) continue ;;
        *_windowsapp.a) ;;
        *) [ ! -e "${name%.a}_windowsapp.a" ] || continue ;;
        esac
        echo "$name"
    done)
    rm -f lib*_windowsapp.a
    cp libwindowsapp.a libmincore.a
    cp libmsvcrt.a libucrt.a
    cp libd3dcompiler_47.a libd3dcompiler.a
    cp libxinput1_4.a libxinput.a
    join libvfw32.a libmsvfw32.a libavifil32.a libavicap32.a
    cd ..
    mv import/*.a "$usr_lib"
    set -f
}
