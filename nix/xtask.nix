# xtask, for the build machine: { package, checked }, the latter with its unit tests run. Its runner is made of Linux's
# namespaces, so elsewhere both are null.
{
  pkgs,
  inputs,
  # The toolchain to build it with.
  rust,
}:
let
  inherit (pkgs) lib;

  # What cargo needs of the repository, so that a change of the documentation builds nothing anew.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../.cargo
      ../Cargo.toml
      ../Cargo.lock
      ../rust-toolchain.toml
      ../targets.toml
      ../README.md
      ../checks/conformance
      ../examples
      ../xtask/Cargo.toml
      ../xtask/assets
      ../xtask/src
    ];
  };

  build =
    doCheck:
    ((inputs.crane.mkLib pkgs).overrideToolchain rust).buildPackage {
      inherit src doCheck;
      # Of the tree itself: `nix flake check --no-build` copies nothing into the store that could be read there.
      cargoLock = ../Cargo.lock;
      pname = "xtask";
      version = (lib.importTOML ../Cargo.toml).workspace.package.version;
      strictDeps = true;
      # Built once for a version, so there is nothing to gain from building the dependencies by themselves.
      cargoArtifacts = null;
      cargoExtraArgs = "--locked --package xtask";
      # The integration tests fetch compilers and emulators.
      cargoTestExtraArgs = "--bins";
      meta.mainProgram = "xtask";
    };
in
if pkgs.stdenv.hostPlatform.isLinux then
  {
    package = build false;
    checked = build true;
  }
else
  {
    package = null;
    checked = null;
  }
