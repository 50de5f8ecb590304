# The environment of one row on one build machine. Shell, package, check and JSON document are views of what this gives.
{
  pkgs,
  row,
  rows,
  toolchain,
  portable,
  # The program that starts programs of targets, or null where there is none.
  runnerProgram,
  # pkgsCross -> packages whose libraries the row's programs link.
  buildInputs,
}:
let
  inherit (pkgs) lib;
  own = row.triple == (import ./systems.nix).${pkgs.stdenv.hostPlatform.system};

  compiler = import ./compiler.nix {
    inherit
      pkgs
      row
      portable
      own
      ;
  };
  zlib = import ./zlib.nix { inherit pkgs row compiler; };
  runner = import ./runner.nix {
    inherit
      pkgs
      row
      compiler
      rows
      runnerProgram
      ;
  };

  libraries =
    lib.optional (zlib != null) zlib
    ++ lib.optionals (compiler != null && compiler.cross != null) (buildInputs compiler.cross);
  wrapper = compiler.wrap libraries;
  cc = "${wrapper}/bin/${row.name}-cc";
  cxx = "${wrapper}/bin/${row.name}-c++";
  rust = toolchain.for row;

  # The build machine's own compiler, for build scripts and proc-macros.
  host = pkgs.stdenv.cc;
  pkgConfigPath = lib.concatMapStringsSep ":" (
    folder: "${lib.getDev folder}/lib/pkgconfig"
  ) libraries;

  buildSystems = import ./build-systems.nix {
    inherit
      pkgs
      row
      compiler
      libraries
      pkgConfigPath
      cc
      cxx
      ;
    runner = if hasRunner then "${runner.package}/bin/cross-flake-run-${row.name}" else null;
  };

  hasRunner = runner.absent == null;
  hasCompiler = compiler != null;
