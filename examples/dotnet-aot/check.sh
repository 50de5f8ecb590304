#!/bin/sh
# Checks, one by one, what Native AOT needs of a machine to publish for the target of this shell: a linker that emits for the
# target, its C runtime, its zlib and an objcopy. The object files are C that stands for what ilc and the runtime packs bring.
#
# OUT                      a folder for everything that is made (default: a temporary one)
# CROSSCOMPILING_EMULATOR  starts programs of the target; without it the program is not run
#
# The lines for linker and objcopy are those of Microsoft.NETCore.Native.Unix.targets and Microsoft.NETCore.Native.targets
# of .NET 10 (dotnet/runtime, src/coreclr/nativeaot/BuildIntegration), argument by argument.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${OUT:-}" ]; then
    OUT=$(mktemp -d)
    trap 'rm -rf "$OUT"' EXIT
fi
mkdir -p "$OUT"
cd "$OUT"

passed() { printf 'ok    %s\n' "$1"; }
failed() {
    printf 'FAIL  %s\n' "$1" >&2
    if [ -s log ]; then sed 's/^/      /' log >&2; fi
    exit 1
}
# do_or_fail PREREQUISITE COMMAND...
do_or_fail() {
    prerequisite=$1
    shift
    "$@" >log 2>&1 </dev/null || failed "$prerequisite: \`$*\`"
}
bytes() { od -An -v -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n'; }
has_section() { LC_ALL=C grep -aqF "$2" "$1"; }

# The RIDs for which there is a Native AOT compiler (dotnet/sdk, GenerateBundledVersions.targets), and of each the ELF class
# and the number of the machine.
: >log
case ${CARGO_BUILD_TARGET:-} in
x86_64-*-linux-gnu) rid=linux-x64 elf=02:3e00 ;;
x86_64-*-linux-musl) rid=linux-musl-x64 elf=02:3e00 ;;
aarch64-*-linux-gnu) rid=linux-arm64 elf=02:b700 ;;
aarch64-*-linux-musl) rid=linux-musl-arm64 elf=02:b700 ;;
armv7-*-linux-gnueabihf) rid=linux-arm elf=01:2800 ;;
armv7-*-linux-musleabihf) rid=linux-musl-arm elf=01:2800 ;;
riscv64gc-*-linux-gnu) rid=linux-riscv64 elf=02:f300 ;;
riscv64gc-*-linux-musl) rid=linux-musl-riscv64 elf=02:f300 ;;
loongarch64-*-linux-gnu) rid=linux-loongarch64 elf=02:0201 ;;
'') failed "CARGO_BUILD_TARGET is not set: run this in the shell of a target" ;;
*) failed "Native AOT has no runtime identifier for $CARGO_BUILD_TARGET" ;;
esac
echo "$rid"

# ── One by one ───────────────────────────────────────────────────────────────────────────────────
linker=${CppCompilerAndLinker:-clang}
command -v "$linker" >log 2>&1 || failed "linker: CppCompilerAndLinker is \`$linker\`, which is not there"
emits_for_target() {
    found=$(bytes "$1" 4 1):$(bytes "$1" 18 2)
    [ "$found" = $elf ] || failed "linker: $linker emits ELF $found, and $rid is $elf"
}
echo 'int main(void) { return 0; }' >main.c
do_or_fail "linker and C runtime" "$linker" main.c -o main
emits_for_target main
passed "linker: $linker"
do_or_fail "C runtime" "$linker" main.c -o main -pthread -ldl -lrt -lm
passed "C runtime"
printf '#include <zlib.h>\nint main(void) { return !zlibVersion(); }\n' >zlib.c
do_or_fail zlib "$linker" zlib.c -o zlib -lz
emits_for_target zlib
passed zlib

# ── What is to be linked ─────────────────────────────────────────────────────────────────────────
static=
case $rid in linux-musl-*) static=-DSTATIC ;; esac
for part in managed bootstrapper runtime; do
    do_or_fail "C compiler" "$linker" -c -g -O2 -fPIC -fasynchronous-unwind-tables -ffunction-sections -fdata-sections \
        $static "$here/prerequisites/$part.c" -o $part.o
done
rm -f libRuntime.WorkstationGC.a
do_or_fail archiver "${AR:-ar}" -crs libRuntime.WorkstationGC.a runtime.o

