# The outputs of a flake for one build machine, of what mkCross gave. Only values need its packages, names do not.
{
  lib,
  pkgs,
  system,
  cross,
  # The flake that environments come from, unless the workspace has one of its own.
  flake ? null,
}:
let
  # What `nix build` and `nix develop` take without a name: the build machine's own, or else the first that there is.
  usual = lib.findFirst (_: true) (throw "cross-flake: the workspace has no target") (
    cross.own ++ builtins.attrNames cross.rows
  );
in
{
  packages = {
    default = cross.packages.${usual};
  }
  // cross.packages
  // cross.environments;

  devShells = {
    default = cross.develop;
  }
  // cross.shells;

  # Programs of a target are started in Linux's namespaces.
  apps = lib.optionalAttrs (lib.hasSuffix "-linux" system) (
    import ./apps.nix { inherit lib; } { inherit pkgs flake cross; }
  );

  # What the build machine can run by itself, and what the workspace has asked for; `nix build .#matrix` is the rest.
  checks = lib.genAttrs cross.own (name: cross.packages.${name}) // cross.checks;

  formatter = pkgs.nixfmt-tree;

  legacyPackages =
    cross.allEnvironments
    // cross.triples
    // {
      inherit (cross) dist matrix notRun;
      # `strategy.matrix` of a workflow with one job for each target.
      githubMatrix.target = builtins.attrNames cross.rows;
    };
}
