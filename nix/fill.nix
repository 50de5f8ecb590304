# Placeholders: fills `{name}` in the data that both providers read with `values.name`. What stands for null takes what it is in along:
# the variable, the group of words, the line.
values:
let
  names = builtins.attrNames values;
  nothing = "{}";
  marks = map (name: "{${name}}") names;
  known = map (name: if values.${name} == null then nothing else values.${name}) names;
  fillWith = builtins.replaceStrings marks;
  isWhole = text: builtins.replaceStrings [ nothing ] [ "" ] text == text;
  isWholePair = pair: isWhole pair.value;
in
rec {
  text = fillWith known;

  # Of a list of { name, value }.
  pairs =
    list:
    builtins.listToAttrs (
      builtins.filter isWholePair (
        map (pair: {
          name = text pair.name;
          value = text pair.value;
        }) list
      )
    );

  # Of the values of a set.
  set =
    attrs:
    pairs (
      map (name: {
        inherit name;
        value = attrs.${name};
      }) (builtins.attrNames attrs)
    );

  # Of groups of words.
  words =
    groups:
    builtins.concatMap (
      group:
      let
        filled = map text group;
      in
      if builtins.all isWhole filled then filled else [ ]
    ) groups;

  # Of a template's lines, values escaped as the file has it.
  lines =
    escape: template:
    let
      fill = fillWith (map escape known);
      parts = builtins.filter builtins.isString (builtins.split "\n" template);
    in
    builtins.concatStringsSep "\n" (builtins.filter isWhole (map fill parts));
}
