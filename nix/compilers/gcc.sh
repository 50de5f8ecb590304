#!/bin/sh
# gcc for one row, over that of nixpkgs; gcc.nix fills in the marks.

# .NET's Native AOT names the target as clang wants it, and gcc refuses that (dotnet/runtime#78559).
for a do
    shift
    case $a in --target=*) ;; *) set -- "$@" "$a" ;; esac
done
@SETUP@
@STATIC@
set -- @FLAGS@ "$@"
@CC@ "$@" && exit
code=$?
# gcc answers with the bare name where it finds no such file. Nothing is asked of a command without libraries.
for a do
    case $a in
    -l:*) ;;
    -l?*)
        for file in "lib${a#-l}.so" "lib${a#-l}.a"; do
            [ "$(@CC@ "$@" "-print-file-name=$file" 2>/dev/null)" = "$file" ] || continue 2
        done
        echo "cross-flake: no library \`${a#-l}' for @ROW@ in the folders of its own or those of -L; those of this machine are not searched." >&2
        echo "Add its package to buildInputs: \`buildInputs = { pkgsCross, ... }: [ pkgsCross.openssl ];', say." >&2
        ;;
    esac
done
exit $code
