# A workspace built by crane for one row, its tests run under emulation in the build.
{
  lib,
  patchelf,
  src,
  portable,
  row,
  own,
  crate,
  compiler,
  environment,
}:
let
  # A library has no programs.
  eachProgram = commands: ''

    if [ -d $out/bin ]; then
      for program in $out/bin/*; do
        ${commands}
      done
    fi
  '';

  build = crate.crane.buildPackage (
    crate.args
    // {
      # After crane's own hooks, which write over paths of the store: a Mach-O is signed, page by page, by what strips it.
      postFixup =
        crate.args.postFixup or ""
        # The loader with which its tests ran here is in the store. Scripts and static programs name none.
        + lib.optionalString (portable && own && row.isGlibc) (eachProgram ''
          if ${patchelf}/bin/patchelf --print-interpreter "$program" >/dev/null 2>&1; then
            ${patchelf}/bin/patchelf --set-interpreter ${row.interpreter} --remove-rpath "$program"
          fi
        '')
        + lib.optionalString (portable && compiler ? portable) (
          eachProgram (compiler.portable "\"$program\"")
        )
        # A Mach-O's map of debug information names the archives that it was linked from.
        + lib.optionalString row.isDarwin (eachProgram "${environment.shell.STRIP} -S \"$program\"\n");
    }
  );
in
if !lib.pathExists (src + "/Cargo.lock") then
  throw "cross-flake: ${toString src} has no Cargo.lock: type `cargo generate-lockfile`, and `git add Cargo.lock` if it is a git tree"
else if portable then
  # What refers to nothing in the store runs without it.
  build.overrideAttrs (_: {
    allowedReferences = [ ];
  })
else
  build
