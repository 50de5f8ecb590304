# A workspace built by crane for one row, its tests run under emulation in the build.
#
# crane's own cross support is left off: it works out an environment from pkgsCross, and here there is one already.
{
  lib,
  pkgs,
  patchelf,
  pkg-config-unwrapped,
  inputs,
  src,
  workspace,
  portable,
  # More arguments for crane's buildPackage, and programs that builds start.
  crateArgs,
  nativeBuildInputs,
  told,
  row,
  own,
  rust,
  runner,
  environment,
}:
let
  crane =
    if !inputs.crane ? mkLib then
      throw "cross-flake: this crane has no mkLib: version 0.23 or newer is needed"
    else
      (inputs.crane.mkLib pkgs).overrideToolchain rust;

  more = crateArgs told;
  packages = workspace.packagesFor row;

  # Nothing is built of these, and a program that is tested on every target is not built again for them.
  unused = [
    ".envrc"
    ".git"
    ".github"
    ".gitignore"
    "flake.lock"
    "flake.nix"
  ];
  source =
    if builtins.isPath src then
      lib.cleanSourceWith {
        inherit src;
        filter = path: _: !(dirOf path == toString src && builtins.elem (baseNameOf path) unused);
      }
    else
      src;

  # What crane would read of the source as it is filtered, which is in no store where Nix only evaluates (`nix flake check --no-build`).
  manifest = lib.importTOML (src + "/Cargo.toml");
  known = {
    pname = manifest.package.name or "cargo-package";
    version = lib.findFirst builtins.isString "0.0.1" [
      manifest.package.version or null
      manifest.workspace.package.version or null
    ];
    cargoLock = src + "/Cargo.lock";
  };

  args = {
    src = source;
    strictDeps = true;
    doIncludeCrossToolchainEnv = false;
    CARGO_BUILD_TARGET = row.triple;
    nativeBuildInputs = [
      pkg-config-unwrapped
    ]
    ++ lib.optional (runner.package != null) runner.package
    ++ environment.dlltool
    ++ nativeBuildInputs told
    ++ more.nativeBuildInputs or [ ];
    # Only what can be run is tested; `notRun` says why something is not.
    doCheck = runner.absent == null;
    # The build machine's strip does not know these programs, and cargo strips its release profile itself.
    dontStrip = true;
    dontPatchELF = true;
    # There is no home in a build.
    postPatch = more.postPatch or "" + "\nexport ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig";
    passthru = {
      inherit environment;
      notRun = runner.absent;
    }
    // more.passthru or { };
  }
  // lib.optionalAttrs (!more ? src) known
  // lib.optionalAttrs (packages != null) {
    cargoExtraArgs = "--locked ${
      lib.concatMapStringsSep " " (name: "--package ${lib.escapeShellArg name}") packages
    }";
  }
  # A crate without std cannot be compiled as the empty one that crane makes of a workspace to build its dependencies.
  // lib.optionalAttrs (row.std != "std") { cargoArtifacts = null; }
  // environment.scoped
  // removeAttrs more [
    "nativeBuildInputs"
    "passthru"
    "postFixup"
    "postPatch"
  ]
  // {
    # After crane's own hooks, which write over paths of the store: a Mach-O is signed, page by page, by what strips it.
    postFixup =
      more.postFixup or ""
      # The loader with which its tests ran here is in the store. Scripts and static programs name none.
      + lib.optionalString (portable && own && row.isGlibc) (eachProgram ''
        if ${patchelf}/bin/patchelf --print-interpreter "$program" >/dev/null 2>&1; then
          ${patchelf}/bin/patchelf --set-interpreter ${row.interpreter} --remove-rpath "$program"
        fi
      '')
      # A Mach-O's map of debug information names the archives that it was linked from.
      + lib.optionalString row.isDarwin (eachProgram "${environment.shell.STRIP} -S \"$program\"\n");
  };

  # A library has no programs.
  eachProgram = commands: ''

    if [ -d $out/bin ]; then
      for program in $out/bin/*; do
        ${commands}
      done
    fi
  '';

  build = crane.buildPackage args;
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
