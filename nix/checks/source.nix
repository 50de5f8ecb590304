# The checks by crane that the workspace has asked for and that are of no row: some of { fmt, audit }.
{
  lib,
  craneWith,
  toolchain,
  checks,
  source,
}:
let
  crane = craneWith toolchain.develop;
  make = {
    fmt = crane.cargoFmt;
    audit = crane.cargoAudit;
  };
in
builtins.mapAttrs (name: more: make.${name} (source.known // { inherit (source) src; } // more)) (
  builtins.intersectAttrs make checks
)
