# The environment of one row on one build machine, of the data that the portable provider reads, too. Shell, package, check and JSON
# document are views of what this gives.
{
  lib,
  stdenv,
  pkg-config-unwrapped,
  writeShellScriptBin,
  writeText,
  data,
  fill,
  row,
  rust,
  compiler,
  libraries,
  runner,
}:
let
  hasCompiler = compiler != null;
  wrapper = compiler.wrap libraries;
  program = name: "${wrapper}/bin/${row.name}-${name}";
  # The build machine's own compiler, for build scripts and proc-macros.
  host = stdenv.cc;
  flags = if row.rustflags == [ ] then null else lib.concatStringsSep " " row.rustflags;
  template =
    file: escape:
    "${writeText "${row.name}-${file}" (
      filled.lines escape (builtins.readFile (data + "/templates/${file}"))
    )}";

  values = row.placeholders // {
    rustflags = flags;
    rustdocflags = flags;
    cc = program "cc";
    cxx = program "c++";
    ld = if row.isMsvc then "${wrapper}/bin/lld-link" else program "ld";
    ar = compiler.tool "ar";
    ranlib = compiler.tool "ranlib";
    objcopy = compiler.tool "objcopy";
    strip = compiler.tool "strip";
    # What crates for Microsoft's ABI call.
    clang-cl = if row.isMsvc then program "clang-cl" else null;
    lld-link = if row.isMsvc then values.ld else null;
    link-flags = if row.isMsvc then "/MANIFEST:NO" else null;
    lib = if row.isMsvc then "${compiler.msvcTools}/bin/llvm-lib" else null;
    rc = if row.isMsvc then "${compiler.msvcTools}/bin/llvm-rc" else null;
    windres = if row.isWindows then compiler.windres else null;
    install-name-tool = if row.isDarwin then compiler.tool "install-name-tool" else null;
    linker-flavor = compiler.linkerFlavor;
    host-cc = "${host}/bin/cc";
    host-cxx = "${host}/bin/c++";
    host-ar = "${host.bintools}/bin/ar";
    host-ranlib = "${host.bintools}/bin/ranlib";
    # As in a build, where pkg-config has no directories of its own.
    host-pkg-config-libdir = "";
    host-cmake = template "host.cmake" (value: value);
    pkg-config = "${pkg-config-unwrapped}/bin/pkg-config";
    pkg-config-libdir = lib.concatStringsSep ":" (
      lib.concatMap (
        folder:
        [ "${lib.getDev folder}/lib/pkgconfig" ]
        ++ lib.optional (folder.hasShare or true) "${lib.getDev folder}/share/pkgconfig"
      ) libraries
    );
    roots = lib.concatStringsSep ";" (
      lib.optional (compiler.sysroot != null) compiler.sysroot ++ map toString libraries
    );
    prefixes = lib.concatMapStringsSep ";" toString libraries;
    multiarch = null;
    libclang = lib.concatStringsSep " " (
      [ "--target=${row.clang}" ]
      ++ compiler.headers
      ++ row.cflags
      ++ lib.concatMap (folder: [
        "-idirafter"
        "${lib.getDev folder}/include"
      ]) libraries
    );
    runner = if runner.absent == null then "${runner.package}/bin/${runner.name}" else null;
    cmake = template "toolchain.cmake" (value: value);
    # Meson escapes in strings as Python does.
    meson = template "cross.meson" (builtins.replaceStrings [ "\\" "'" ] [ "\\\\" "\\'" ]);
  };
  filled = fill values;

  holds = {
    compiler = hasCompiler;
    libc = row.hasLibc;
    runner = runner.absent == null;
    cc = row.linker == "cc";
    ld = row.linker == "ld";
    gnu = !row.isMsvc;
    msvc = row.isMsvc;
    linux = row.isLinux;
    windows = row.isWindows;
    macos = row.isDarwin;
  };
  isSet = variable: builtins.all (condition: holds.${condition}) (variable.when or [ ]);
  variables = lib.importTOML (data + "/environment.toml");

  start = name: program: writeShellScriptBin name "exec ${program} \"$@\"";
in
rec {
  inherit row runner;

  # Variables with the triple in their name: those of all rows fit into one process.
  scoped = filled.pairs (lib.filter isSet variables.scoped);

  # Variables of a shell that is inside this one row.
  shell = filled.pairs (lib.filter isSet variables.shell);

  # Packages whose bin stands in front of PATH.
  path = [
    rust
  ]
  ++ lib.optional (runner.absent == null) runner.package
  ++ lib.optional (runner.goExec != null) runner.goExec
  ++ dlltool
  # What crates make resources with, by the names that they look for: aarch64's is LLVM's.
  ++ lib.optionals (hasCompiler && row.isWindows) [
    (start "${row.arch}-w64-mingw32-windres" compiler.windres)
    (start "llvm-windres" compiler.windres)
    (start "windres" compiler.windres)
    (start "${row.arch}-w64-mingw32-ar" (compiler.tool "ar"))
  ]
  ++ lib.optional (
    hasCompiler && compiler ? xcrun && row.isDarwin && stdenv.hostPlatform.isLinux
  ) compiler.xcrun
  ++ [
    pkg-config-unwrapped
    host
  ];

  # What rustc makes import libraries with, by the name that it looks for.
  dlltool = lib.optional row.isWindows (start "${row.arch}-w64-mingw32-dlltool" compiler.dlltool);

  # The document that `cargo cross-flake env` prints.
  document = {
    schema = 1;
    provider = "nix";
    target = row.name;
    inherit (row) triple;
    inherit scoped shell;
    path = lib.splitString ":" (lib.makeBinPath path);
    glibc = if hasCompiler then compiler.glibc else null;
    # What builds depend on and no path tells: paths of the store tell everything.
    inputs = { };
    runner = runner.spec;
  };

  json = writeText "env-${row.name}.json" (builtins.toJSON document);
}
