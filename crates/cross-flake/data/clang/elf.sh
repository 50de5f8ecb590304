# Linux with glibc or musl and FreeBSD, part of sysroot.sh.

libraries() {
    # LLD finds constructors and unwind tables by itself, so these start files need nothing in them.
    clang -c -x assembler /dev/null -o empty.o
    for name in crti crtn crtbegin crtbeginS crtbeginT crtend crtendS; do cp empty.o "$usr_lib/$name.o"; done

    case $target in
    *-linux-gnu*) glibc ;;
    *-linux-musl*) musl ;;
    *-freebsd*) freebsd ;;
    esac
}

# compiler_libraries CALL: compiler-rt and libunwind, also under the names by which gcc's users ask for them.
compiler_libraries() {
    place "$1" libcompiler_rt.a "$builtins"
    place "$1" libunwind.a "$usr_lib/libunwind.a"
    for name in gcc atomic; do ln "$builtins" "$usr_lib/lib$name.a" 2>/dev/null || cp "$builtins" "$usr_lib/lib$name.a"; done
    ln -s libunwind.a "$usr_lib/libgcc_eh.a"
    echo 'INPUT ( libunwind.a )' >"$usr_lib/libunwind.so"
    # Who links it without compiler-rt, as rustc does, expects gcc's in it.
    echo 'INPUT ( libunwind.a libgcc.a )' >"$usr_lib/libgcc_s.so"
}

# shared CALL: the shared libraries of a call, and the names without version by which they are linked.
shared() {
    for word in $1; do
        case $word in
        zig-cache/*.so.[0-9]*)
            file=${word##*/}
            cp "$word" "$usr_lib/$file"
            ln -s "$file" "$usr_lib/${file%%.so.*}.so"
            ;;
        esac
    done
}

glibc() {
    said=$(call -lunwind)
    place "$said" crt1.o "$usr_lib/crt1.o"
    place "$said" libc_nonshared.a "$usr_lib/libc_nonshared.a"
    compiler_libraries "$said"
    shared "$said"
    # The same, for position-independent programs: zig compiles a start file more and takes the rest from its cache.
    place "$(call -lunwind -fPIE)" Scrt1.o "$usr_lib/Scrt1.o"
    # Since 2.34 libc itself has what is in these, and there are archives with nothing in them. Before, they are found without
    # being named, as zig does. What zig calls libld.so.2 is the loader's library, which has __tls_get_addr.
    needed=libld.so.2
    for name in pthread dl rt util; do
        if [ -e "$usr_lib/lib$name.so" ]; then
            needed="$needed $(readlink "$usr_lib/lib$name.so")"
        else
            "$zig" ar rcs "$usr_lib/lib$name.a"
        fi
    done
    rm "$usr_lib/libc.so" "$usr_lib/libld.so"
    echo "GROUP ( libc.so.6 libc_nonshared.a AS_NEEDED ( $needed ) )" >"$usr_lib/libc.so"
}

musl() {
    # Position-independent, so that they serve programs of each kind; musl's own start files differ in nothing else.
    said=$(call -lunwind -static -fPIE)
    place "$said" rcrt1.o "$usr_lib/rcrt1.o"
    place "$said" libc.a part1.a
    # In position-independent code for MIPS, zig 0.17's LLVM calls private functions by names that they have not. Programs there are linked
    # at fixed addresses, and can do without.
    case $target in mips*) said=$(call -lunwind -static) ;; esac
    compiler_libraries "$said"
    place "$said" libzigc.a part2.a
    # memcpy and its kin are in zig's compiler-rt, and who links without it, as rustc does, expects them here.
    place "$said" libcompiler_rt.a part3.a
    join libc.a part1.a part2.a part3.a
    mv libc.a "$usr_lib/libc.a"
    said=$(call -dynamic -fPIE)
    for name in crt1 Scrt1; do place "$said" Scrt1.o "$usr_lib/$name.o"; done
    # What shared libraries are linked with.
    place "$said" libc.so "$usr_lib/libc.so"
    # musl has all of these in libc, and empty archives where POSIX has a library.
    for name in m rt pthread crypt util xnet resolv dl; do "$zig" ar rcs "$usr_lib/lib$name.a"; done
    # No shared library can be a part of a static program.
    rm "$usr_lib/libgcc_s.so"
    ln -s libunwind.a "$usr_lib/libgcc_s.a"
}

freebsd() {
    said=$(call -lunwind)
    place "$said" crt1.o "$usr_lib/crt1.o"
    compiler_libraries "$said"
    shared "$said"
    place "$(call -lunwind -fPIE)" Scrt1.o "$usr_lib/Scrt1.o"
    ln -s libthr.so "$usr_lib/libpthread.so"
    # The libc crate names them for the whole of FreeBSD, and zig has no stubs of them: who calls them gets an undefined symbol.
    for name in kvm memstat procstat devstat; do "$zig" ar rcs "$usr_lib/lib$name.a"; done
}

# The version of glibc in which each of its functions came, one a line. zig keeps the assembly of its stubs beside them.
versions() {
    said=$(call)
    set +f
    for word in $said; do
        case $word in */libc.so.6) cat "${word%/*}"/*.s ;; esac
    done | sed -n 's/^\.symver [^ ]*, \([^@]*\)@@GLIBC_\([0-9.]*\).*/\1 \2/p'
}
