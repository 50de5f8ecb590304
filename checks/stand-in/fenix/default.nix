{
  system,
  pkgs,
  lib,
  rust-analyzer-src,
}:
{
  latest = {
    cargo = pkgs.standIn.toolchain;
    rustc = pkgs.standIn.toolchain;
    rust-src = pkgs.standIn.toolchain;
  };
  combine = builtins.head;
  targets = { };
  rust-analyzer = pkgs.standIn.toolchain;
}
