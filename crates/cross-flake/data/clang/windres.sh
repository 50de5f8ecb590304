#!/bin/sh
# windres, which makes objects of Windows' resources: zig's resource compiler, told in the words of the GNU tool (its manual page). The
# names under which it is looked for begin with the architecture, or what cargo says to build scripts decides.
ZIG=@ZIG@
ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-@CACHE@}
ZIG_LOCAL_CACHE_DIR=${ZIG_LOCAL_CACHE_DIR:-$ZIG_GLOBAL_CACHE_DIR}
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR

arch=${0##*/}
case $arch in
*-w64-mingw32-windres) arch=${arch%%-*} ;;
*) arch=${CARGO_CFG_TARGET_ARCH:-${CARGO_BUILD_TARGET:-x86_64}} arch=${arch%%-*} ;;
esac

input= output= format=
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
    --*=*) name=${word%%=*} value=${word#*=} own=1 ;;
    --*) name=$word value=${1:-} own= ;;
    -[ioIDUJOFlcr]?*) rest=${word#-?} name=${word%"$rest"} value=$rest own=1 ;;
    *) name=$word value=${1:-} own= ;;
    esac
    case $name in
    -V | --version) echo "GNU windres (cross-flake) 2.40, which is zig rc"; exit ;;
    -h | -H | --help) echo "Usage: windres [option(s)] [input-file] [output-file]"; exit ;;
    -v | --verbose | -r | --use-temp-file | --no-use-temp-file) continue ;;
    -i | --input) input=$value ;;
    -o | --output) output=$value ;;
    -O | --output-format) format=$value ;;
    -F | --target)
        case $value in
        pe-x86-64 | pei-x86-64 | pe-bigobj-x86-64 | x86_64-*) arch=x86_64 ;;
        pe-i386 | pei-i386 | pe-bigobj-i386 | i[3-6]86-*) arch=x86 ;;
        pe-aarch64-little | pei-aarch64-little | aarch64-* | arm64-*) arch=aarch64 ;;
        *) echo "windres: cross-flake knows no target $value: it is pe-x86-64, pe-i386 or pe-aarch64-little" >&2; exit 1 ;;
        esac
        ;;
    # zig tells by the name and by the content what it is given, and runs a preprocessor of its own.
    -J | --input-format | --preprocessor | --preprocessor-arg) ;;
    -I | --include-dir) set -- "$@" /i "$value" ;;
    -D | --define) set -- "$@" /d "$value" ;;
    -U | --undefine) set -- "$@" /u "$value" ;;
    -l | --language) set -- "$@" /l "${value#0x}" ;;
    -c | --codepage) set -- "$@" /c "$value" ;;
    -?*)
        echo "windres: cross-flake's has no option $name" >&2
        exit 1
        ;;
    *)
        own=1
        if [ -z "$input" ]; then input=$word; else output=$word; fi
        ;;
    esac
    # The next word was the value.
    [ "$own" ] || [ "$count" = 0 ] || {
        shift
        count=$((count - 1))
    }
done
[ "$input" ] && [ "$output" ] || {
    echo "windres: cross-flake's reads a file and writes a file: name both" >&2
    exit 1
}
case $format:$output in
res:* | :*.res) format=res ;;
*) format=coff ;;
esac
case $arch in i[3-6]86) arch=x86 ;; esac
exec "$ZIG" rc /:output-format "$format" /:target "$arch" /:auto-includes gnu "$@" -- "$input" "$output"
