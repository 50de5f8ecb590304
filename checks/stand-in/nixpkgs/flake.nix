# Stands for nixpkgs where no network reaches it: the few attributes that cross-flake takes, made of this machine's tools.
# `checks/nix` writes machine.json; `checks/inputs` holds every attribute here against the real nixpkgs.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix // import ./modules.nix { inherit lib; };
      # Packages with an overlay's laid over them.
      extend =
        packages: overlay:
        let
          final = packages // overlay final packages // { extend = extend final; };
        in
        final;
      machine = builtins.fromJSON (builtins.readFile ./machine.json);
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "aarch64-darwin"
        "aarch64-linux"
        "x86_64-darwin"
        "x86_64-linux"
      ] (system: extend (import ./packages.nix { inherit lib machine system; }) (_: _: { }));
    };
}
