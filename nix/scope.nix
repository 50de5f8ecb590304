# The scopes in which all files are called. A file is a function, and its arguments are looked up, by their names, in the scope of its row,
# in that of mkCross, and in nixpkgs: what a file depends on is in its first lines. Nothing here is evaluated that nobody asks for.
{
  inputs,
  # mkCross's arguments.
  args,
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

  common = {
    inherit inputs pkgs;
    inherit (args)
      src
      portable
      buildInputs
      crateArgs
      ;
    call = callWith common;
    systems = import ./systems.nix;
    fill = import ./fill.nix;
    # The data that both providers read.
    data = ../crates/cross-flake/data;
    scripts = common.call ./scripts.nix { };

    table = common.call ./targets.nix {
      overlay = if args.table != null then args.table else workspaceFile "targets.toml";
    };
    toolchain =
      let
        own = workspaceFile "rust-toolchain.toml";
      in
      common.call ./toolchain.nix {
        inherit (args) toolchain;
        file = if own != null then own else ../rust-toolchain.toml;
      };
    programs = common.call ./program.nix {
      toolchain = common.call ./toolchain.nix {
        toolchain = null;
        file = ../rust-toolchain.toml;
      };
    };
  };

  ofRow =
    row:
    let
      call = callWith scope;
      scope = common // {
        inherit row call;
        # Whether the row is the build machine itself, whose build scripts its compiler links as well.
        own = row.triple == common.systems.${pkgs.stdenv.hostPlatform.system};
        rust = common.toolchain.for row;
        cross = call ./compilers/cross.nix { };
        compiler = call ./compilers { };
        runner = call ./runners { };
        # Those that programs link: directories with include and lib.
        libraries = call ./libraries.nix { };
        environment = call ./environment.nix { };
        shell = call ./shell.nix { };
        package = call ./package.nix { };
        matrix = call ./checks/matrix.nix { };
      };
    in
    scope;
in
common // { inherit ofRow; }
