#!/bin/sh
# programs.sh ZPACK [ZLINES]: what the programs print and exit with, under $CROSSCOMPILING_EMULATOR; empty runs them directly.
# Works in the current folder: WASI programs see no more of the file system than that, with some emulators.
set -u
zpack=$1
zlines=${2-}
dir=programs.tmp
failures=0

# expect CODE COMMAND...: the exit code, through the emulator. Windows programs end their lines with CR LF.
expect() {
    want=$1
    shift
    ${CROSSCOMPILING_EMULATOR-} "$@" >$dir/raw 2>$dir/err </dev/null
    got=$?
    tr -d '\r' <$dir/raw >$dir/out
    [ $got = "$want" ] && return
    echo "exit code $got, not $want: $*" >&2
    cat $dir/err >&2
    failures=$((failures + 1))
}

# prints TEXT: what the last command printed.
prints() {
    [ "$(cat $dir/out)" = "$1" ] && return
    echo "printed: $(cat $dir/out)" >&2
    echo "    not: $1" >&2
    failures=$((failures + 1))
}

rm -rf $dir
mkdir $dir || exit
printf 'b\na\nb\n' >$dir/text

expect 0 "$zpack" sum $dir/text
prints 'crc32 875de2d8 adler32 04f40144 bytes 6'
expect 0 "$zpack" pack $dir/text $dir/packed
expect 0 "$zpack" unpack $dir/packed $dir/again
cmp $dir/text $dir/again || failures=$((failures + 1))
expect 1 "$zpack" unpack $dir/text $dir/again
expect 2 "$zpack"
expect 3 "$zpack" sum $dir/missing

if [ "$zlines" ]; then
    expect 0 "$zlines" $dir/packed
    prints '  2 b
  1 a'
    expect 1 "$zlines" $dir/text
    expect 2 "$zlines"
    expect 3 "$zlines" $dir/missing
fi

echo "programs${zlines:+ with zlines}: $failures failed"
[ $failures = 0 ] && rm -rf $dir
