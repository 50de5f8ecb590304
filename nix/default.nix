# The outputs of cross-flake's own flake: mkCross over its examples, and the program.
inputs:
let
  inherit (inputs) self nixpkgs;
  inherit (nixpkgs) lib;

  systems = import ./systems.nix;
  each = f: builtins.mapAttrs (system: _: f system nixpkgs.legacyPackages.${system}) systems;
  crossOf = import ./mk-cross.nix inputs;
  mkCross =
    given:
    crossOf {
      lib = given.pkgs.lib or lib;
      system =
        given.pkgs.stdenv.hostPlatform.system or (throw "cross-flake: mkCross: argument `pkgs` ${
          if given ? pkgs then "must be" else "is missing:"
        } nixpkgs for the build machine, such as nixpkgs.legacyPackages.x86_64-linux");
    } given;
  mkFlake = import ./mk-flake.nix inputs;
  flakeModule = import ./flake-module.nix inputs;

  # The examples: bare metal has one of its own.
  part = import ./members.nix { inherit lib; } {
    members = [
      "examples/firmware"
      "examples/hello-zlib"
    ];
    files = [
      ../Cargo.lock
      ../Cargo.toml
      ../rust-toolchain.toml
    ];
  };
  example =
    { row, ... }:
    rec {
      pname = if row.std == "core" then "firmware" else "hello-zlib";
      inherit (part)
        src
        version
        postPatch
        cargoLockContents
        ;
      cargoExtraArgs = "--offline --package ${pname}";
    };
  cross = each (
    system: pkgs:
    crossOf { inherit lib system; } {
      inherit pkgs;
      src = ../.;
      crateArgs = example;
    }
  );
  # The build machines that the program runs on.
  onLinux = lib.filterAttrs (system: _: lib.hasSuffix "-linux" system);

  # The program for any workspace: environments come from this flake unless the workspace has one of its own.
  apps = import ./apps.nix { inherit lib; };
in
{
  lib = { inherit mkCross mkFlake; };

  # mkCross as a part of nixpkgs: `pkgs.crossFlake { src = ./.; }`.
  overlays.default = final: prev: {
    crossFlake = given: mkCross ({ pkgs = final; } // given);
  };

  # mkCross as a part of flake-parts: `perSystem.cross-flake.src = ./.;`.
  flakeModules.default = flakeModule;
  inherit flakeModule;

  devShells = each (
    system: pkgs:
    cross.${system}.shells
    // {
      default = pkgs.mkShell {
        packages = [
          cross.${system}.toolchain.develop
          cross.${system}.toolchain.fenix.latest.rust-analyzer
          pkgs.nodejs
          pkgs.pkg-config
          pkgs.python3
        ];
      };
    }
  );

  packages = each (
    system: _:
    cross.${system}.packages
    // cross.${system}.environments
    // lib.optionalAttrs (lib.hasSuffix "-linux" system) rec {
      cross-flake = cross.${system}.programs.cross-flake.package;
      default = cross-flake;
    }
  );

  apps = onLinux (
    each (
      system: pkgs:
      apps {
        inherit pkgs;
        flake = self;
        cross = cross.${system};
      }
    )
  );

  checks = each (
    system: pkgs:
    {
      inherit (import ./checks/tests.nix { inherit pkgs mkCross; }) unit;
      format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
        nixfmt --check ${../flake.nix} $(find ${./.} ${../checks/stand-in} -name '*.nix') && touch $out
      '';
    }
    // lib.optionalAttrs (lib.hasSuffix "-linux" system) {
      # Its unit tests run elsewhere: here it would be compiled a second time for them.
      cross-flake = cross.${system}.programs.cross-flake.package;
      runner = cross.${system}.programs.runner.checked;
    }
    // lib.genAttrs cross.${system}.own (name: cross.${system}.packages.${name})
  );

  legacyPackages = each (
    system: _:
    cross.${system}.allEnvironments
    // cross.${system}.triples
    // {
      inherit (cross.${system}) matrix notRun;
    }
  );

  templates = {
    default = {
      path = ./templates/default;
      description = "A flake for a cargo workspace: a shell and a package per target";
    };
    existing-flake = {
      path = ./templates/existing-flake;
      description = "The same inside a flake that has outputs of its own";
    };
  };

  formatter = each (_: pkgs: pkgs.nixfmt-tree);
}
