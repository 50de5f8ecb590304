# wine: { version, program }.
{
  lib,
  util-linux,
  wineWow64Packages,
  writeShellScript,
  data,
  scripts,
}:
let
  wine = wineWow64Packages.minimal;
  # Those that say where things are are the script's.
  variables = lib.filterAttrs (_: value: !lib.hasInfix "{" value) (
    (lib.importTOML (data + "/runners.toml")).wine.env
  );
in
{
  inherit (wine) version;
  program = "${writeShellScript "wine" (
    scripts.fill ./wine.sh {
      "@WINE@" = "${wine}";
      "@VERSION@" = wine.version;
      "@FLOCK@" = "${util-linux}/bin/flock";
      "@VARIABLES@\n" = scripts.defaults variables;
    }
  )}";
}
