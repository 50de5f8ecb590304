# The table of targets: targets.toml, with the rows of a workspace's own targets.toml laid over it.
#
# Gives { rows, names, find, select }: rows by name, each with its `name` and what follows from its triple; `find` takes a
# name or a triple and throws, with the nearest names, on anything else.
{
  lib,
  # targets.toml files, the later over the earlier.
  files ? [ ../crates/cross-flake/data/targets.toml ],
}:
let
  inherit (lib)
    concatStringsSep
    filter
    findFirst
    hasInfix
    hasPrefix
    head
    replaceStrings
    splitString
    toUpper
    ;

  read =
    file:
    let
      table = builtins.fromTOML (builtins.readFile file);
    in
    table.target or (throw "cross-flake: ${toString file} has no [target.<name>] tables");

  merged = builtins.foldl' (
    rows: file: rows // builtins.mapAttrs (name: row: (rows.${name} or { }) // row) (read file)
  ) { } files;

  require =
    name: row: field: why:
    if row ? ${field} then
      true
    else
      throw "cross-flake: targets.toml: row `${name}`, field `${field}`: is missing${why}";

  complete =
    name: row:
    assert require name row "triple" "";
    assert require name row "level" "";
    assert row.level != "run" || require name row "runner" ", and a row of level `run` needs it";
    assert row.level != "link" || require name row "reason" ", and a row of level `link` needs it";
    assert row.runner or "" != "qemu-user" || require name row "qemu" ", and qemu-user needs it";
    assert
      !(row ? zig-cpu)
      || builtins.any (flag: hasPrefix "-march=" flag || hasPrefix "-mcpu=" flag) (row.cflags or [ ])
      || throw "cross-flake: targets.toml: row `${name}`, field `zig-cpu`: is for zig's libraries alone: `cflags` says the same in clang's words, as `-march=` or `-mcpu=`";
    assert
      !(row ? zig)
      || builtins.any (family: hasInfix family row.zig) [
        "-linux-"
        "-windows-"
        "-macos"
        "-freebsd"
        "-wasi"
        "-freestanding"
      ]
      || throw "cross-flake: targets.toml: row `${name}`, field `zig`: is for Linux, Windows, macOS, FreeBSD, WASI and `freestanding`: there is no recipe for another system";
    assert row.runner or "" != "qemu-system" || require name row "machine" ", and qemu-system needs it";
    {
      inherit name;
      std = "std";
      cc = "provider";
      linker = "cc";
      cflags = [ ];
      rustflags = [ ];
    }
    // row
    // {
      # As cargo's variables spell the triple, and as those of the cc crate and its kin do.
      upper = toUpper (replaceStrings [ "-" "." ] [ "_" "_" ] row.triple);
      lower = replaceStrings [ "-" ] [ "_" ] row.triple;
      arch = head (splitString "-" row.triple);
      isLinux = hasInfix "-linux" row.triple;
      isWindows = hasInfix "-windows" row.triple;
      isDarwin = hasInfix "-apple-darwin" row.triple;
      # The oldest macOS that programs run on, by the version in zig's name for the row.
      macosFloor =
        let
          found = builtins.match ".*-macos\\.([0-9.]+).*" (row.zig or "");
        in
        if found == null then null else head found;
      isGlibc = row ? interpreter;
      # Whether C programs have a C library there.
      hasLibc = row ? zig && !hasInfix "freestanding" row.zig;
      # Whether the C compiler is zig rather than the one of pkgsCross.
      useZig = row ? zig && (row.cc or "provider" == "zig" || !row ? nixpkgs);
    };

  rows = builtins.mapAttrs complete merged;
  names = builtins.attrNames rows;

  # lib.strings.levenshtein is cubic in Nix steps but the names are short and this is the way to an error.
  near =
    wanted:
    let
      known = names ++ map (name: rows.${name}.triple) names;
      close = filter (
        name: lib.strings.levenshteinAtMost 3 wanted name || hasPrefix wanted name || hasInfix wanted name
      ) known;
    in
    if close == [ ] then "" else "; did you mean ${concatStringsSep ", " (lib.take 3 close)}?";

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
        throw "cross-flake: unknown target `${wanted}`${near wanted}\nThe targets are ${concatStringsSep ", " names}.";
in
{
  inherit rows names find;

  # The rows of these names or triples, by name.
  select =
    wanted:
    builtins.listToAttrs (
      map (
        one:
        let
          row = find one;
        in
        {
          inherit (row) name;
          value = row;
        }
      ) wanted
    );
}
