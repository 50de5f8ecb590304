{
  description = "cross-flake: every target from one machine: a dev shell and a package per target, and tests under emulation";

  inputs = {
    # The newest release that still has x86_64-darwin among its build machines.
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

    # Builds packages and checks.
    crane.url = "github:ipetkov/crane";

    # Nightly Rust: std from source, and rust-analyzer.
    fenix = {
      url = "github:nix-community/fenix";
      inputs.nixpkgs.follows = "nixpkgs";
    };

    # The stable Rust of rust-toolchain.toml, with the std of each target.
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  # The first level of every set is the build machine: `nix build .#windows-x64` is packages.<this machine>.windows-x64.
  outputs = inputs: import ./nix inputs;
}
