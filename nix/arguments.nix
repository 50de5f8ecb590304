# The arguments of mkCross, for given.nix and as the options of the flake-parts module: the one list of them.
{
  lib,
  # The build machine.
  system,
}:
let
  systems = import ./systems.nix;
  isPathLike = value: builtins.isPath value || lib.isStringLike value;
  callback = "a function from { row, pkgs, pkgsCross, toolchain, lib } to";

  # What crane checks, of each row and once.
  ofRow = [
    "clippy"
    "doc"
    "nextest"
  ];
  near = import ./near.nix { inherit lib; };
  isCheck =
    checks: name:
    if
      !builtins.elem name (
        ofRow
        ++ [
          "audit"
          "fmt"
        ]
      )
    then
      throw "cross-flake: unknown check `${name}`${near name ofRow}; there are audit, clippy, doc, fmt and nextest"
    else if name == "audit" && !checks.audit ? advisory-db then
      throw "cross-flake: the check `audit` needs a database: checks.audit.advisory-db, which may be an input of your flake, github:rustsec/advisory-db"
    else
      builtins.isAttrs checks.${name} || builtins.elem name ofRow && lib.isFunction checks.${name};

  # What nixpkgs' version says, as crane compares it: `26.05pre` is no older than 26.05.
  release = lib': lib.concatStringsSep "." (lib.take 2 (builtins.splitVersion lib'.version));
  needed = import ./minimum.nix;
in
{
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
        !lib.versionOlder (release value.lib) needed
        || throw "cross-flake: nixpkgs ${value.lib.version} is too old: version ${needed} or newer is needed"
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
  checks = {
    type = "set of the checks that crane makes beside the tests: `audit`, `clippy`, `doc`, `fmt`, `nextest`, each with more arguments for crane, as a set; of clippy, doc and nextest also ${callback} that, or to null where a row goes without";
    check = value: builtins.isAttrs value && lib.all (isCheck value) (builtins.attrNames value);
    default = { };
  };
}
