# What the workspace says of itself, as `cargo cross-flake` reads it: { rows, chosen, packagesFor }. Rows are those that it is for, packages
# the names of those that cargo has to be told of for a row, or null where it takes the right ones by itself.
{
  lib,
  src,
  table,
}:
let
  read =
    directory:
    let
      file = src + "/${directory}/Cargo.toml";
    in
    if builtins.pathExists file then
      lib.importTOML file
    else
      throw "cross-flake: ${toString src} has no ${
        lib.optionalString (directory != ".") "${directory}/"
      }Cargo.toml";
  root = read ".";
  workspace = root.workspace or { };

  # Of cargo's patterns those that end in `*`, which is all that people write.
  expand =
    pattern:
    let
      parent = lib.concatStringsSep "/" (lib.init (lib.splitString "/" pattern));
      prefix = lib.removeSuffix "*" (lib.last (lib.splitString "/" pattern));
      below = if parent == "" then "." else parent;
      fits =
        name: kind:
        kind == "directory"
        && lib.hasPrefix prefix name
        && builtins.pathExists (src + "/${below}/${name}/Cargo.toml");
    in
    if !lib.hasSuffix "*" pattern then
      [ (lib.removePrefix "./" pattern) ]
    else
      map (name: if parent == "" then name else "${parent}/${name}") (
        builtins.attrNames (lib.filterAttrs fits (builtins.readDir (src + "/${below}")))
      );
  isExcluded =
    directory:
    builtins.any (excluded: directory == excluded || lib.hasPrefix "${excluded}/" directory) (
      workspace.exclude or [ ]
    );
  directories = patterns: lib.filter (one: !isExcluded one) (lib.concatMap expand patterns);
  own = lib.optional (root ? package) ".";
  members = own ++ lib.filter (one: one != ".") (directories (workspace.members or [ ]));
  chosen =
    if workspace ? default-members then
      directories workspace.default-members
    else if own != [ ] then
      own
    else
      members;

  packages = map (
    directory:
    let
      inherit (read directory) package;
      listed = package.metadata.cross-flake.targets or null;
    in
    {
      inherit (package) name;
      isChosen = builtins.elem directory chosen;
      # Names of rows, or null.
      rows = if listed == null then null else builtins.attrNames (table.select listed);
    }
  ) members;

  # Bare metal is for packages that list it, and these are taken without being asked for.
  of =
    row:
    lib.filter (
      package:
      if package.rows == null then
        package.isChosen && row.std == "std"
      else
        builtins.elem row.name package.rows
    ) packages;

  hasChosen = src != null && root ? workspace.metadata.cross-flake.targets;
  wanted =
    if hasChosen then table.select root.workspace.metadata.cross-flake.targets else table.common;
in
rec {
  rows = if src == null then table.common else lib.filterAttrs (_: row: of row != [ ]) wanted;

  # Those of them that the workspace names itself.
  chosen = if hasChosen then rows else { };

  packagesFor =
    row:
    let
      names = map (package: package.name) (of row);
      usual = map (package: package.name) (lib.filter (package: package.isChosen) packages);
    in
    # A row that was asked for by its name and that no package lists has what cargo takes.
    if names == [ ] || names == usual then null else names;
}