# ── The link line ────────────────────────────────────────────────────────────────────────────────
flavor=${LinkerFlavor:-bfd}
cat >dotnet-aot.exports <<END
V1.0 {
    global: answer; DotNetRuntimeContractDescriptor;
    local: *;
};
END
set -- managed.o -o dotnet-aot -Wl,--version-script=dotnet-aot.exports -Wl,--export-dynamic
set -- "$@" -Wl,-u,DotNetRuntimeContractDescriptor -gz=zlib "-fuse-ld=$flavor"
set -- "$@" bootstrapper.o libRuntime.WorkstationGC.a
if [ "${SysRoot:-}" ]; then set -- "$@" "--sysroot=$SysRoot"; fi
# The target's name as clang knows it, where the build machine is another (CrossCompileRid).
case $rid in
*-x64) arch=x86_64 abi=gnu ;;
*-arm64) arch=aarch64 abi=gnu ;;
*-arm) arch=armv7 abi=gnueabihf ;;
*) arch=${rid##*-} abi=gnu ;;
esac
case $rid in linux-musl-arm) abi=musleabihf ;; linux-musl-*) abi=musl ;; esac
case $arch-$abi in "$(uname -m)-gnu") ;; *) set -- "$@" "--target=$arch-linux-$abi" ;; esac
set -- "$@" -g -Wl,--build-id=sha1 -Wl,--as-needed -pthread
# -lz is what UseSystemZlib adds; .NET 8 knows nothing else.
set -- "$@" -ldl -lz -lrt -lm
case $rid in *-riscv64 | *-loongarch64) set -- "$@" -latomic ;; esac
case $static in
'') set -- "$@" -pie -Wl,-pie ;;
*) set -- "$@" -static-pie ;;
esac
set -- "$@" -Wl,-z,relro -Wl,-z,now
# IlcDefaultStackSize, and StaticExecutable's two.
case $rid in linux-musl-*) set -- "$@" -Wl,-z,stack-size=1572864 -Wl,--defsym,__xmknod=mknod ;; esac
set -- "$@" -Wl,--eh-frame-hdr -Wl,--discard-all -Wl,--gc-sections
if [ "$flavor" = lld ]; then
    "$linker" -fuse-ld=lld -Wl,--version >log 2>&1 </dev/null || failed "linker: it does not tell its version"
    version=$(grep -o '[1-9][0-9]*' log | head -n 1)
    if [ "${version:-0}" -gt 12 ]; then
        echo 'OVERWRITE_SECTIONS { __modules : { KEEP(*(__modules)) } }' >sections.ld
        set -- "$@" -Wl,-T,sections.ld
    fi
fi
rm -f dotnet-aot dotnet-aot.dbg
do_or_fail "linker, with Native AOT's own line" "$linker" "$@"
emits_for_target dotnet-aot
[ "$(bytes dotnet-aot 16 2)" = 0300 ] || failed "linker: the program is not position-independent"
has_section dotnet-aot .note.gnu.build-id || failed "linker: the program has no build id"
has_section dotnet-aot .debug_info || failed "linker: the program has no debug information"
passed "Native AOT's link line"

# ── Symbols ──────────────────────────────────────────────────────────────────────────────────────
objcopy=${ObjCopyName:-objcopy}
command -v "$objcopy" >log 2>&1 || failed "objcopy: ObjCopyName is \`$objcopy\`, which is not there"
do_or_fail objcopy "$objcopy" --only-keep-debug dotnet-aot dotnet-aot.dbg
do_or_fail objcopy "$objcopy" --strip-debug --strip-unneeded dotnet-aot
do_or_fail objcopy "$objcopy" --add-gnu-debuglink=dotnet-aot.dbg dotnet-aot
has_section dotnet-aot.dbg .debug_info || failed "objcopy: the debug information is lost"
if has_section dotnet-aot .debug_info; then failed "objcopy: the program still has its debug information"; fi
has_section dotnet-aot .gnu_debuglink || failed "objcopy: the program does not name its debug information"
passed "objcopy: $objcopy"

# ── What it does ─────────────────────────────────────────────────────────────────────────────────
if [ -z "${CROSSCOMPILING_EMULATOR:-}" ]; then
    echo "      not run: CROSSCOMPILING_EMULATOR is not set"
    exit
fi
case $static in '') exports=answer ;; *) exports=none ;; esac
cat >expected <<END
modules 1 RTR
managed code whole
unboxing stubs present
threads 21 22
zlib packs
exports $exports
unwind tables complete
END
"$CROSSCOMPILING_EMULATOR" ./dotnet-aot >said 2>log </dev/null || failed "the program does not run (exit code $?)"
diff expected said >log || failed "the program does not find what it needs"
passed "the program runs: code, threads, zlib, exports and unwind tables are whole"
