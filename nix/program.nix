# The programs of this repository, for the build machine: { package, checked } of each, the latter with its unit tests run. Programs of a
# target are started in Linux's namespaces, so elsewhere both are null.
{
  lib,
  stdenv,
  call,
  craneWith,
  # The toolchain to build them with.
  toolchain,
}:
let
  program =
    pname: crates:
    let
      part = call ./members.nix { } {
        members = map (crate: "crates/${crate}") crates;
        parts = [
          "Cargo.toml"
          "src"
          "data"
        ];
      };
      build =
        doCheck:
        (craneWith toolchain.develop).buildPackage (
          part
          // {
            inherit pname doCheck;
            strictDeps = true;
            # Built once for a version, so there is nothing to gain from building the dependencies by themselves.
            cargoArtifacts = null;
            cargoExtraArgs = "--offline --package ${pname}";
            # The integration tests fetch compilers and emulators.
            cargoTestExtraArgs = "--lib --bins";
          }
        );
      onLinux = value: if stdenv.hostPlatform.isLinux then value else null;
    in
    {
      package = onLinux (build false);
      checked = onLinux (build true);
    };
in
{
  # What starts a target's programs: all that a shell needs of this repository.
  runner = program "cross-flake-runner" [
    "inspect"
    "runner"
  ];
  # `cargo cross-flake`.
  cross-flake = program "cross-flake" [
    "inspect"
    "runner"
    "cross-flake"
  ];
}
