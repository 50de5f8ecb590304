# What cross-flake uses of nixpkgs' lib, with the same meaning.
let
  inherit (builtins)
    attrNames
    concatLists
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isFunction
    isString
    length
    listToAttrs
    match
    replaceStrings
    stringLength
    substring
    tail
    ;
  chars = text: builtins.genList (i: substring i 1 text) (stringLength text);
in
rec {
  lowerChars = chars "abcdefghijklmnopqrstuvwxyz";
  upperChars = chars "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  version = "26.05pre-stand-in";

  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    groupBy
    head
    isAttrs
    isFunction
    length
    listToAttrs
    mapAttrs
    pathExists
    replaceStrings
    sort
    ;

  # Lists and attributes.
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: values: if condition then values else { };
  optionalString = condition: value: if condition then value else "";
  take =
    count: list:
    if count == 0 || list == [ ] then [ ] else [ (head list) ] ++ take (count - 1) (tail list);
  init = list: take (length list - 1) list;
  last = list: builtins.elemAt list (length list - 1);
  reverseList = list: foldl' (all: one: [ one ] ++ all) [ ] list;
  unique = foldl' (all: one: if elem one all then all else all ++ [ one ]) [ ];
  intersectLists = a: filter (one: elem one a);
  findFirst =
    test: default: list:
    let
      found = filter test list;
    in
    if found == [ ] then default else head found;
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
  concatMapAttrs = f: set: foldl' (sum: one: sum // one) { } (mapAttrsToList f set);
  filterAttrs =
    test: set:
    listToAttrs (
      map (name: nameValuePair name set.${name}) (filter (name: test name set.${name}) (attrNames set))
    );

  # Strings.
  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStrings (map f list);
  concatMapStringsSep =
    separator: f: list:
    concatStringsSep separator (map f list);
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    stringLength suffix <= stringLength text
    && substring (stringLength text - stringLength suffix) (-1) text == suffix;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  hasInfix = infix: text: replaceStrings [ infix ] [ "" ] text != text;
  # builtins.split forgets which derivations a text refers to.
  splitString =
    separator: text:
    map (part: substring 0 0 text + part) (filter isString (builtins.split (escape separator) text));
  escape = replaceStrings [ "." ] [ "\\." ];
  toUpper = replaceStrings lowerChars upperChars;
  toLower = replaceStrings upperChars lowerChars;
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  isStringLike =
    value: isString value || builtins.isPath value || value ? outPath || value ? __toString;
  versionOlder = a: b: builtins.compareVersions a b < 0;
  strings.levenshteinAtMost =
    limit: a: b:
    let
      go =
        limit: a: b:
        let
          restA = substring 1 (-1) a;
          restB = substring 1 (-1) b;
        in
        if limit < 0 then
          false
        else if a == "" || b == "" then
          stringLength a + stringLength b <= limit
        else if substring 0 1 a == substring 0 1 b then
          go limit restA restB
        else
          go (limit - 1) restA b || go (limit - 1) a restB || go (limit - 1) restA restB;
    in
    go limit a b;

  # Packages.
  getBin = package: package.bin or package;
  getLib = package: package.lib or package;
  getDev = package: package.dev or package;
  getExe = package: "${getBin package}/bin/${package.meta.mainProgram}";
  makeBinPath = concatMapStringsSep ":" (package: "${getBin package}/bin");

  # Files.
  cleanSourceWith =
    { src, filter }:
    {
      _isLibCleanSourceWith = true;
      origSrc = src;
      inherit filter;
      outPath = builtins.path {
        name = "source";
        path = src;
        inherit filter;
      };
    };
  importTOML = file: builtins.fromTOML (builtins.readFile file);
  fileset = {
    unions = files: files;
    maybeMissing = file: file;
    toSource =
      { root, fileset }:
      builtins.path {
        name = "source";
        path = root;
        filter =
          path: _:
          builtins.any (
            file:
            path == toString file || hasPrefix "${toString file}/" path || hasPrefix "${path}/" (toString file)
          ) fileset;
      };
  };

  # `expr` and `expected` of every test whose name begins with `test`.
  runTests =
    tests:
    concatLists (
      mapAttrsToList (
        name: test:
        optional (hasPrefix "test" name && test.expr != test.expected) {
          inherit name;
          inherit (test) expected;
          result = test.expr;
        }
      ) tests
    );
}
