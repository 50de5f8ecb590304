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
        # Macros that clang for MinGW defines; windows.h would do that here, and not every header includes it.
        case $triple in i686-*) echo -D_X86_=1 ;; aarch64-*) echo -D_ARM64_=1 ;; esac
        # Windows makes no difference between Windows.h and windows.h.
        printf '%s\n' -Xclang -ivfsoverlay -Xclang '<CFGDIR>/headers.json' -Wno-nonportable-include-path
        # libc++ without Microsoft's half of it, as far as it is in headers: there is no library of it.
        printf '%s\n' -D_LIBCPP_NO_VCRUNTIME -D_LIBCPP_NO_AUTO_LINK
        printf '%s\n' -Xclang -cxx-isystem -Xclang '<CFGDIR>/sysroot/usr/include/c++/v1'
        # Behind the folders of every -I and -isystem, as a sysroot's are.
        printf '%s\n' -Xclang -internal-isystem -Xclang '<CFGDIR>/sysroot/usr/include'
        for option in $options; do echo "$option"; done
    } >"$out/clang.cfg"
}

# MinGW-w64's headers, where they write out what clang for MSVC knows by itself: intrinsics, a word for inline, and setjmp, which gets
# its second argument from the compiler.
headers() {
    # And what winnt.h promises and clang has for Arm alone, or under another name.
    write "$include/psdk_inc/intrin-impl.h" <<END
#pragma once
#include <intrin.h>
#ifndef __aarch64__
static __inline__ long _InterlockedAdd(long volatile *sum, long n) { return __sync_add_and_fetch(sum, n); }
static __inline__ __int64 _InterlockedAdd64(__int64 volatile *sum, __int64 n) { return __sync_add_and_fetch(sum, n); }
#endif
#define InterlockedBitTestAndSet _interlockedbittestandset
#define InterlockedBitTestAndReset _interlockedbittestandreset
END
    sed 's/^#define __forceinline .*/#define __forceinline __forceinline/' "$include/_mingw.h" | write "$include/_mingw.h"
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
    # By this libc++ would take the C library's headers for Microsoft's.
    sed '/# *define _LIBCPP_MSVCRT\>/d' "$include/c++/v1/__config" | write "$include/c++/v1/__config"
    # Every header once more, in a tree in which case does not count (clang's manual, "VFS overlay").
    {
        echo '{"version": 0, "case-sensitive": "false", "root-relative": "overlay-dir", "overlay-relative": "true", "roots": ['
        set +f
        for folder in sysroot/usr/include sysroot/usr/include/GL sysroot/usr/include/ddk sysroot/usr/include/sys; do
            echo "{\"name\": \"$folder\", \"type\": \"directory\", \"contents\": ["
            for file in "$out/$folder"/*.h; do
                echo "{\"name\": \"${file##*/}\", \"type\": \"file\", \"external-contents\": \"$folder/${file##*/}\"},"
            done | sed '$s/,$//'
            echo ']},'
        done | sed '$s/,$//'
        set -f
        echo ']}'
    } >"$out/headers.json"
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
    helpers=
    case $abi in x86-*)
        # 64-bit arithmetic of 32-bit code, which Windows has in ntdll. The list of it has names with @16, and compilers call none such.
        {
            echo 'LIBRARY ntdll.dll'
            echo EXPORTS
            for name in alldiv alldvrm allmul allrem allshl allshr aulldiv aulldvrm aullrem aullshr; do echo "_$name"; done
        } >helpers.def
        "$zig" dlltool -m i386 -d helpers.def -l helpers.lib
        helpers=helpers.lib
        ;;
    esac
    join all.lib start.lib imports.lib mingw32.lib zigc.lib kernel32.lib $helpers ntdll.lib builtins.lib
    rm "$usr_lib/msvcrt.lib"
    mv all.lib "$usr_lib/msvcrt.lib"
    alias_library() { ln "$2" "$usr_lib/$1.lib" 2>/dev/null || cp "$2" "$usr_lib/$1.lib"; }
    for name in msvcrtd libcmt libcmtd; do alias_library $name "$usr_lib/msvcrt.lib"; done
    # All that is in these is in that one.
    for name in ucrt ucrtd libucrt libucrtd vcruntime vcruntimed libvcruntime libvcruntimed oldnames legacy_stdio_definitions \
        delayimp m uuid dxguid mfuuid strmiids wbemuuid portabledeviceguids; do
        "$zig" ar rcs "$usr_lib/$name.lib"
    done
}
