# What crane is told of a workspace for one row: { crane, args }. The package and crane's checks are made of it.
#
# crane's own cross support is left off: it works out an environment from pkgsCross, and here there is one already.
{
  lib,
  craneWith,
  pkg-config-unwrapped,
  source,
  workspace,
  # More arguments for crane's buildPackage, and programs that builds start.
  crateArgs,
  nativeBuildInputs,
  told,
  row,
  rust,
  runner,
  environment,
}:
let
  more = crateArgs told;
  packages = workspace.packagesFor row;
in
{
  crane = craneWith rust;

  args = {
    inherit (source) src;
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
  // lib.optionalAttrs (!more ? src) source.known
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
    "postPatch"
  ];
}
