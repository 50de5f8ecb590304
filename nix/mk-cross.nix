# lib.mkCross: shells, packages, environments and checks of a workspace for every target. docs/nix.md has it by example.
inputs:
let
  # Every argument: whether it takes a value, what to say if not, and what it is if it is not given.
  arguments =
    { lib, ... }:
    let
      isPathLike = value: builtins.isPath value || lib.isStringLike value;
    in
    {
      pkgs = {
        type = "nixpkgs for the build machine, such as nixpkgs.legacyPackages.x86_64-linux";
        check = value: builtins.isAttrs value && value ? stdenv && value ? pkgsCross;
      };
      src = {
        type = "path of the workspace, or null for shells and environments only";
        check = value: value == null || isPathLike value;
        default = null;
      };
      targets = {
        type = "list of names or triples, or null for every row of the table";
        check = value: value == null || (builtins.isList value && lib.all builtins.isString value);
        default = null;
      };
      table = {
        type = "path of a targets.toml that is laid over the table, or null for the one in src, if there is one";
        check = value: value == null || isPathLike value;
        default = null;
      };
      toolchain = {
        type = ''null for what rust-toolchain.toml pins, "nightly", or a function from a row to a toolchain that has its std'';
        check = value: value == null || value == "nightly" || lib.isFunction value;
        default = null;
      };
      buildInputs = {
        type = "function from pkgsCross.<row> to a list of packages that programs link";
        check = lib.isFunction;
        default = _: [ ];
      };
      portable = {
        type = "bool: whether programs are to run without /nix/store, which is then checked";
        check = builtins.isBool;
        default = true;
      };
      crateArgs = {
        type = "attributes for crane's buildPackage, or a function from a row to them";
        check = value: builtins.isAttrs value || lib.isFunction value;
        default = { };
      };
    };

  checked =
    given:
    let
      lib = given.pkgs.lib or inputs.nixpkgs.lib;
      known = arguments { inherit lib; };
      fail = what: throw "cross-flake: mkCross: ${what}";
      unknown = lib.filter (name: !known ? ${name}) (builtins.attrNames given);
      value =
        name: argument:
        if !given ? ${name} then
          argument.default or (fail "argument `${name}` is missing: ${argument.type}")
        else if argument.check given.${name} then
          given.${name}
        else
          fail "argument `${name}` must be ${argument.type}";
    in
    if unknown != [ ] then
      fail "unknown argument `${builtins.head unknown}`; it takes ${lib.concatStringsSep ", " (builtins.attrNames known)}"
    else
      builtins.mapAttrs value known;
in
given:
let
  args = checked given;
  inherit (args) pkgs src;
  inherit (pkgs) lib;
  inherit (pkgs.stdenv.hostPlatform) system;

  scope = import ./scope.nix {
    inherit inputs;
    args = args // {
      crateArgs = if lib.isFunction args.crateArgs then args.crateArgs else _: args.crateArgs;
    };
  };
  inherit (scope)
    programs
    systems
    table
    toolchain
    ;
  rows = if args.targets == null then table.rows else table.select args.targets;
  all = builtins.mapAttrs (_: scope.ofRow) rows;
  view = name: builtins.mapAttrs (_: one: one.${name}) all;

  needSource =
    what: if src == null then throw "cross-flake: mkCross without `src` has no ${what}" else what;
in
if !systems ? ${system} then
  throw "cross-flake: ${system} is no build machine of cross-flake's; ${lib.concatStringsSep ", " (builtins.attrNames systems)} are"
else if lib.versionOlder lib.version "25.11" then
  throw "cross-flake: nixpkgs ${lib.version} is too old: version 25.11 or newer is needed"
else
  rec {
    # The rows, by name.
    inherit rows;
    # devShells
    shells = view "shell";
    # packages, by name
    packages =
      assert needSource "packages" != "";
      view "package";
    # packages with the environment documents: env-<name>
    environments = lib.mapAttrs' (name: one: lib.nameValuePair "env-${name}" one.environment.json) all;
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
    # The same by Rust triple; `.shell` and `.environment` beside the package itself.
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
    ) all;
    # The rows whose programs are not run on this build machine, with the reason.
    notRun = lib.filterAttrs (_: reason: reason != null) (
      builtins.mapAttrs (_: one: one.runner.absent) all
    );
    # What each row's outputs are made of, by name.
    scopes = all;
    inherit toolchain programs;
  }
