# What one row has to pass: { test, conformance, portable, shell }, each a derivation that fails if it does not hold.
{
  pkgs,
  environment,
  # The row's package.
  package,
}:
let
  inherit (pkgs) lib;
  inherit (environment) row runner;

  exports =
    variables:
    lib.concatStrings (
      lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") variables
    );
  enter = ''
    export PATH=${lib.makeBinPath environment.path}:$PATH ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig
    ${exports (environment.scoped // environment.shell)}
  '';
  suffix =
    if row.isWindows then
      ".exe"
    else if lib.hasPrefix "wasm" row.triple then
      ".wasm"
    else
      "";
in
{
  # The package itself: its check phase runs its tests under emulation.
  test = package;

  # CC, libc and zlib, by the programs that `cargo cross-flake conformance` compiles, too.
  conformance = pkgs.runCommand "conformance-${row.name}" { } (
    if !environment.shell ? CC then
      "echo 'no C compiler for ${row.name}' > $out"
    else
      ''
        ${enter}
        $CC -std=c11 -ffreestanding -Wall -Wextra -Werror -c ${../crates/cross-flake/data/conformance/freestanding.c} -o freestanding.o
        ${lib.optionalString row.hasLibc ''
          $CC -std=c11 -O1 ${../crates/cross-flake/data/conformance/conformance.c} -o conformance${suffix} -lz -lm
          ${lib.optionalString (runner.absent == null) "cross-flake-run-${row.name} ./conformance${suffix}"}
        ''}
        touch $out
      ''
  );

  # Every program names the distribution's loader, or none, and no path of the store.
  portable = pkgs.runCommand "portable-${row.name}" { nativeBuildInputs = [ pkgs.patchelf ]; } ''
    for file in $(find ${package} -path '*/bin/*' -type f); do
      ${lib.optionalString row.isLinux ''
        interpreter=$(patchelf --print-interpreter "$file" 2>/dev/null || true)
        if [ "$interpreter" != "${lib.optionalString row.isGlibc row.interpreter}" ]; then
          echo "$file: its loader is '$interpreter', and should be '${row.interpreter or ""}'" >&2
          exit 1
        fi
      ''}
      # crane writes eeee… over the hashes of paths that only messages name.
      paths=$(grep -ao "${builtins.storeDir}/[0-9a-z]\{32\}-[a-zA-Z0-9._-]*" "$file" | grep -v "/e\{32\}-" || true)
      if [ "$paths" ]; then
        echo "$file names paths of the Nix store: $paths" >&2
        exit 1
      fi
    done
    touch $out
  '';

  # The same package, built as in the row's dev shell: with CC and its like of the target, in whose presence build scripts and
  # proc-macros must still get the build machine's compiler.
  shell = package.overrideAttrs (old: {
    name = "shell-${row.name}";
    cargoArtifacts = null;
    preBuild = (old.preBuild or "") + enter;
  });
}
