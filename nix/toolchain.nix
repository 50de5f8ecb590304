# The Rust toolchain of one row: a directory with `bin`, whose rustc has the std of the build machine and of that row.
#
# Two inputs, one job each: rust-overlay has the stable releases that a rust-toolchain.toml pins, fenix has nightly. Both are
# reached without an overlay, so nixpkgs is evaluated once.
{
  lib,
  pkgs,
  runCommand,
  inputs,
  # What mkCross was given: null, "nightly", or a function.
  toolchain,
  # The rust-toolchain.toml to follow.
  file,
}:
let
  # A file without an ending may also be nothing but a channel's name.
  pinned =
    let
      text = builtins.readFile file;
      line = builtins.match "[[:space:]]*([^[:space:]]+)[[:space:]]*" text;
    in
    if line != null && !lib.hasInfix "[" text then
      { channel = lib.head line; }
    else
      (builtins.fromTOML text).toolchain;

  fenix = import inputs.fenix {
    inherit pkgs lib;
    inherit (pkgs.stdenv.hostPlatform) system;
  };

  pinnedWith =
    more:
    (inputs.rust-overlay.lib.mkRustBin { } pkgs).fromRustupToolchain (
      { profile = "minimal"; } // pinned // more
    );

  stable = row: pinnedWith { targets = [ row.triple ]; };

  nightly =
    row:
    fenix.combine (
      [
        fenix.latest.cargo
        fenix.latest.rustc
        fenix.latest.rust-src
      ]
      ++ lib.optional (fenix.targets ? ${row.triple}) fenix.targets.${row.triple}.latest.rust-std
    );

  given =
    { row, ... }@told:
    if toolchain == null then
      stable row
    else if toolchain == "nightly" then
      nightly row
    else
      toolchain (
        told
        // {
          toolchain = throw "cross-flake: mkCross: `toolchain` itself makes the toolchain of ${row.name}, and is told of none";
        }
      );
in
{
  inherit fenix pinned;

  # For work on the build machine itself.
  develop = pinnedWith {
    components = [
      "clippy"
      "rustfmt"
    ];
  };

  # Only the programs, found through a link: a Rust toolchain in buildInputs brings a C compiler with a setup hook, which would
  # put that compiler's name into a shell's CC (rust-overlay#257). rustc looks for its libraries where the link leads.
  for =
    told:
    runCommand "rust-for-${told.row.name}" { passthru.unwrapped = given told; } ''
      mkdir $out
      ln -s ${given told}/bin $out/bin
    '';
}
