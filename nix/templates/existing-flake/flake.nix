{
  inputs.cross-flake.url = "github:cross-flake/cross-flake";
  outputs =
    { cross-flake, ... }:
    let
      cross = cross-flake.lib.mkCross {
        pkgs = cross-flake.inputs.nixpkgs.legacyPackages.x86_64-linux; # or your own nixpkgs
        src = ./.;
      };
    in
    {
      packages.x86_64-linux = cross.packages // cross.environments // { inherit (cross) matrix; };
      devShells.x86_64-linux = cross.shells;
    };
}
