# nixpkgs' module system, as far as flake-parts and its modules go, and no kinder: an option is declared once, a value has its type, and
# what nobody has declared is an error.
{ lib }:
let
  inherit (builtins)
    attrNames
    catAttrs
    concatMap
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isFunction
    isList
    isString
    length
    mapAttrs
    ;
  show = lib.concatStringsSep ".";
  kindOf = value: if isAttrs value then value._type or "" else "";

  # What a definition comes to: { priority, value } of each part of which the condition holds.
  discharge =
    value:
    {
      "if" = if value.condition then discharge value.content else [ ];
      override = map (one: one // { inherit (value) priority; }) (discharge value.content);
    }
    .${kindOf value} or [
      {
        priority = 100;
        inherit value;
      }
    ];
  # A definition of a set as sets of definitions. Their names must be known before the condition is.
  push =
    value:
    {
      "if" = map (mapAttrs (_: mkIf value.condition)) (push value.content);
      override = map (mapAttrs (_: mkOverride value.priority)) (push value.content);
    }
    .${kindOf value} or [ value ];

  merge =
    path: type: definitions:
    let
      found = concatMap discharge definitions;
      first = foldl' (a: b: if b < a then b else a) 9999 (catAttrs "priority" found);
      values = catAttrs "value" (filter (one: one.priority == first) found);
    in
    if !lib.all type.check values then
      throw "A definition for option `${show path}' is not of type `${type.description}'."
    else
      type.merge path (
        map (value: {
          file = "<unknown>";
          inherit value;
        }) values
      );

  evaluateOption =
    path: option: definitions:
    let
      isDefined = concatMap discharge definitions != [ ];
    in
    if isDefined && option.readOnly or false && option ? default then
      throw "The option `${show path}' is read-only, but it's set multiple times."
    else if !isDefined && !option ? default then
      throw "The option `${show path}' was accessed but has no value defined. Try setting the option."
    else
      (option.apply or (value: value)) (
        merge path option.type (
          definitions ++ lib.optional (option ? default) (mkOverride 1500 option.default)
        )
      );

  evaluate =
    path: options: definitions:
    let
      sets = concatMap push definitions;
      unknown = filter (name: !options ? ${name}) (concatMap attrNames sets);
      each =
        name: (if kindOf options.${name} == "option" then evaluateOption else evaluate) (path ++ [ name ]);
    in
    if unknown != [ ] then
      throw "The option `${show (path ++ [ (head unknown) ])}' does not exist."
    else
      mapAttrs (name: option: each name option (catAttrs name sets)) options;

  # The options of two modules.
  declare =
    path: a: b:
    a
    // mapAttrs (
      name: option:
      let
        here = path ++ [ name ];
        other = a.${name};
      in
      if !a ? ${name} then
        option
      else if kindOf option != "option" && kindOf other != "option" then
        declare here other option
      else if option ? type.staticModules && other ? type.staticModules then
        option
        // other
        // {
          type = types.deferredModuleWith {
            staticModules = other.type.staticModules ++ option.type.staticModules;
          };
        }
      else
        throw "The option `${show here}' in `<unknown>' is already declared in `<unknown>'."
    ) b;

  reserved = [
    "_class"
    "_file"
    "config"
    "imports"
    "key"
    "options"
  ];

  mkOption = attrs: attrs // { _type = "option"; };
  mkOptionType =
    {
      name,
      description ? name,
      check ? _: true,
      merge ? mergeOneOption,
      ...
    }@type:
    {
      _type = "option-type";
      inherit description check merge;
    }
    // type;
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mergeOneOption =
    path: definitions:
    if length definitions == 1 then
      (head definitions).value
    else
      throw "The option `${show path}' is defined multiple times while it's expected to be unique.";

  types = {
    raw = mkOptionType { name = "raw value"; };
    str = mkOptionType {
      name = "string";
      check = isString;
    };
    package = mkOptionType {
      name = "package";
      check = value: kindOf value == "" && value.type or "" == "derivation";
    };
    nullOr =
      type:
      mkOptionType {
        name = "null or ${type.description}";
        check = value: value == null || type.check value;
        merge =
          path: definitions: if (head definitions).value == null then null else type.merge path definitions;
      };
    listOf =
      type:
      mkOptionType {
        name = "list of ${type.description}";
        check = value: isList value && lib.all type.check value;
        merge = _: definitions: concatMap (one: one.value) definitions;
      };
    lazyAttrsOf =
      type:
      mkOptionType {
        name = "lazy attribute set of ${type.description}";
        check = isAttrs;
        merge =
          path: definitions:
          mapAttrs (name: merge (path ++ [ name ]) type) (
            builtins.zipAttrsWith (_: values: values) (catAttrs "value" definitions)
          );
      };
    deferredModuleWith =
      { staticModules }:
      mkOptionType {
        name = "module";
        inherit staticModules;
        check = value: isAttrs value || isFunction value;
        merge = _: definitions: { imports = staticModules ++ catAttrs "value" definitions; };
      };
  };
in
{
  inherit
    mergeOneOption
    mkIf
    mkOption
    mkOptionType
    mkOverride
    types
    ;
  mkDefault = mkOverride 1000;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
      class ? null,
    }:
    let
      given = specialArgs // {
        inherit config lib options;
      };
      call =
        module:
        if isFunction module then
          module (
            given // mapAttrs (name: _: given.${name} or config._module.args.${name}) (functionArgs module)
          )
        else
          module;
      load =
        module:
        let
          called = call module;
          isWhole = called ? options || called ? config;
          others = filter (name: !lib.elem name reserved) (attrNames called);
        in
        if called._class or class != class then
          throw "The module `<unknown>' (class: \"${called._class}\") cannot be imported into a module evaluation that expects class \"${toString class}\"."
        else if isWhole && others != [ ] then
          throw "Module `<unknown>' has an unsupported attribute `${head others}'."
        else
          [
            {
              key = called.key or null;
              options = called.options or { };
              config = if isWhole then called.config or { } else removeAttrs called reserved;
            }
          ]
          ++ concatMap load (called.imports or [ ]);
      loaded = foldl' (
        all: one: if one.key != null && lib.elem one.key (catAttrs "key" all) then all else all ++ [ one ]
      ) [ ] (concatMap load modules);
      options = foldl' (declare prefix) {
        _module.args = mkOption {
          type = types.lazyAttrsOf types.raw;
          default = { };
        };
      } (catAttrs "options" loaded);
      config = evaluate prefix options (catAttrs "config" loaded);
    in
    {
      inherit options;
      config = removeAttrs config [ "_module" ];
    };
}
