# shellcheck shell=bash disable=SC2154
# The commands of a derivation: no program of $built needs this machine. $interpreter is the loader that they have to name, or -.
while IFS= read -r -d '' file; do
    if [ "$interpreter" != - ]; then
        found=$(patchelf --print-interpreter "$file" 2>/dev/null || true)
        if [ "$found" != "$interpreter" ]; then
            echo "$file: its loader is '$found', and should be '$interpreter'" >&2
            exit 1
        fi
    fi
    # crane writes eeee… over the hashes of paths that only messages name.
    paths=$(grep -ao "$store/[0-9a-z]\{32\}-[a-zA-Z0-9._-]*" "$file" | grep -v "/e\{32\}-" || true)
    if [ "$paths" ]; then
        echo "$file names paths of the Nix store: $paths" >&2
        exit 1
    fi
done < <(find "$built" -path '*/bin/*' -type f -print0)
touch "$out"
