# The dev shell of one row: plain `cargo test`, `make` or `cmake` in it builds for the row and runs there.
{
  lib,
  mkShellNoCC,
  environment,
  scripts,
  nativeBuildInputs,
  shellArgs,
  told,
}:
let
  more = import ./given.nix { inherit lib; } "shell of ${told.row.name}" {
    packages = {
      type = "a list of packages";
      check = builtins.isList;
      default = [ ];
    };
    variables = {
      type = "a set of variables";
      check = builtins.isAttrs;
      default = { };
    };
    hook = {
      type = "lines of bash";
      check = builtins.isString;
      default = "";
    };
  } (shellArgs told);
in
mkShellNoCC (
  environment.shell
  // environment.scoped
  // more.variables
  // {
    name = environment.row.name;
    packages = nativeBuildInputs told ++ more.packages;
    # The target's own not as `packages`, and its variables once more: the hooks of a compiler among packages put its own name into CC.
    shellHook = ''
      ${scripts.exports (environment.shell // more.variables)}
      export PATH=${lib.makeBinPath environment.path}:"$PATH"
      ${more.hook}
    '';
    passthru = { inherit (environment) runner; };
  }
)
