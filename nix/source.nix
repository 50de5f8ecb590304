# What crane is told of the workspace whatever the row: its source, and what crane would otherwise read of that.
{ lib, src }:
let
  # Nothing is built of these, and a program that is tested on every target is not built again for them.
  unused = [
    ".envrc"
    ".git"
    ".github"
    ".gitignore"
    "flake.lock"
    "flake.nix"
  ];
  manifest = lib.importTOML (src + "/Cargo.toml");
in
{
  src =
    if builtins.isPath src then
      lib.cleanSourceWith {
        inherit src;
        filter = path: _: !(dirOf path == toString src && builtins.elem (baseNameOf path) unused);
      }
    else
      src;
  # The source as it is filtered is in no store where Nix only evaluates (`nix flake check --no-build`).
  known = {
    pname = manifest.package.name or "cargo-package";
    version = lib.findFirst builtins.isString "0.0.1" [
      manifest.package.version or null
      manifest.workspace.package.version or null
    ];
    cargoLock = src + "/Cargo.lock";
  };
}
