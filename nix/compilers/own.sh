#!/bin/sh
# zig's compiler for the row that is the build machine itself. Of a triple cargo knows one linker, and so links by it build scripts and
# proc-macros, too: those are not beside the target's programs, and are linked as everything else that runs on this machine.
last=
case "$*" in
*.rcgu.o*)
    for a do
        [ "$last" != -o ] || case $a in
        */@TRIPLE@/*) ;;
        */build_script_* | */build-script-* | */lib*.so | */lib*.dylib) exec @HOST@ "$@" ;;
        esac
        last=$a
    done
    ;;
esac
exec @CC@ "$@"
