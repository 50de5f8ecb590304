#!/bin/sh
# Installs @name@ @version@: finds the archive for this machine, checks its SHA-256, and puts the programs into a directory.
#
#     sh @name@-install.sh [DIRECTORY]    the default is $HOME/.local/bin
#
# @variable@ names another place for the archives.
set -eu

url=${@variable@:-@url@}
to=${1:-$HOME/.local/bin}

die() {
    echo "@name@-install: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# System and processor as uname has them, the glibc that is needed, archive, SHA-256.
archives() {
    cat <<'END'
@archives@
END
}

# The machine's glibc; 0.0 with another C library.
glibc() {
    {
        getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>/dev/null | grep -v musl
    } | sed -n '1s/.*[^0-9.]\([0-9][0-9]*\.[0-9][0-9]*\).*$/\1/p' | grep . || echo 0.0
}

# at_least HAS NEEDS: are these versions?
at_least() {
    [ "${1%%.*}" -gt "${2%%.*}" ] || { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${1#*.}" -ge "${2#*.}" ]; }
}

fetch() {
    if has curl; then
        curl --fail --silent --show-error --location --output "$2" "$1"
    elif has wget; then
        wget -q -O "$2" "$1"
    else
        die "curl or wget is needed"
    fi
}

hash_of() {
    if has sha256sum; then
        sha256sum "$1"
    elif has shasum; then
        shasum -a 256 "$1"
    elif has openssl; then
        openssl dgst -sha256 -r "$1"
    else
        die "sha256sum, shasum or openssl is needed"
    fi | sed 's/[^0-9a-f].*//'
}

machine="$(uname -s) $(uname -m)"
here=$(glibc)
chosen=
while read -r system processor needs archive sha256; do
    # shellcheck disable=SC2254 # a processor may be a pattern
    case $machine in
    "$system "$processor) at_least "$here" "$needs" || continue ;;
    *) continue ;;
    esac
    chosen=$archive
    break
done <<END
$(archives)
END
[ -n "$chosen" ] || die "@name@ @version@ has no archive for $machine (glibc $here): see $url"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
fetch "$url/$chosen" "$scratch/$chosen" || die "cannot fetch $url/$chosen"
found=$(hash_of "$scratch/$chosen")
[ "$found" = "$sha256" ] || die "$chosen is not what was released: its SHA-256 is $found, not $sha256"
tar -xJf "$scratch/$chosen" -C "$scratch" || die "cannot unpack $chosen: tar and xz are needed"
mkdir -p "$to"
for program in @programs@; do
    # Another name first, so that a program is whole or not there, also while the old one runs.
    cp "$scratch/${chosen%.tar.xz}/$program" "$to/.$program.new"
    mv "$to/.$program.new" "$to/$program"
    echo "$to/$program"
done
case :$PATH: in
*":$to:"*) ;;
*) echo "$to is not in PATH" >&2 ;;
esac
