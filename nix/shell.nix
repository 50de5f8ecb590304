# The dev shell of one row: plain `cargo test`, `make` or `cmake` in it builds for the row and runs there.
{
  lib,
  mkShellNoCC,
  environment,
}:
mkShellNoCC (
  {
    name = environment.row.name;
    # Not as `packages`: the hooks of a compiler among them would put its own name into CC.
    shellHook = ''
      export PATH=${lib.makeBinPath environment.path}:"$PATH"
    '';
    passthru = { inherit (environment) runner; };
  }
  // environment.shell
  // environment.scoped
)
