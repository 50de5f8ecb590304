# Apps of a flake: `nix run .` is `cargo cross-flake`, and `nix run .#test-all-targets` that command of it.
{ lib }:
{
  pkgs,
  # The flake that environments come from, unless the workspace has one of its own; null where it has.
  flake,
  # What mkCross gave.
  cross,
}:
let
  app = name: words: description: {
    type = "app";
    program = "${pkgs.writeShellScript name ''
      export CROSS_FLAKE_CALLED="nix run ${if flake == null then "." else flake} --"
      ${lib.optionalString (flake != null) "export CROSS_FLAKE_FLAKE=\${CROSS_FLAKE_FLAKE-${flake}}"}
      export PATH=$PATH:${lib.makeBinPath [ cross.toolchain.develop ]}
      exec ${cross.programs.cross-flake.package}/bin/cargo-cross-flake ${words} "$@"
    ''}";
    meta.description = description;
  };
in
rec {
  cross-flake = app "cross-flake" "" "cargo cross-flake, for any cargo workspace";
  default = cross-flake;
  test-all-targets =
    app "test-all-targets" "test-all-targets"
      "builds and tests the workspace for every target";
}
