{
  system,
  pkgs,
  lib,
}:
{
  latest = {
    cargo = pkgs.standIn.toolchain;
    clippy = pkgs.standIn.toolchain;
    rustc = pkgs.standIn.toolchain;
    rust-src = pkgs.standIn.toolchain;
    rustfmt = pkgs.standIn.toolchain;
    rust-analyzer = pkgs.standIn.toolchain;
  };
  combine = builtins.head;
  targets = { };
}
