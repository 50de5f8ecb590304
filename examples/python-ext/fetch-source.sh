#!/bin/sh
# fetch-source.sh INTO: the source of CPython from the machine's Debian mirror, unpacked; INTO is made whole or not at all.
set -eu
[ $# = 1 ] || { echo "usage: $0 INTO" >&2; exit 2; }
[ ! -e "$1" ] || exit 0
# Debian 13's, as its signed list of sources has it. It is to be the version of the build platform's interpreter.
file=python3.13_3.13.5.orig.tar.xz
sha256=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
rm -rf "$1.new"
mkdir -p "$1.new"
# apt's own way to fetch a file, with the machine's proxy; it refuses one with another hash.
/usr/lib/apt/apt-helper download-file "$mirror/pool/main/p/python3.13/$file" "$1.new/$file" "SHA256:$sha256" >&2
tar -xf "$1.new/$file" -C "$1.new" --strip-components=1
rm "$1.new/$file"
mv "$1.new" "$1"
