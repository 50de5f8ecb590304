# What a flake has of its inputs, for checks/inputs and `cargo xtask update-inputs`: { missing, versions, minimum }. The stand-ins are the
# list of what is needed, for everything is tested with them and they have nothing else.
flake:
let
  inherit (flake) inputs;
  inherit (inputs) nixpkgs;
  system = "x86_64-linux";
  packages = nixpkgs.legacyPackages.${system};

  lib = import ./stand-in/nixpkgs/lib.nix // import ./stand-in/nixpkgs/modules.nix { inherit lib; };
  machine = {
    tools = { };
    targets = { };
    others = { };
  };
  standIn = import ./stand-in/nixpkgs/packages.nix { inherit lib machine system; };
  rows = builtins.attrValues (lib.importTOML ../crates/cross-flake/data/targets.toml).target;
  named = lib.concatMap (row: lib.optional (row ? nixpkgs) row.nixpkgs) rows;
  set = names: lib.genAttrs names (_: null);

  # Names of a set that another one lacks.
  lacks =
    place: needed: had:
    map (name: "${place}.${name}") (
      lib.filter (name: !had ? ${name}) (builtins.attrNames (removeAttrs needed [ "standIn" ]))
    );

  try =
    value:
    let
      tried = builtins.tryEval value;
    in
    if tried.success then tried.value else null;
  versionOf = name: try (packages.${name}.version or null);
  # As nix/scope.nix chooses it.
  zig = try (flake.lib.mkCross { pkgs = packages; }).scopes.x86_64-linux.zig.version;
  rust =
    let
      pinned = (lib.importTOML ../rust-toolchain.toml).toolchain;
      toolchain = (inputs.rust-overlay.lib.mkRustBin { } packages).fromRustupToolchain {
        inherit (pinned) channel;
        profile = "minimal";
      };
    in
    if try toolchain.outPath == null then null else pinned.channel;

  craneFile = "${inputs.crane}/lib/default.nix";
  asked = builtins.match ".*minSupported = \"([0-9.]+)\".*" (
    if builtins.pathExists craneFile then
      builtins.replaceStrings [ "\n" ] [ " " ] (builtins.readFile craneFile)
    else
      ""
  );
in
{
  missing =
    lacks "lib" lib nixpkgs.lib
    ++ lacks "lib.fileset" lib.fileset nixpkgs.lib.fileset
    ++ lacks "lib.strings" lib.strings nixpkgs.lib.strings
    ++ lacks "lib.types" lib.types (nixpkgs.lib.types or { })
    ++ lacks "pkgs" (standIn // { extend = null; }) packages
    ++ lacks "pkgsCross" (set named) packages.pkgsCross
    ++ lacks "legacyPackages" (import ../nix/systems.nix) nixpkgs.legacyPackages
    ++ lacks "rust-overlay.lib" (set [ "mkRustBin" ]) inputs.rust-overlay.lib
    ++ lacks "crane" (set [ "mkLib" ]) inputs.crane
    ++ lacks "crane.lib" (set [
      "buildPackage"
      "cargoAudit"
      "cargoClippy"
      "cargoDoc"
      "cargoFmt"
      "cargoNextest"
      "overrideToolchain"
    ]) (if inputs.crane ? mkLib then inputs.crane.mkLib packages else { });

  # Null where there is none.
  versions = {
    inherit zig rust;
    nixpkgs = nixpkgs.lib.version;
    nodejs = versionOf "nodejs";
    qemu = versionOf "qemu";
    qemu-user = versionOf "qemu-user";
    wasmtime = versionOf "wasmtime";
    wine = try (packages.wineWow64Packages.minimal.version or null);
  };

  # The oldest nixpkgs that crane says it works with, and that of cross-flake's own message.
  minimum = {
    crane = if asked == null then null else builtins.head asked;
    cross-flake = import ../nix/minimum.nix;
  };
}
