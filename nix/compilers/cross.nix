# nixpkgs for the row; null where it has none.
{
  lib,
  pkgs,
  row,
}:
if !row ? nixpkgs then
  null
else
  pkgs.pkgsCross.${row.nixpkgs}
    or (throw "cross-flake: nixpkgs ${lib.version} has no pkgsCross.${row.nixpkgs}, which target ${row.name} needs: version 26.05 has it")
