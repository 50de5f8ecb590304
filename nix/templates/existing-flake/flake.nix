{
  inputs.cross-flake.url = "github:cross-flake/cross-flake";
  inputs.nixpkgs.follows = "cross-flake/nixpkgs";
  outputs = { cross-flake, nixpkgs, ... }:
    let
      cross = cross-flake.lib.mkCross { pkgs = nixpkgs.legacyPackages.x86_64-linux; src = ./.; };
    in {
      packages.x86_64-linux = cross.packages // cross.environments; # // your own
      devShells.x86_64-linux = cross.shells;
      legacyPackages.x86_64-linux = { inherit (cross) matrix; };
    };
}
