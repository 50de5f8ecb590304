# Stands for rust-overlay: the toolchain of the portable provider, which has the std of every target.
{
  # As the real one has it; cross-flake points it at its own.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    {
      lib.mkRustBin =
        { }:
        pkgs: {
          fromRustupToolchain =
            {
              channel,
              profile ? "default",
              components ? [ ],
              targets ? [ ],
            }:
            # It has no std of a target that Rust does not know.
            if builtins.all (pkgs.lib.hasInfix "-") targets then
              pkgs.standIn.toolchain // { inherit components targets; }
            else
              throw "Component `rust-std` is not available for the target";
        };
    };
}
