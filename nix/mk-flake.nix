# lib.mkFlake: the outputs of a flake whose one purpose is a cargo workspace. Takes mkCross's arguments other than `pkgs`,
# and `nixpkgs` where the workspace has one of its own.
inputs:
{
  nixpkgs ? inputs.nixpkgs,
  # Those that nixpkgs has: it drops one in time.
  systems ? nixpkgs.lib.intersectLists (builtins.attrNames (import ./systems.nix)) (
    builtins.attrNames nixpkgs.legacyPackages
  ),
  ...
}@given:
let
  inherit (nixpkgs) lib;
  each =
    system:
    let
      pkgs = nixpkgs.legacyPackages.${system};
      arguments = removeAttrs given [
        "nixpkgs"
        "systems"
      ];
    in
    import ./outputs.nix {
      inherit lib pkgs system;
      cross = import ./mk-cross.nix inputs { inherit lib system; } (arguments // { inherit pkgs; });
    };
  outputs = lib.genAttrs systems each;
  view = name: builtins.mapAttrs (_: one: one.${name}) outputs;
in
{
  apps = lib.filterAttrs (_: apps: apps != { }) (view "apps");
}
// lib.genAttrs [ "checks" "devShells" "formatter" "legacyPackages" "packages" ] view
