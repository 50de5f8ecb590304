# The phases of the standard environment that cross-flake's packages use.
set -eu -o pipefail
for package in ${nativeBuildInputs-} ${packages-}; do
    PATH=$package/bin:$PATH
done
export PATH TMPDIR="${TMPDIR:-$NIX_BUILD_TOP}"
cd "$NIX_BUILD_TOP"
# Where builds have zig keep what it compiles: the C libraries of the rows are there, as the portable provider has made them.
ln -s "$zigCache" zig

if [ "${buildCommand-}" ]; then
    eval "$buildCommand"
    exit
fi
cp -r "$src" source
chmod -R u+w source
cd source
eval "${postPatch-}"
eval "${preBuild-}"
eval "$buildPhase"
if [ "${doCheck-}" ]; then eval "${checkPhase-}"; fi
eval "$installPhase"
# An attribute is before the hooks of packages, as in nixpkgs' runHook.
eval "${postInstall-}"
eval "${postInstallHooks-}"
eval "${postFixup-}"
