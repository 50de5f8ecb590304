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
  isPathLike = value: builtins.isPath value || lib.isStringLike value;
  callback = "a function from { row, pkgs, pkgsCross, toolchain, lib } to";

  # What nixpkgs' version says, as crane compares it: `26.05pre` is no older than 26.05.
  release = lib.concatStringsSep "." (lib.take 2 (builtins.splitVersion lib.version));
  needed = "26.05";

  arguments = {
    pkgs = {
      type = "nixpkgs for the build machine, such as nixpkgs.legacyPackages.x86_64-linux";
      lazy = true;
      check =
        value:
        builtins.isAttrs value
        && value ? stdenv
        && value ? pkgsCross
        && (
          systems ? ${system}
          || throw "cross-flake: ${system} is no build machine of cross-flake's; ${lib.concatStringsSep ", " (builtins.attrNames systems)} are"
        )
        && (
          !lib.versionOlder release needed
          || throw "cross-flake: nixpkgs ${lib.version} is too old: version ${needed} or newer is needed"
        );
    };
    src = {
      type = "path of the workspace, or null for shells and environments only";
      check = value: value == null || isPathLike value;
      default = null;
    };
    targets = {
      type = "list of names, triples or patterns, or null for those that the workspace is for";
      check = value: value == null || (builtins.isList value && lib.all builtins.isString value);
      default = null;
    };
    table = {
      type = "path of a targets.toml that is laid over the table, or null for the one in src, if there is one";
      check = value: value == null || isPathLike value;
      default = null;
    };
    toolchain = {
      type = ''null for what rust-toolchain.toml pins, "nightly", or ${callback} a toolchain that has the row's std'';
      check = value: value == null || value == "nightly" || lib.isFunction value;
      default = null;
    };
    buildInputs = {
      type = "${callback} a list of packages that programs link";
      check = lib.isFunction;
      default = _: [ ];
    };
    nativeBuildInputs = {
      type = "${callback} a list of packages that builds start programs of";
      check = lib.isFunction;
      default = _: [ ];
    };
    shell = {
      type = "${callback} { packages, variables, hook } of a dev shell";
      check = lib.isFunction;
      default = _: { };
    };
    portable = {
      type = "bool: whether programs are to run without /nix/store, which is then checked";
      check = builtins.isBool;
      default = true;
    };
    crateArgs = {
      type = "${callback} attributes for crane's buildPackage";
      check = lib.isFunction;
      default = _: { };
    };
  };
in
given:
let
  args = import ./arguments.nix { inherit lib; } "mkCross" arguments given;
  inherit (args) pkgs src;

  scope = import ./scope.nix { inherit inputs lib args; };
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
