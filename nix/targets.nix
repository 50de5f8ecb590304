# The table of targets: targets.toml, with the rows of a workspace's own targets.toml laid over it.
#
# Gives { rows, names, find, select, common }: rows by name, each with its `name` and what follows from its triple; `find` takes a
# name or a triple and throws, with the nearest names, on anything else. `common` are those that nobody has to name.
{
  lib,
  data,
  # A targets.toml of the workspace's own, or null.
  overlay ? null,
}:
let
  inherit (lib)
    concatStringsSep
    findFirst
    hasInfix
    head
    replaceStrings
    splitString
    toUpper
    ;

  near = import ./near.nix { inherit lib; };

  read =
    file:
    let
      table = builtins.fromTOML (builtins.readFile file);
      others = builtins.attrNames (
        removeAttrs table [
          "family"
          "target"
        ]
      );
    in
    if others == [ ] then
      table
    else
      throw "cross-flake: ${toString file}: unknown field `${head others}`: rows are [target.NAME], and what they have in common [family.NAME]";
  # The rows of a workspace's own are there to be taken, which is for others to say of themselves.
  ofWorkspace =
    table:
    table
    // {
      target = builtins.mapAttrs (
        name: row: lib.optionalAttrs (!shipped.target ? ${name}) { common = true; } // row
      ) (table.target or { });
    };
  shipped = read (data + "/targets.toml");
  files = [ shipped ] ++ lib.optional (overlay != null) (ofWorkspace (read overlay));
  # The tables of a kind: those of a file are laid over those of the one before it.
  tables =
    kind:
    builtins.foldl' (
      known: file:
      known // builtins.mapAttrs (name: one: (known.${name} or { }) // one) (file.${kind} or { })
    ) { } files;
  given = tables "target";
  families = builtins.mapAttrs (
    name: family:
    if given ? ${name} then
      throw "cross-flake: targets.toml: `${name}` is the name of a row and of a family"
    else if builtins.any (field: family ? ${field}) own then
      bad name (lib.findFirst (field: family ? ${field}) null own) "is a row's own"
    else
      family
  ) (tables "family");

  # A row has the fields of the row or family that it is `like`, and its own over them.
  inherited =
    name: chain: fields:
    let
      inherit (fields) like;
      next =
        families.${like} or given.${like} or (bad name "like"
          "there is no row or family `${like}`${near like (builtins.attrNames (families // given))}"
        );
    in
    if !fields ? like then
      fields
    else if builtins.elem like chain then
      bad name "like" "goes round in a circle: ${concatStringsSep ", " (chain ++ [ like ])}"
    else
      removeAttrs (inherited name (chain ++ [ like ]) next) own // removeAttrs fields [ "like" ];
  merged = builtins.mapAttrs (name: inherited name [ name ]) given;

  inherit (lib.importTOML (data + "/rules.toml")) own rule;
  platforms = lib.importTOML (data + "/platforms.toml");

  # Whether a row keeps a rule; throws if not.
  keeps =
    name: row: rule:
    let
      has = field: row.${field} or [ ] != [ ];
      of = rule.of or rule.field;
      applies = has of && (!rule ? is || row.${of} == rule.is);
      text = builtins.toJSON row.${rule."in"} or "";
      hasText = !rule ? "in" || builtins.any (any: hasInfix any text) rule.any;
    in
    !applies || builtins.all has (rule.needs or [ ]) && hasText || bad name rule.field rule.message;
  bad =
    name: field: what:
    throw "cross-flake: targets.toml: row `${name}`, field `${field}`: ${what}";

  complete =
    name: row:
    assert row ? triple || bad name "triple" "is missing";
    assert row ? level || bad name "level" "is missing";
    assert builtins.all (keeps name row) rule;
    assert !row ? sdk || bad name "sdk" "is for the portable provider alone";
    let
      arch = head (splitString "-" row.triple);
      # As cargo's variables spell the triple, and as those of the cc crate and its kin do.
      upper = toUpper (replaceStrings [ "-" "." ] [ "_" "_" ] row.triple);
      lower = replaceStrings [ "-" "." ] [ "_" "_" ] row.triple;
      system = findFirst (
        system: system.infix == "" || hasInfix system.infix row.triple
      ) null platforms.system;
      names = platforms.arch.${arch} or { };
      useZig = row ? zig && (row.cc or "provider" == "zig" || !row ? nixpkgs);
      # The oldest macOS that programs run on, by the version in zig's name for the row.
      macosFloor = builtins.match ".*-macos\\.([0-9.]+).*" (row.zig or "");
    in
    {
      inherit name;
      std = "std";
      common = false;
      cc = "provider";
      linker = "cc";
      cflags = [ ];
      rustflags = [ ];
    }
    // row
    // {
      inherit arch upper lower;
      system = system.name;
      suffix = system.suffix or "";
      isLinux = system.name == "linux";
      isWindows = system.name == "windows";
      isMsvc = lib.hasSuffix "-msvc" row.triple;
      isDarwin = system.name == "macos";
      # What follows from the row alone of what environment.toml and the templates speak of.
      placeholders = {
        row = name;
        inherit (row) triple;
        inherit arch upper lower;
        macos-floor = if macosFloor == null then null else head macosFloor;
        go-os = row.go.os or null;
        go-arch = row.go.arch or null;
        go-arm = row.go.arm or null;
        go-cgo =
          if !row ? go then
            null
          else if row.go.cgo then
            "1"
          else
            "0";
        cmake-system = system.cmake;
        cmake-processor =
          if system.name == "windows" && names ? cmake-windows then
            names.cmake-windows
          else
            names.cmake or arch;
        meson-system = lib.toLower system.cmake;
        meson-family = names.meson or arch;
        endian = names.endian or "little";
      };
      isGlibc = row ? interpreter;
      # The triple as clang reads it.
      clang = "${names.clang or arch}${lib.removePrefix arch row.triple}";
      # Whether C programs have a C library there.
      hasLibc = row ? zig && !hasInfix "freestanding" row.zig;
      # Whether the C compiler is zig rather than the one of pkgsCross.
      inherit useZig;
      # Whether packages of nixpkgs can be linked.
      hasPkgsCross = row ? nixpkgs && !useZig;
    };

  rows = builtins.mapAttrs complete merged;
  names = builtins.attrNames rows;

  find =
    wanted:
    if rows ? ${wanted} then
      rows.${wanted}
    else
      let
        name = findFirst (name: rows.${name}.triple == wanted) null names;
      in
      if name != null then
        rows.${name}
      else
        throw "cross-flake: unknown target `${wanted}`${
          near wanted (names ++ map (name: rows.${name}.triple) names)
        }\nThe targets are ${concatStringsSep ", " names}.";

  common = lib.filterAttrs (name: _: merged.${name}.common or false) rows;

  # Whether a name fits a pattern, in which `*` stands for anything.
  fits =
    pattern:
    let
      # What would mean something else in a regular expression (builtins.match).
      special = splitString " " "\\ . + ? ( ) [ ] { } ^ $ |";
      expression = replaceStrings ([ "*" ] ++ special) (
        [ ".*" ] ++ map (one: "\\${one}") special
      ) pattern;
    in
    name: builtins.match expression name != null;
  # The names of the rows that a name, a triple or a pattern means.
  called =
    wanted:
    let
      isCalled = fits wanted;
      found = lib.filter (name: isCalled name || isCalled (merged.${name}.triple or "")) names;
    in
    if wanted == "all" then
      names
    else if wanted == "common" then
      builtins.attrNames common
    else if !hasInfix "*" wanted then
      [ (find wanted).name ]
    else if found != [ ] then
      found
    else
      throw "cross-flake: no target is called like `${wanted}`${
        near (replaceStrings [ "*" ] [ "" ] wanted) names
      }\nThe targets are ${concatStringsSep ", " names}.";
in
{
  inherit
    rows
    names
    find
    common
    ;

  # The rows as the files have them, for who wants a field of all: `rows` checks each.
  fields = merged;

  # The rows of these names, triples or patterns, by name.
  select = wanted: lib.genAttrs (lib.concatMap called wanted) (name: rows.${name});
}
