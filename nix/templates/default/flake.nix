{
  inputs.cross-flake.url = "github:cross-flake/cross-flake";

  outputs =
    { cross-flake, ... }:
    cross-flake.lib.mkFlake {
      src = ./.;
      targets = [
        "x86_64-linux"
        "aarch64-linux"
        "windows-x64"
      ];
    };
}
