# What people give: a function that holds a set against the arguments that there are, fills in defaults, and throws, with the nearest
# names, on what it does not know.
{ lib }:
let
  near = import ./near.nix { inherit lib; };
in
# What takes them, for messages.
place:
# By name: `type` in words, `check` of a value, `default` where one may be left out, and `lazy` of what may be looked at when it is used
# and not before.
known: given:
let
  fail = what: throw "cross-flake: ${place}: ${what}";
  names = builtins.attrNames known;
  unknown = lib.filter (name: !known ? ${name}) (builtins.attrNames given);
  value =
    name: argument:
    if !given ? ${name} then
      argument.default or (fail "argument `${name}` is missing: ${argument.type}")
    else if argument.check given.${name} then
      given.${name}
    else
      fail "argument `${name}` must be ${argument.type}";
  values = builtins.mapAttrs value known;
  eager = lib.filter (name: !(known.${name}.lazy or false)) names;
in
if unknown != [ ] then
  fail "unknown argument `${builtins.head unknown}`${near (builtins.head unknown) names}; it takes ${lib.concatStringsSep ", " names}"
else
  builtins.foldl' (all: name: builtins.seq all.${name} all) values eager
