# The dev shell for work on the build machine itself: Rust as the workspace pins it, with clippy and rustfmt, and what its builds start.
{
  mkShell,
  pkgs,
  pkg-config,
  toolchain,
}:
mkShell {
  packages = [
    toolchain.develop
    pkg-config
  ];
}
