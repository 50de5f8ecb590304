# `; did you mean a, b?`: the names that are nearest to one that does not exist, or nothing.
{ lib }:
wanted: known:
let
  # lib.strings.levenshtein is cubic in Nix steps but the names are short and this is the way to an error.
  within =
    limit:
    lib.filter (
      name:
      lib.strings.levenshteinAtMost limit wanted name
      || lib.hasPrefix wanted name
      || lib.hasInfix wanted name
    ) known;
  close = lib.findFirst (names: names != [ ]) [ ] (
    map within [
      1
      2
      3
    ]
  );
in
if close == [ ] then "" else "; did you mean ${lib.concatStringsSep ", " (lib.take 3 close)}?"
