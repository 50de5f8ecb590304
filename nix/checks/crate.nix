# The checks by crane that the workspace has asked for of each row: some of { clippy, doc, nextest }.
{
  lib,
  row,
  told,
  runner,
  checks,
  crate,
  package,
}:
let
  inherit (crate) args crane;
  hasStd = row.std == "std";
  flags = "CARGO_TARGET_${row.upper}_RUSTDOCFLAGS";

  make = {
    clippy =
      more: crane.cargoClippy ({ cargoClippyExtraArgs = "--all-targets -- --deny warnings"; } // more);
    # RUSTDOCFLAGS itself would hide those of the row.
    doc = more: crane.cargoDoc ({ ${flags} = "${args.${flags} or ""} --deny warnings"; } // more);
    # A workspace may have nothing but doctests, of which nextest knows nothing.
    nextest = more: crane.cargoNextest ({ cargoNextestExtraArgs = "--no-tests=pass"; } // more);
  };
  # More arguments for crane; null where the row is to go without.
  asked =
    name:
    if lib.isFunction (checks.${name} or null) then checks.${name} told else checks.${name} or null;
  # What does not run is not there.
  isWanted = name: asked name != null && (name != "nextest" || hasStd && runner.absent == null);
in
builtins.mapAttrs (
  name: _: make.${name} (args // { inherit (package) cargoArtifacts; } // asked name)
) (lib.filterAttrs (name: _: isWanted name) make)
