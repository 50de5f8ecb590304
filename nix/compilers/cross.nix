# nixpkgs for the row; null where it has none.
{
  lib,
  pkgs,
  row,
}:
let
  # nixpkgs renamed these; either name may be the one that an input has.
  former = {
    mingw-msvcrt-x86_64 = "mingwW64";
    mingw-msvcrt-i686 = "mingw32";
    mingw-ucrt-x86_64 = "ucrt64";
  };
in
if !row ? nixpkgs then
  null
else
  pkgs.pkgsCross.${row.nixpkgs} or pkgs.pkgsCross.${former.${row.nixpkgs} or ""}
    or (throw "cross-flake: nixpkgs ${lib.version} has no pkgsCross.${row.nixpkgs}, which target ${row.name} needs: version 26.05 has it")
