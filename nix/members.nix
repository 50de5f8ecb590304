# A part of this repository's workspace: { src, postPatch, cargoLockContents, version } for crane. It is nothing but the members that
# are asked for and their part of Cargo.lock, so that README, docs, tests and other members change nothing that is built of it.
{ lib }:
{
  # Folders of the members, and what is needed of each.
  members,
  parts ? [ "." ],
  # More files of the repository.
  files ? [ ],
}:
let
  inherit (lib.importTOML ../Cargo.toml) workspace;

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
      inherit members;
    };
  });

  # The packages of Cargo.lock that the members need, which are built `--offline` and not `--locked`: an edge that only another member's
  # features make is in here, and cargo leaves it out. A dependency there is a name, and a version where there are several.
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
    startSet = map (member: node (nameOf member)) members;
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
  nameOf = member: (lib.importTOML (../. + "/${member}/Cargo.toml")).package.name;
in
{
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions (
      files
      ++ lib.concatMap (
        member: map (part: lib.fileset.maybeMissing (../. + "/${member}/${part}")) parts
      ) members
    );
  };
  inherit (workspace.package) version;
  postPatch = "cp ${manifest} Cargo.toml";
  cargoLockContents =
    "version = ${toString lock.version}\n"
    + lib.concatMapStrings (item: "\n[[package]]\n${lines item.package}") (
      lib.sort (a: b: a.key < b.key) needed
    );
}
