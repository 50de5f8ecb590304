# WASI, part of sysroot.sh.

position=

libraries() {
    # Where clang looks in a sysroot for WASI's.
    mkdir "$root/lib"
    ln -s usr/include "$root/include"
    ln -s ../usr/lib "$root/lib/${triple%%-*}-${triple##*-}"

    said=$(call)
    place "$said" crt1-command.o "$usr_lib/crt1-command.o"
    place "$(call -mexec-model=reactor)" crt1-reactor.o "$usr_lib/crt1-reactor.o"
    place "$said" libcompiler_rt.a "$builtins"
    # zig links all of these; wasi-libc has them in one.
    place "$said" libc.a part1.a
    place "$said" libzigc.a part2.a
    join libc.a part1.a part2.a "$builtins"
    mv libc.a "$usr_lib/libc.a"
    # In libc as well; wasi-libc has empty archives where POSIX has a library, and its emulations in libraries of their own.
    for name in m rt pthread crypt util xnet resolv dl wasi-emulated-signal wasi-emulated-mman wasi-emulated-getpid \
        wasi-emulated-process-clocks; do
        "$zig" ar rcs "$usr_lib/lib$name.a"
    done
    # libc++ is built without them.
    echo '-fno-exceptions' >>"$out/clang.cfg"
}
