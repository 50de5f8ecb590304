# lib.mkFlake: the outputs of a flake whose one purpose is a cargo workspace. Takes mkCross's arguments other than `pkgs`,
# and `nixpkgs` where the workspace has one of its own.
inputs:
{
  nixpkgs ? inputs.nixpkgs,
  systems ? builtins.attrNames (import ./systems.nix),
  ...
}@given:
let
  inherit (nixpkgs) lib;
  each = lib.genAttrs systems;
  cross = each (
    system:
    import ./mk-cross.nix inputs (
      removeAttrs given [
        "nixpkgs"
        "systems"
      ]
      // {
        pkgs = nixpkgs.legacyPackages.${system};
      }
    )
  );
in
{
  devShells = each (system: cross.${system}.shells);
  apps = lib.filterAttrs (system: _: lib.hasSuffix "-linux" system) (
    each (
      system:
      import ./apps.nix { inherit lib; } {
        pkgs = nixpkgs.legacyPackages.${system};
        flake = given.src or (throw "cross-flake: mkFlake without `src` has no apps");
        cross = cross.${system};
      }
    )
  );
  packages = each (system: cross.${system}.packages // cross.${system}.environments);
  checks = each (
    system:
    # What the build machine can run by itself; `nix build .#matrix` is the rest.
    lib.filterAttrs (
      _: package: package.environment.row.triple == (import ./systems.nix).${system}
    ) cross.${system}.packages
  );
  legacyPackages = each (
    system: cross.${system}.triples // { inherit (cross.${system}) matrix notRun; }
  );
}
