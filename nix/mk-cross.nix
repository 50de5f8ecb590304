# lib.mkCross: shells, packages, environments and checks of a workspace for every target. docs/nix.md has it by example.
inputs:
{
  # The lib of the nixpkgs in `pkgs`, and its build machine: names follow from these and from the workspace, so that a system for
  # which there is no nixpkgs takes no other along.
  lib,
  system,
}:
let
  systems = import ./systems.nix;
  arguments = import ./arguments.nix { inherit lib system; };
in
given:
let
  args = import ./given.nix { inherit lib; } "mkCross" arguments given;
  inherit (args) pkgs src;

  scope = import ./scope.nix {
    inherit
      inputs
      lib
      args
      system
      ;
  };
  inherit (scope) programs table toolchain;
  rows = if args.targets == null then scope.workspace.rows else table.select args.targets;
  # Those that have to be asked for by name as well, unless the caller has chosen.
  every = builtins.mapAttrs (_: scope.ofRow) (if args.targets == null then table.rows else rows);
  all = builtins.intersectAttrs rows every;
  view = name: builtins.mapAttrs (_: one: one.${name}) all;

  needSource =
    what: if src == null then throw "cross-flake: mkCross without `src` has no ${what}" else what;

  documents = lib.mapAttrs' (name: one: lib.nameValuePair "env-${name}" one.environment.json);

  own = lib.filter (name: rows.${name}.triple == systems.${system}) (builtins.attrNames rows);
  cross = rec {
    # The rows, by name.
    inherit rows;
    # devShells
    shells = view "shell";
    # packages, by name
    packages =
      assert needSource "packages" != "";
      builtins.mapAttrs (_: one: one.package // { inherit (one) archive; }) all;
    # The archives of the rows whose tests ran, with their hashes; dist.<name> is that of any row.
    dist =
      assert needSource "dist" != "";
      scope.call ./dist.nix { scopes = all; };
    # packages with the environment documents: env-<name>
    environments = documents all;
    # { <name> = { test, conformance, portable, shell }; }, and a derivation that holds them all
    matrix =
      let
        each =
          assert needSource "matrix" != "";
          view "matrix";
        entries = lib.concatMap (
          name:
          lib.mapAttrsToList (check: path: {
            name = "${name}-${check}";
            inherit path;
          }) each.${name}
        ) (builtins.attrNames each);
      in
      pkgs.linkFarm "matrix" entries // each;
    # checks that were asked for: fmt and audit, and <name>-clippy, <name>-doc, <name>-nextest
    checks =
      if args.checks == { } then
        { }
      else
        assert needSource "checks" != "";
        lib.concatMapAttrs (
          name: one: lib.mapAttrs' (check: lib.nameValuePair "${name}-${check}") one.crateChecks
        ) all
        // scope.sourceChecks;
    # hydraJobs, by name: { package, test, conformance, portable, shell }
    hydraJobs =
      assert needSource "hydraJobs" != "";
      builtins.mapAttrs (_: one: { inherit (one) package; } // one.matrix) all;
    # Documents and packages of every row of the table: documents by name as above, packages by Rust triple, with `.shell` and
    # `.environment` beside the package itself.
    allEnvironments = documents every;
    triples = lib.mapAttrs' (
      name: one:
      # Naming one checks no other.
      lib.nameValuePair (table.fields.${name}.triple or one.row.triple) (
        (if src == null then { } else one.package)
        // {
          inherit (one) shell;
          environment = one.environment.json;
        }
      )
    ) every;
    # The rows whose programs are not run on this build machine, with the reason.
    notRun = lib.filterAttrs (_: reason: reason != null) (
      builtins.mapAttrs (_: one: one.runner.absent) all
    );
    # What each row's outputs are made of, by name.
    scopes = every;
    # The rows that are the build machine itself.
    inherit own;
    # The dev shell for work on the build machine itself.
    develop = scope.develop;
    # Outputs of a flake for this build machine, such as `packages`: all of the above by the names that Nix has for them.
    outputs = import ./outputs.nix {
      inherit lib pkgs system;
      inherit cross;
    };
    inherit toolchain programs;
  };
in
cross
