# Windows with Microsoft's ABI and nothing of Microsoft's, part of sysroot.sh: headers, lists of imports and the functions that UCRT
# does not export are MinGW-w64's, the start of programs is msvc.c.

abi=$target
# zig asks for an SDK where it is to link such a program; what it makes for MinGW is C and serves as well.
target=${target%-msvc}-gnu

parts="$parts windows"
. "$here/windows.sh"

libcxx() {
    echo "cross-flake: there is no C++ library for $abi" >&2
    exit 1
}

# The compiler's options, after those that sysroot.sh has written for MinGW.
options_of_clang() {
    triple=${triple%%-*}-pc-windows-msvc
    {
        echo "--target=$triple"
        echo '-resource-dir=<CFGDIR>/resource'
        # MinGW-w64's headers leave out all attributes for who is not gcc. Else clang says that it is Visual Studio 2022.
        printf '%s\n' -fgnuc-version=12.0 -fms-compatibility-version=19.40
        # Behind the folders of every -I and -isystem, as a sysroot's are.
        printf '%s\n' -Xclang -internal-isystem -Xclang '<CFGDIR>/sysroot/usr/include'
        for option in $options; do echo "$option"; done
    } >"$out/clang.cfg"
}

# MinGW-w64's headers, where they write out what clang for MSVC knows by itself: intrinsics, and setjmp, which gets its second argument
# from the compiler.
headers() {
    write "$include/psdk_inc/intrin-impl.h" <<END
#include <intrin.h>
END
    sed '
        s/\(_setjmp(jmp_buf _Buf\), void \*_Frame)/\1)/
        s/\(_setjmpex(jmp_buf _Buf\), void \*_Frame)/\1)/
        /^#pragma push_macro("__has_builtin")/,$d' "$include/setjmp.h" | write "$include/setjmp.h"
    cat >>"$include/setjmp.h" <<END
#undef setjmp
#ifdef __aarch64__
#define setjmp(buffer) _setjmpex(buffer)
#else
#define setjmp(buffer) _setjmp(buffer)
#endif
END
}

libraries() {
    said=$(call)
    headers
    options_of_clang
    place "$said" libmingw32.lib mingw32.lib
    # MinGW's own start of programs: a main that calls WinMain, say, would be found for each.
    "$zig" ar d mingw32.lib crtexewin.obj ucrtexewin.obj dllmain.obj tlssup.obj cinitexe.obj natstart.obj gccmain.obj _onexit.obj
    place "$said" zigc.lib zigc.lib
    builtins=$(clang -print-libgcc-file-name)
    mkdir -p "$(dirname "$builtins")"
    place "$said" compiler_rt.lib "$builtins"

    objects=
    for part in main wmain WinMain wWinMain dll dllmain initialisers atexit tls cookie chkstk fltused type_info terminate new statics threads; do
        language=c
        case $part in new) language='c++ -fno-exceptions' ;; esac
        # -fno-builtin: what looks like a function of C here is to stay what it is.
        clang -c -O2 -Wall -Werror -Wno-unused-parameter -ffreestanding -fno-builtin -fno-stack-protector -mno-stack-arg-probe \
            "-DPART_$part" -x $language "$here/msvc.c" -o "$part.obj"
        objects="$objects $part.obj"
    done
    "$zig" ar rcs start.lib $objects

    import_libraries
    set +f
    for file in "$usr_lib"/lib*.a; do
        name=${file##*/lib}
        mv "$file" "$usr_lib/${name%.a}.lib"
    done
    set -f
    mv "$usr_lib/ucrt.lib" imports.lib
    # One library under the names of Microsoft's many, for programs with UCRT as a DLL, which they are with +crt-static, too: there
    # is none to link. Their DLL of the compiler is not needed: UCRT has for MinGW what of it clang and rustc ask for.
    for name in ntdll kernel32; do cp "$usr_lib/$name.lib" .; done
    cp "$builtins" builtins.lib
    join all.lib start.lib imports.lib mingw32.lib zigc.lib kernel32.lib ntdll.lib builtins.lib
    rm "$usr_lib/msvcrt.lib"
    mv all.lib "$usr_lib/msvcrt.lib"
    alias_library() { ln "$2" "$usr_lib/$1.lib" 2>/dev/null || cp "$2" "$usr_lib/$1.lib"; }
    for name in msvcrtd libcmt libcmtd; do alias_library $name "$usr_lib/msvcrt.lib"; done
    # All that is in these is in that one.
    for name in ucrt ucrtd libucrt libucrtd vcruntime vcruntimed libvcruntime libvcruntimed oldnames legacy_stdio_definitions \
        m uuid dxguid mfuuid strmiids wbemuuid portabledeviceguids; do
        "$zig" ar rcs "$usr_lib/$name.lib"
    done
}
