# Stands for fenix, which cross-flake imports as a file.
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.rust-analyzer-src = {
    url = "path:./rust-analyzer-src";
    flake = false;
  };
  outputs = { self, nixpkgs, rust-analyzer-src }: { };
}
