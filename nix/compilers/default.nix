# The C compiler of one row and what comes with it; null for a row without one.
#
# From pkgsCross where nixpkgs can cross-compile, from stdenv on a Mac for itself, else zig's, by the same scripts that the portable
# provider uses.
{ call, row }:
if row.useZig then
  call ./zig.nix { }
else if row.isDarwin then
  call ./apple.nix { }
else if row ? nixpkgs then
  call ./gcc.nix { }
else
  null
