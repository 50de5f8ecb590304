# The flake-parts module. `perSystem.cross-flake` has the arguments of mkCross, and what that gives is set where flake-parts wants it.
inputs:
{ flake-parts-lib, ... }:
{
  _class = "flake";
  _file = ./flake-module.nix;
  # Two modules may import it.
  key = "cross-flake";

  options.perSystem = flake-parts-lib.mkPerSystemOption (
    {
      config,
      lib,
      pkgs,
      system,
      ...
    }:
    let
      # flake-parts knows the packages.
      arguments = removeAttrs (import ./arguments.nix { inherit lib system; }) [ "pkgs" ];
      option =
        name: argument:
        lib.mkOption {
          description = "mkCross's `${name}`: ${argument.type}.";
          type = lib.mkOptionType {
            inherit name;
            description = argument.type;
            inherit (argument) check;
            merge = lib.mergeOneOption;
          };
          inherit (argument) default;
        };

      given = builtins.intersectAttrs arguments config.cross-flake;
      cross = import ./mk-cross.nix inputs { inherit lib system; } (given // { inherit pkgs; });
      # A flake may have something else that needs no name.
      yields = builtins.mapAttrs (name: value: if name == "default" then lib.mkDefault value else value);
    in
    {
      options.cross-flake = builtins.mapAttrs option arguments // {
        cross = lib.mkOption {
          description = "What mkCross gives, for what has no place among the outputs above, such as `hydraJobs`.";
          type = lib.types.raw;
          readOnly = true;
          default = cross;
        };
      };

      config = lib.mkIf (given.src != null) {
        packages = yields cross.outputs.packages;
        devShells = yields cross.outputs.devShells;
        apps = yields cross.outputs.apps;
        inherit (cross.outputs) checks legacyPackages;
        formatter = lib.mkDefault cross.outputs.formatter;
      };
    }
  );
}
