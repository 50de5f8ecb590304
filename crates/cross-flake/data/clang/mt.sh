#!/bin/sh
# Stands for Microsoft's mt.exe, which LLD calls where a program is to hold a manifest of its own (/MANIFESTINPUT): it joins that with the
# one that LLD makes itself, which comes first.
#
#   mt.exe /manifest LLDS /manifest FILE /nologo /out:JOINED
set -eu
fail() {
    echo "cross-flake: mt.exe: $*" >&2
    exit 1
}
first='' own='' out=''
while [ $# -gt 0 ]; do
    case $1 in
    [-/]manifest)
        if [ -z "$first" ]; then first=$2; elif [ -z "$own" ]; then own=$2; else fail "more than one manifest cannot be joined: $own and $2"; fi
        shift
        ;;
    [-/]out:*) out=${1#?out:} ;;
    [-/]nologo) ;;
    *) fail "option $1 is unknown" ;;
    esac
    shift
done
[ -f "$own" ] || fail "there is no manifest ${own:-at all}"
[ "$(LC_ALL=C tr -dc '\000' <"$own" | wc -c)" -eq 0 ] || fail "$own is not UTF-8"

# element NAME: an element of LLD's manifest, which writes each on lines of its own; with its namespace, which is not always that of FILE.
element() {
    sed -n "/^  <$1[ >]/,/^  <\\/$1>/p" "$first" | tr -d '\r' | sed "s|^  <$1>|  <$1 xmlns=\"urn:schemas-microsoft-com:asm.v1\">|"
}
more=$(element dependency)
# There is one alone, and what the program says of it itself counts.
grep -q '<\([A-Za-z0-9]*:\)\{0,1\}trustInfo' "$own" || more="$(element trustInfo)
$more"
content=$(cat "$own")
# The last tag closes the whole.
before=${content%</*}
printf '%s%s\n%s\n' "$before" "$more" "${content#"$before"}" >"$out"
