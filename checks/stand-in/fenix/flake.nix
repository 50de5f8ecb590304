# Stands for fenix, which cross-flake imports as a file.
{
  # As the real one has it; cross-flake points it at its own.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }: { };
}
