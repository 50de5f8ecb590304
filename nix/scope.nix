# The scopes in which all files are called. A file is a function, and its arguments are looked up, by their names, in the scope of its row,
# in that of mkCross, and in nixpkgs: what a file depends on is in its first lines. Nothing here is evaluated that nobody asks for.
{
  inputs,
  # nixpkgs' own, of which also the table is made: names need no packages.
  lib,
  # mkCross's arguments.
  args,
  # The build machine.
  system,
}:
let
  inherit (args) pkgs src;

  # lib.callPackageWith makes all that it calls overridable, which every shell would pay for.
  callWith =
    scope: file: more:
    let
      function = import file;
      wanted = builtins.functionArgs function;
    in
    function (builtins.intersectAttrs wanted pkgs // builtins.intersectAttrs wanted scope // more);

  workspaceFile =
    name: if src != null && builtins.pathExists (src + "/${name}") then src + "/${name}" else null;

  # What a callback of mkCross's caller gives for a row.
  answer =
    name: check: what: told:
    let
      value = args.${name} told;
    in
    if check value then
      value
    else
      throw "cross-flake: mkCross: `${name}` has to give a ${what}, and gives a ${builtins.typeOf value} for ${told.row.name}";

  common = {
    inherit inputs lib pkgs;
    inherit (args) checks src portable;
    buildInputs = answer "buildInputs" builtins.isList "list";
    nativeBuildInputs = answer "nativeBuildInputs" builtins.isList "list";
    crateArgs = answer "crateArgs" builtins.isAttrs "set of attributes";
    shellArgs = answer "shell" builtins.isAttrs "set of attributes";
    call = callWith common;
    # The version that the scripts are tested with.
    zig = pkgs.zig_0_16 or pkgs.zig;
    systems = import ./systems.nix;
    fill = import ./fill.nix;
    # The data that both providers read.
    data = ../crates/cross-flake/data;
    scripts = common.call ./scripts.nix { };

    table = import ./targets.nix {
      inherit lib;
      inherit (common) data;
      overlay = if args.table != null then args.table else workspaceFile "targets.toml";
    };
    # What the manifests of the workspace say.
    workspace = import ./workspace.nix {
      inherit lib src;
      inherit (common) table;
    };
    source = common.call ./source.nix { };
    craneWith =
      rust:
      if !inputs.crane ? mkLib then
        throw "cross-flake: this crane has no mkLib: version 0.23 or newer is needed"
      else
        (inputs.crane.mkLib pkgs).overrideToolchain rust;
    sourceChecks = common.call ./checks/source.nix { };
    toolchain =
      let
        own = lib.findFirst (file: file != null) ../rust-toolchain.toml (
          map workspaceFile [
            # rustup, too, takes the one without an ending first.
            "rust-toolchain"
            "rust-toolchain.toml"
          ]
        );
      in
      common.call ./toolchain.nix {
        inherit (args) toolchain;
        file = own;
        chosen = if args.targets == null then common.workspace.chosen else common.table.select args.targets;
      };
    # For work on the build machine itself.
    develop = common.call ./develop.nix { };
    programs = common.call ./program.nix {
      toolchain = common.call ./toolchain.nix {
        toolchain = null;
        file = ../rust-toolchain.toml;
        chosen = { };
      };
    };
  };

  ofRow =
    given:
    let
      call = callWith scope;
      # Whether the row is the build machine itself, whose build scripts its compiler links as well.
      own = given.triple == common.systems.${system} or null;
      # A Mac's own compiler and packages are for that Mac; on others zig stands in.
      row =
        given
        // lib.optionalAttrs (given.isDarwin && own && given.cc == "provider") {
          useZig = false;
          hasPkgsCross = true;
        };
      scope = common // {
        inherit row own call;
        # What callbacks of mkCross's caller are told.
        told = {
          inherit row pkgs lib;
          pkgsCross =
            if row.hasPkgsCross then
              scope.cross
            else
              throw "cross-flake: target ${row.name} has no pkgsCross, for zig compiles it: leave its packages out (`lib.optionals row.hasPkgsCross [ … ]`), and let crates build such libraries from source (features called `vendored`, `bundled` or `static`)";
          toolchain = scope.rust.unwrapped;
        };
        rust = common.toolchain.for scope.told;
        cross = call ./compilers/cross.nix { };
        compiler = call ./compilers { };
        runner = call ./runners { };
        # Those that programs link: directories with include and lib.
        libraries = call ./libraries.nix { };
        environment = call ./environment.nix { };
        shell = call ./shell.nix { };
        crate = call ./crate.nix { };
        package = call ./package.nix { };
        crateChecks = call ./checks/crate.nix { };
        archive = call ./archive.nix { };
        matrix = call ./checks/matrix.nix { };
      };
    in
    scope;
in
common // { inherit ofRow; }
