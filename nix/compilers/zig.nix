# zig's clang and LLD over a sysroot of the C library that zig brings.
{
  lib,
  stdenv,
  lld,
  llvm,
  runCommand,
  runtimeShell,
  writeText,
  zig,
  inputs,
  systems,
  data,
  scripts,
  row,
  cross,
  own,
}:
let
  # zig's own name for the row, with the version of glibc.
  zigTarget = if row ? glibc then "${row.zig}.${row.glibc}" else row.zig;
  # Shared by all rows. Builds, which have no home, set ZIG_GLOBAL_CACHE_DIR.
  zigCache = "\${XDG_CACHE_HOME:-$HOME/.cache}/cross-flake/zig";
  fill = script: scripts.fill (data + "/clang/${script}");
  # For Microsoft's ABI clang looks for one of this name.
  linker = if row.isMsvc then "lld-link" else "${row.name}-ld";

  # Microsoft's ABI has a C++ library of its own.
  hasCxx = row.hasLibc && !row.isMsvc;

  # With libc++ as an output of its own: what is built with it would else compile it each time.
  toolchain =
    let
      recipe = builtins.path {
        name = "sysroot-recipe";
        path = data + "/clang";
        filter =
          path: _:
          !builtins.elem (baseNameOf path) [
            "cc.sh"
            "ld.sh"
            "linker-options.txt"
            "mt.sh"
            "windres.sh"
            "xcrun.sh"
          ];
      };
    in
    runCommand "toolchain-for-${row.name}" { outputs = [ "out" ] ++ lib.optional hasCxx "cxx"; } ''
      export ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig
      make() { mkdir "$1" && sh ${recipe}/sysroot.sh ${lib.getExe zig} ${zigTarget} "${row.zig-cpu or ""}" "$@"; }
      make $out
      ${lib.optionalString hasCxx "make $cxx c++"}
    '';
in
{
  packaged = false;
  # Where compilers look for the row's C library; null where that is not known.
  sysroot = if row.hasLibc then "${toolchain}/sysroot" else null;
  headers = [
    "--sysroot=${toolchain}/sysroot"
    "-stdlib=libc++"
  ];
  # zig links against stubs of glibc; programs still need a real one to be run with.
  libc =
    if own && row.isGlibc then
      stdenv.cc.libc
    # Where nixpkgs is built for that machine itself, caches have it, and no cross compiler has to be built first.
    else if row.isGlibc && systems."${row.arch}-linux" or null == row.triple then
      inputs.nixpkgs.legacyPackages."${row.arch}-linux".stdenv.cc.libc
    else if row.isGlibc && cross != null then
      cross.stdenv.cc.libc
    else
      null;
  glibc = row.glibc or null;
  tool = name: "${lib.getBin llvm}/bin/llvm-${name}";
  dlltool = "${lib.getExe zig} dlltool";
  windres =
    let
      name = "${row.arch}-w64-mingw32-windres";
      script = fill "windres.sh" {
        "@ZIG@" = lib.getExe zig;
        "@CACHE@" = zigCache;
      };
    in
    "${scripts.programs "cc-for-${row.name}" { ${name} = script; }}/bin/${name}";
  # Those of Microsoft's tools that crates ask for by LLVM's names.
  msvcTools = scripts.programs "cc-for-${row.name}" {
    llvm-lib = "#!${runtimeShell}\nexec ${lib.getExe zig} lib \"$@\"\n";
    llvm-rc = ''
      #!${runtimeShell}
      export ZIG_GLOBAL_CACHE_DIR=''${ZIG_GLOBAL_CACHE_DIR:-${zigCache}}
      export ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
      exec ${lib.getExe zig} rc /:auto-includes gnu "$@"
    '';
  };
  # Answers for Apple's program of this name.
  xcrun = scripts.programs "cc-for-${row.name}" {
    xcrun = fill "xcrun.sh" { "@SYSROOT@" = "${toolchain}/sysroot"; };
  };
  linkerFlavor = "lld";
  # libraries: directories with include and lib.
  wrap =
    libraries:
    let
      ld = scripts.programs "cc-for-${row.name}" {
        # Beside the linker, which looks for it there (ld.sh).
        ${if row.isMsvc then "mt.exe" else null} = fill "mt.sh" { };
        ${linker} = fill "ld.sh" (
          values
          // {
            "@CPU@" = lib.escapeShellArg (row.zig-cpu or "");
            "@OPTIONS@" = "${data + "/clang/linker-options.txt"}";
            "@LLD@" = "${lib.getBin lld}/bin/lld";
            "@SDK@" = "${toolchain}/sysroot/usr/lib";
            "@DEBIAN@" = row.debian or "";
            "@CACHE@" = zigCache;
            "@CXX@" = "${if hasCxx then toolchain.cxx else toolchain}";
            "@PREFIXES@" = lib.escapeShellArgs (map toString libraries);
          }
        );
      };
      config = writeText "clang-${row.name}.cfg" (
        lib.concatMapStrings (line: line + "\n") (
          [
            "@${toolchain}/clang.cfg"
          ]
          # clang's driver for Microsoft's ABI has another option for it (cc.sh), and takes fewer when it plays Microsoft's.
          ++ lib.optional (!row.isMsvc) "--ld-path=${ld}/bin/${linker}"
          ++ row.cflags
          # Build scripts and tests start here, where the distribution's loader need not be; package.nix replaces it in the end.
          ++ lib.optional (
            own && row.isGlibc
          ) "-Wl,--dynamic-linker=${lib.getLib stdenv.cc.libc}/lib/${baseNameOf row.interpreter}"
          ++ map (
            folder:
            if row.isMsvc then
              "-Xclang -idirafter -Xclang ${folder}/include"
            else
              "-idirafter ${folder}/include"
          ) libraries
        )
      );
      values = {
        "@ZIG@" = lib.getExe zig;
        "@ROW@" = row.name;
        "@TARGET@" = lib.escapeShellArg zigTarget;
        "@TOOLCHAIN@" = "${toolchain}";
        "@CONFIG@" = "${config}";
        "@LD@" = "${ld}/bin/${linker}";
      };
      cc = fill "cc.sh" (values // { "@DRIVER@" = ""; });
    in
    scripts.programs "cc-for-${row.name}" (
      {
        ${linker} = "#!${runtimeShell}\nexec ${ld}/bin/${linker} \"$@\"\n";
        "${row.name}-cc" =
          if own then
            scripts.fill ./own.sh {
              "@TRIPLE@" = row.triple;
              "@HOST@" = "${stdenv.cc}/bin/cc";
              "@CC@" = "${scripts.programs "zig-for-${row.name}" { cc = cc; }}/bin/cc";
            }
          else
            cc;
        "${row.name}-c++" = fill "cc.sh" (values // { "@DRIVER@" = "--driver-mode=g++"; });
      }
      // lib.optionalAttrs row.isMsvc {
        "${row.name}-clang-cl" = fill "cc.sh" (values // { "@DRIVER@" = "--driver-mode=cl"; });
      }
    );
}
