# Stands for flake-parts: the outputs of a flake by modules, of which those of a system are evaluated for each system.
{
  # As the real one has it.
  inputs.nixpkgs-lib.url = "github:nix-community/nixpkgs.lib";

  outputs =
    { self, nixpkgs-lib }:
    let
      inherit (nixpkgs-lib) lib;
      inherit (lib) mkOption types;

      flake-parts-lib.mkPerSystemOption =
        module: mkOption { type = types.deferredModuleWith { staticModules = [ module ]; }; };

      app = lib.mkOptionType {
        name = "app";
        check =
          value:
          value.type or "app" == "app"
          && builtins.isString value.program
          &&
            removeAttrs value [
              "meta"
              "program"
              "type"
            ] == { };
      };
      set =
        type:
        mkOption {
          type = types.lazyAttrsOf type;
          default = { };
        };
      kinds = {
        apps = set app;
        checks = set types.package;
        devShells = set types.package;
        formatter = mkOption {
          type = types.nullOr types.package;
          default = null;
        };
        legacyPackages = set types.raw;
        packages = set types.package;
      };

      core =
        { config, inputs, ... }:
        {
          options = {
            systems = mkOption { type = types.listOf types.str; };
            allSystems = set types.raw;
            flake = set types.raw;
            perSystem = flake-parts-lib.mkPerSystemOption { options = kinds; } // {
              apply =
                module: system:
                (lib.evalModules {
                  modules = [ module ];
                  prefix = [
                    "perSystem"
                    system
                  ];
                  specialArgs = { inherit system; };
                  class = "perSystem";
                }).config;
            };
          };
          config = {
            allSystems = lib.genAttrs config.systems config.perSystem;
            flake = builtins.mapAttrs (
              kind: _: builtins.mapAttrs (_: one: one.${kind}) config.allSystems
            ) kinds;
            perSystem =
              { system, ... }:
              {
                _module.args.pkgs = inputs.nixpkgs.legacyPackages.${system};
              };
          };
        };
    in
    {
      lib.mkFlake =
        { inputs }:
        module:
        (lib.evalModules {
          modules = [
            core
            module
          ];
          specialArgs = {
            inherit flake-parts-lib inputs;
            inherit (inputs) self;
          };
          class = "flake";
        }).config.flake;
    };
}
