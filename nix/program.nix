# A program of this repository, for the build machine: { package, checked }, the latter with its unit tests run. Programs of a
# target are started in Linux's namespaces, so elsewhere both are null.
#
# It is built of nothing but the crates that it is made of and of their part of Cargo.lock: README, docs, tests and other crates
# change no shell.
{
  pkgs,
  inputs,
  # The toolchain to build it with.
  rust,
  # The package, and the folders of crates/ that it is made of.
  pname,
  crates,
}:
let
  inherit (pkgs) lib;
  inherit (lib.importTOML ../Cargo.toml) workspace;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions (
      lib.concatMap (crate: [
        (../crates + "/${crate}/Cargo.toml")
        (../crates + "/${crate}/src")
        (lib.fileset.maybeMissing (../crates + "/${crate}/data"))
      ]) crates
    );
  };

  # A value in TOML, on one line. Its strings are written as JSON's.
  toTOML =
    value:
    if builtins.isAttrs value then
      "{ ${
        lib.concatStringsSep ", " (
          lib.mapAttrsToList (name: field: "${builtins.toJSON name} = ${toTOML field}") value
        )
      } }"
    else if builtins.isList value then
      "[${lib.concatMapStringsSep ", " toTOML value}]"
    else
      builtins.toJSON value;
  lines =
    table: lib.concatStrings (lib.mapAttrsToList (name: value: "${name} = ${toTOML value}\n") table);

  manifest = builtins.toFile "Cargo.toml" (lines {
    workspace = removeAttrs workspace [ "default-members" ] // {
      members = map (crate: "crates/${crate}") crates;
    };
  });

  # The packages of Cargo.lock that the program needs. A dependency there is a name, and a version where there are several.
  lock = lib.importTOML ../Cargo.lock;
  named = lib.groupBy (package: package.name) lock.package;
  find =
    dependency:
    let
      words = lib.splitString " " dependency;
      fits = package: lib.length words == 1 || package.version == lib.elemAt words 1;
    in
    lib.findFirst fits (throw "cross-flake: Cargo.lock lacks ${dependency}") named.${lib.head words};
  needed = builtins.genericClosure {
    startSet = map node (map crateName crates);
    operator = item: map node (item.package.dependencies or [ ]);
  };
  node =
    dependency:
    let
      package = find dependency;
    in
    {
      key = "${package.name} ${package.version}";
      inherit package;
    };
  crateName = crate: (lib.importTOML (../crates + "/${crate}/Cargo.toml")).package.name;
  cargoLockContents =
    "version = ${toString lock.version}\n"
    + lib.concatMapStrings (item: "\n[[package]]\n${lines item.package}") (
      lib.sort (a: b: a.key < b.key) needed
    );

  build =
    doCheck:
    ((inputs.crane.mkLib pkgs).overrideToolchain rust).buildPackage {
      inherit
        src
        pname
        doCheck
        cargoLockContents
        ;
      inherit (workspace.package) version;
      strictDeps = true;
      postPatch = "cp ${manifest} Cargo.toml";
      # Built once for a version, so there is nothing to gain from building the dependencies by themselves.
      cargoArtifacts = null;
      cargoExtraArgs = "--locked --package ${pname}";
      # The integration tests fetch compilers and emulators.
      cargoTestExtraArgs = "--lib --bins";
    };
in
if pkgs.stdenv.hostPlatform.isLinux then
  {
    package = build false;
    checked = build true;
  }
else
  {
    package = null;
    checked = null;
  }
