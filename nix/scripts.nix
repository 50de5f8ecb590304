# Scripts of .sh files.
{
  lib,
  runCommand,
  runtimeShell,
  writeText,
}:
{
  # The text of a script with its marks (`@CC@`) filled in.
  fill =
    file: values:
    builtins.replaceStrings ([ "#!/bin/sh" ] ++ builtins.attrNames values) (
      [ "#!${runtimeShell}" ] ++ builtins.attrValues values
    ) (builtins.readFile file);

  # A directory with these scripts in bin.
  programs =
    name: scripts:
    runCommand name { } (
      lib.concatStrings (
        lib.mapAttrsToList (program: text: ''
          install -D -m 755 ${writeText program text} $out/bin/${program}
        '') scripts
      )
    );

  # Lines that set variables.
  exports =
    variables:
    lib.concatStrings (
      lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") variables
    );

  # Lines that set variables, unless the caller has them.
  defaults =
    variables:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: value: "export ${name}=\${${name}-${lib.escapeShellArg value}}\n"
      ) variables
    );
}
