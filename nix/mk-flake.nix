# lib.mkFlake: the outputs of a flake whose one purpose is a cargo workspace. Takes mkCross's arguments other than `pkgs`,
# and `nixpkgs` where the workspace has one of its own.
inputs:
{
  nixpkgs ? inputs.nixpkgs,
  # Those that nixpkgs has: it drops one in time.
  systems ? nixpkgs.lib.intersectLists (builtins.attrNames (import ./systems.nix)) (
    builtins.attrNames nixpkgs.legacyPackages
  ),
  # Those whose builds Hydra makes. Nix looks at all of them, whatever it is asked for, so they are asked for by name.
  hydraJobs ? [ ],
  ...
}@given:
let
  inherit (nixpkgs) lib;
  arguments = removeAttrs given [
    "hydraJobs"
    "nixpkgs"
    "systems"
  ];
  crossOf =
    system:
    import ./mk-cross.nix inputs { inherit lib system; } (
      arguments // { pkgs = nixpkgs.legacyPackages.${system}; }
    );
  outputs = lib.genAttrs systems (system: (crossOf system).outputs);
  view = name: builtins.mapAttrs (_: one: one.${name}) outputs;
in
{
  apps = lib.filterAttrs (_: apps: apps != { }) (view "apps");
}
// lib.optionalAttrs (hydraJobs != [ ]) {
  hydraJobs = lib.genAttrs hydraJobs (system: (crossOf system).hydraJobs);
}
// lib.genAttrs [ "checks" "devShells" "formatter" "legacyPackages" "packages" ] view
