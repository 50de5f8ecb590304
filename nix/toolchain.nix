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
  # The rows that somebody has asked for, by name. Each toolchain has a copy of the compiler, so these have one together; of rows that
  # are there for whoever wants them each has its own, for nobody fetches the std of all to enter a shell of one.
  chosen,
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

  stable =
    triples:
    (inputs.rust-overlay.lib.mkRustBin { } pkgs).fromRustupToolchain (
      {
        profile = "minimal";
      }
      // pinned
      // {
        targets = lib.unique (pinned.targets or [ ] ++ triples);
        components = lib.unique (
          pinned.components or [ ]
          ++ [
            "clippy"
            "rustfmt"
          ]
        );
      }
    );

  nightly =
    triples:
    fenix.combine (
      [
        fenix.latest.cargo
        fenix.latest.clippy
        fenix.latest.rustc
        fenix.latest.rust-src
        fenix.latest.rustfmt
      ]
      ++ map (triple: fenix.targets.${triple}.latest.rust-std) (
        lib.filter (triple: fenix.targets ? ${triple}) triples
      )
    );

  release = if toolchain == "nightly" then nightly else stable;
  common = release (map (row: row.triple) (builtins.attrValues chosen));
  # Not where it lacks the std of one of them, or one is no row: that one alone fails then.
  isCommon = chosen != { } && (builtins.tryEval common.outPath).success;
  hasCommon = row: !lib.isFunction toolchain && chosen ? ${row.name} && isCommon;

  given =
    { row, ... }@told:
    if lib.isFunction toolchain then
      toolchain (
        told
        // {
          toolchain = throw "cross-flake: mkCross: `toolchain` itself makes the toolchain of ${row.name}, and is told of none";
        }
      )
    else if hasCommon row then
      common
    else
      release [ row.triple ];
in
{
  inherit fenix pinned;

  # For work on the build machine itself.
  develop = if toolchain == null && isCommon then common else stable [ ];

  # Only the programs, found through a link: a Rust toolchain in buildInputs brings a C compiler with a setup hook, which would
  # put that compiler's name into a shell's CC (rust-overlay#257). rustc looks for its libraries where the link leads.
  for =
    told:
    runCommand (if hasCommon told.row then "rust" else "rust-for-${told.row.name}")
      { passthru.unwrapped = given told; }
      ''
        mkdir $out
        ln -s ${given told}/bin $out/bin
      '';
}
