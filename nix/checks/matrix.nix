# What one row has to pass: { test, conformance, portable, shell }, and what crane is to check, each a derivation that fails if it does
# not hold.
{
  lib,
  patchelf,
  runCommand,
  data,
  scripts,
  row,
  runner,
  environment,
  package,
  crateChecks,
}:
let
  enter = ''
    export PATH=${lib.makeBinPath environment.path}:$PATH ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig
    ${scripts.exports (environment.scoped // environment.shell)}
  '';

  # C++ would have zig compile its libc++ for each row.
  programs = lib.filter (
    program:
    (if program.msvc or false then row.isMsvc else program.compiler == "CC")
    && (row.hasLibc || !program.libc)
  ) (lib.importTOML (data + "/conformance/conformance.toml")).program;
  compile =
    {
      source,
      compiler,
      flags,
      libraries,
      ...
    }@program:
    let
      output = builtins.replaceStrings [ "{suffix}" ] [ row.suffix ] program.output;
    in
    ''
      ${"$" + compiler} ${lib.escapeShellArgs flags} ${
        data + "/conformance/${source}"
      } ${lib.escapeShellArgs libraries} -o ${output}
    ''
    + lib.optionalString (
      program.libc && program.run or true && runner.absent == null
    ) "${runner.name} ./${output}\n";
in
crateChecks
// {
  # The package itself: its check phase runs its tests under emulation.
  test = package;

  # CC, libc and zlib, by the programs that `cargo cross-flake conformance` compiles, too.
  conformance = runCommand "conformance-${row.name}" { } (
    if !environment.shell ? CC then
      "echo 'no C compiler for ${row.name}' > $out"
    else
      enter + lib.concatMapStrings compile programs + "touch $out\n"
  );

  # Every program names the distribution's loader, or none, and no path of the store.
  portable = runCommand "portable-${row.name}" {
    nativeBuildInputs = [ patchelf ];
    built = package;
    # Of other systems' programs patchelf knows nothing.
    interpreter = if row.isLinux then row.interpreter or "" else "-";
    store = builtins.storeDir;
  } (builtins.readFile ./portable.sh);

  # The same package, built as in the row's dev shell: with CC and its like of the target, in whose presence build scripts and
  # proc-macros must still get the build machine's compiler.
  shell = package.overrideAttrs (old: {
    name = "shell-${row.name}";
    cargoArtifacts = null;
    preBuild = old.preBuild or "" + "\n" + enter;
  });
}
