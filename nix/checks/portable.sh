# shellcheck shell=bash disable=SC2154
# The commands of a derivation: no program of $built needs this machine, or more than every system has. $interpreter is the
# loader that they have to name, or -.
while IFS= read -r -d '' file; do
    [ "$(head -c 4 "$file" | tr -d '\0')" != "$(printf '\177ELF')" ] || [ "$interpreter" = - ] || {
        # A static program names none, which no system minds.
        found=$(patchelf --print-interpreter "$file" 2>/dev/null || true)
        if [ "$found" ] && [ "$found" != "$interpreter" ]; then
            echo "$file: its loader is '$found', and should be '$interpreter'" >&2
            exit 1
        fi
        for library in $(patchelf --print-needed "$file" 2>/dev/null || true); do
            case $interpreter:$library in
            # What comes with every glibc, and gcc's library for unwinding, which Rust's std links.
            /*:ld-* | /*:ld64.so.* | /*:libanl.so.* | /*:libc.so.* | /*:libdl.so.* | /*:libgcc_s.so.* | /*:libm.so.*) ;;
            /*:libmvec.so.* | /*:libpthread.so.* | /*:libresolv.so.* | /*:librt.so.* | /*:libutil.so.*) ;;
            *)
                echo "$file needs the shared library $library, which is not on every system: link it statically (\`.override { static = true; }', or a package of pkgsStatic, in buildInputs), or give up \`portable'" >&2
                exit 1
                ;;
            esac
        done
    }
    # crane writes eeee… over the hashes of paths that only messages name.
    paths=$(grep -ao "$store/[0-9a-z]\{32\}-[a-zA-Z0-9._-]*" "$file" | grep -v "/e\{32\}-" || true)
    if [ "$paths" ]; then
        echo "$file names paths of the Nix store: $paths" >&2
        exit 1
    fi
done < <(find "$built" -path '*/bin/*' -type f -print0)
touch "$out"