in
rec {
  inherit
    row
    own
    runner
    rust
    ;

  # Variables with the triple in their name: those of all rows fit into one process.
  scoped =
    lib.optionalAttrs (row.rustflags != [ ]) {
      "CARGO_TARGET_${row.upper}_RUSTFLAGS" = lib.concatStringsSep " " row.rustflags;
      # rustdoc links doctests.
      "CARGO_TARGET_${row.upper}_RUSTDOCFLAGS" = lib.concatStringsSep " " row.rustflags;
    }
    # By name and not by path: cargo splits the variable at spaces.
    // lib.optionalAttrs hasRunner {
      "CARGO_TARGET_${row.upper}_RUNNER" = "cross-flake-run-${row.name}";
    }
    // lib.optionalAttrs hasCompiler {
      "CC_${row.lower}" = cc;
      "CXX_${row.lower}" = cxx;
      "AR_${row.lower}" = compiler.tool "ar";
      "RANLIB_${row.lower}" = compiler.tool "ranlib";
    }
    // lib.optionalAttrs (hasCompiler && row.linker == "cc") {
      "CARGO_TARGET_${row.upper}_LINKER" = cc;
    }
    // lib.optionalAttrs (hasCompiler && row.linker == "ld") {
      "CARGO_TARGET_${row.upper}_LINKER" = "${wrapper}/bin/${row.name}-ld";
    }
    // lib.optionalAttrs (hasCompiler && row.isWindows) { "RC_${row.lower}" = compiler.windres; }
    // lib.optionalAttrs (hasCompiler && row.hasLibc) {
      "PKG_CONFIG_ALLOW_CROSS_${row.lower}" = "1";
      # LIBDIR replaces pkg-config's own list, so that no library of the build machine is found.
      "PKG_CONFIG_LIBDIR_${row.lower}" = pkgConfigPath;
      "CMAKE_TOOLCHAIN_FILE_${row.lower}" = "${buildSystems.cmake}";
    }
    # For bindgen's libclang, which has headers of its own and none of the row's.
    // lib.optionalAttrs (hasCompiler && row.hasLibc && compiler.headers != null) {
      "BINDGEN_EXTRA_CLANG_ARGS_${row.lower}" = lib.concatStringsSep " " (
        [ "--target=${builtins.replaceStrings [ "riscv64gc" ] [ "riscv64" ] row.triple}" ]
        ++ compiler.headers
        ++ row.cflags
        ++ lib.concatMap (folder: [
          "-idirafter"
          "${lib.getDev folder}/include"
        ]) libraries
      );
    };

  # Variables of a shell that is inside this one row.
  shell = {
    CARGO_BUILD_TARGET = row.triple;
  }
  // lib.optionalAttrs (row ? go) (
    {
      GOOS = row.go.os;
      GOARCH = row.go.arch;
      CGO_ENABLED = if row.go.cgo then "1" else "0";
    }
    // lib.optionalAttrs (row.go ? arm) { GOARM = row.go.arm; }
  )
  // lib.optionalAttrs hasRunner {
    CROSSCOMPILING_EMULATOR = "${runner.package}/bin/cross-flake-run-${row.name}";
  }
  // lib.optionalAttrs hasCompiler {
    CC = cc;
    CXX = cxx;
    AR = compiler.tool "ar";
    RANLIB = compiler.tool "ranlib";
    OBJCOPY = compiler.tool "objcopy";
    STRIP = compiler.tool "strip";
    # cc's names for the build machine's tools are HOST_*, autoconf's are *_FOR_BUILD.
    HOST_CC = "${host}/bin/cc";
    HOST_CXX = "${host}/bin/c++";
    HOST_AR = "${host.bintools}/bin/ar";
    CC_FOR_BUILD = "${host}/bin/cc";
    CXX_FOR_BUILD = "${host}/bin/c++";
    AR_FOR_BUILD = "${host.bintools}/bin/ar";
  }
  # zig has it in the target's name; maturin, setuptools and rustc ask for it by this.
  // lib.optionalAttrs (row.macosFloor != null) { MACOSX_DEPLOYMENT_TARGET = row.macosFloor; }
  # CMake asks for RC, autoconf and the crate winresource for WINDRES.
  // lib.optionalAttrs (hasCompiler && row.isWindows) {
    RC = compiler.windres;
    WINDRES = compiler.windres;
  }
  # Properties of .NET's Native AOT: MSBuild takes them from the environment.
  // lib.optionalAttrs (hasCompiler && row.isLinux) {
    CppCompilerAndLinker = cc;
    LinkerFlavor = compiler.linkerFlavor;
    ObjCopyName = compiler.tool "objcopy";
  }
  // lib.optionalAttrs (hasCompiler && row.hasLibc) {
    PKG_CONFIG_LIBDIR = pkgConfigPath;
    CMAKE_TOOLCHAIN_FILE = "${buildSystems.cmake}";
    MESON_CROSS_FILE = "${buildSystems.meson}";
  };

  # Packages whose bin stands in front of PATH.
  path = [
    rust
  ]
  ++ lib.optional hasRunner runner.package
  ++ lib.optional (runner.goExec != null) runner.goExec
  ++ dlltool
  ++ windres
  ++ lib.optional (
    hasCompiler && compiler ? xcrun && row.isDarwin && pkgs.stdenv.hostPlatform.isLinux
  ) compiler.xcrun
  ++ [
    pkgs.pkg-config-unwrapped
    host
  ];

  # What rustc makes import libraries with, by the name that it looks for.
  dlltool = lib.optional row.isWindows (
    pkgs.writeShellScriptBin "${row.arch}-w64-mingw32-dlltool" "exec ${compiler.dlltool} \"$@\""
  );

  # What crates make resources with, by the names that they look for: aarch64's is LLVM's.
  windres = lib.optionals (hasCompiler && row.isWindows) (
    map (name: pkgs.writeShellScriptBin name "exec ${compiler.windres} \"$@\"") [
      "${row.arch}-w64-mingw32-windres"
      "llvm-windres"
      "windres"
    ]
    ++ [ (pkgs.writeShellScriptBin "${row.arch}-w64-mingw32-ar" "exec ${compiler.tool "ar"} \"$@\"") ]
  );

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

  json = pkgs.writeText "env-${row.name}.json" (builtins.toJSON document);
}
