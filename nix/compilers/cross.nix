# nixpkgs for the row, which is the build machine's own on a Mac for itself; null where it has none.
{
  lib,
  pkgs,
  row,
}:
if row.isDarwin && row.hasPkgsCross then
  pkgs
else if !row ? nixpkgs then
  null
else
  pkgs.pkgsCross.${row.nixpkgs}
    or (throw "cross-flake: nixpkgs ${lib.version} has no pkgsCross.${row.nixpkgs}, which target ${row.name} needs: version 26.05 has it")
