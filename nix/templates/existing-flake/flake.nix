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
    # packages, devShells, apps, checks, formatter and legacyPackages: put each where you want it.
    builtins.mapAttrs (_: outputs: { x86_64-linux = outputs; }) cross.outputs;
}
