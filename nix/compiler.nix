# The C compiler of one row and what comes with it; null for a row without one.
#
# From pkgsCross where nixpkgs can cross-compile, else zig's, by the same scripts that the portable provider uses.
{
  pkgs,
  row,
  # Whether programs are to run where there is no /nix/store.
  portable,
  # Whether the row is the build machine itself, whose build scripts this compiler links as well.
  own,
}:
let
  inherit (pkgs) lib;

  # nixpkgs renamed these; either name may be the one that an input has.
  former = {
    mingw-msvcrt-x86_64 = "mingwW64";
    mingw-msvcrt-i686 = "mingw32";
    mingw-ucrt-x86_64 = "ucrt64";
  };
  cross =
    pkgs.pkgsCross.${row.nixpkgs} or pkgs.pkgsCross.${former.${row.nixpkgs} or ""}
      or (throw "cross-flake: nixpkgs ${lib.version} has no pkgsCross.${row.nixpkgs}, which target ${row.name} needs: version 26.05 has it");

  # A folder with these scripts in bin.
  programs =
    scripts:
    pkgs.runCommand "cc-for-${row.name}" { } (
      lib.concatStrings (
        lib.mapAttrsToList (name: text: ''
          install -D -m 755 ${pkgs.writeText name text} $out/bin/${name}
        '') scripts
      )
    );

  gcc =
    let
      inherit (cross.stdenv) cc;
      salt = cc.suffixSalt;
      # What stdenv says to all compilers of a role (an rpath of its own, for one) is not for this one, and neither rpath may be:
      # rustc's ld.lld is wrapped by rust-overlay with the build machine's name.
      freely = lib.optionalString (portable && row.isGlibc) (
        ''
          unset NIX_{CC,BINTOOLS}_WRAPPER_TARGET_{BUILD,HOST,TARGET}_${salt}
          export NIX_DONT_SET_RPATH_${salt}=1 NIX_DONT_SET_RPATH_${pkgs.stdenv.cc.suffixSalt}=1
        ''
        # The loader of distributions; where purity is enforced the wrapper would drop it again. The build machine's own programs
        # keep the store's, which is there wherever they run: package.nix replaces it in the end.
        + lib.optionalString (!own) ''
          export NIX_DYNAMIC_LINKER_${salt}=${row.interpreter} NIX_ENFORCE_PURITY=0
        ''
      );
      # Rust's std for Windows links libpthread, which MinGW keeps in a package of its own (nixpkgs#457066).
      pthreads = cross.windows.pthreads or cross.windows.mingw_w64_pthreads;
    in
    {
      inherit cross;
      inherit (cc) libc;
      sysroot = null;
      headers = [
        "-idirafter"
        "${lib.getDev cc.libc}/include"
      ];
      glibc = if row.isGlibc then cc.libc.version else null;
      tool = name: "${cc.bintools}/bin/${cc.targetPrefix}${name}";
      dlltool = "${cc.bintools}/bin/${cc.targetPrefix}dlltool";
      windres = "${cc.bintools}/bin/${cc.targetPrefix}windres";
      # .NET's word for it.
      linkerFlavor = if cc.bintools.isLLVM or false then "lld" else "bfd";
      # libraries: folders with include and lib.
      wrap =
        libraries:
        let
          flags =
            row.cflags
            ++ lib.concatMap (folder: [
              "-isystem"
              "${lib.getDev folder}/include"
              "-L${lib.getLib folder}/lib"
            ]) libraries
            ++ lib.optional row.isWindows "-L${pthreads}/lib";
          script = name: more: ''
            #!${pkgs.runtimeShell}
            # .NET's Native AOT names the target as clang wants it, and gcc refuses that (dotnet/runtime#78559).
            for a do
              shift
              case $a in --target=*) ;; *) set -- "$@" "$a" ;; esac
            done
            ${freely}${cc}/bin/${cc.targetPrefix}${name} ${lib.escapeShellArgs (flags ++ more)} "$@" && exit
            code=$?
            # gcc answers with the bare name where it finds no such file. Nothing is asked of a command without libraries.
            for a do
              case $a in
              -l:*) ;;
              -l?*)
                for file in "lib''${a#-l}.so" "lib''${a#-l}.a"; do
                  [ "$(${cc}/bin/${cc.targetPrefix}${name} ${lib.escapeShellArgs flags} "$@" "-print-file-name=$file" 2>/dev/null)" = "$file" ] || continue 2
                done
                echo "cross-flake: no library \`''${a#-l}' for ${row.name} in the folders of its own or those of -L; those of this machine are not searched." >&2
                echo "Add its package to buildInputs: \`buildInputs = pkgs: [ pkgs.openssl ];', say." >&2
                ;;
              esac
            done
            exit $code
          '';
        in
        programs {
          "${row.name}-cc" = script "cc" [ ];
          # A program must not need the C++ library of this very gcc.
          "${row.name}-c++" = script "c++" (
            lib.optionals portable [
              "-static-libstdc++"
              "-static-libgcc"
            ]
          );
        };
    };

  # zig's own name for the row, with the version of glibc.
  zigTarget = if row ? glibc then "${row.zig}.${row.glibc}" else row.zig;
  # Shared by all rows. Builds, which have no home, set ZIG_GLOBAL_CACHE_DIR.
  zigCache = "\${XDG_CACHE_HOME:-$HOME/.cache}/cross-flake/zig";
  # A script of the portable provider's with its marks filled in.
  fill =
    script: values:
    builtins.replaceStrings ([ "#!/bin/sh" ] ++ builtins.attrNames values) (
      [ "#!${pkgs.runtimeShell}" ] ++ builtins.attrValues values
    ) (builtins.readFile (../crates/cross-flake/data + "/${script}"));

  # zig's clang and LLD over a sysroot of the C library that zig brings.
  toolchain =
    let
      recipe = builtins.path {
        name = "sysroot-recipe";
        path = ../crates/cross-flake/data/clang;
        filter =
          path: _:
          !builtins.elem (baseNameOf path) [
            "cc.sh"
            "ld.sh"
            "linker-options.txt"
            "frameworks.py"
            "windres.sh"
            "xcrun.sh"
          ];
      };
    in
    pkgs.runCommand "toolchain-for-${row.name}" { } ''
      export ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig
      mkdir $out
      sh ${recipe}/sysroot.sh ${lib.getExe pkgs.zig} ${zigTarget} "${row.zig-cpu or ""}" $out
    '';

  clang =
    libraries:
    let
      ld = programs {
        "${row.name}-ld" = fill "clang/ld.sh" (
          values
          // {
            "@CPU@" = lib.escapeShellArg (row.zig-cpu or "");
            "@OPTIONS@" = "${../crates/cross-flake/data/clang/linker-options.txt}";
            "@LLD@" = "${lib.getBin pkgs.lld}/bin/lld";
            "@DEBIAN@" = row.debian or "";
            "@CACHE@" = zigCache;
            "@CXX@" = ''"$ZIG_GLOBAL_CACHE_DIR/c++-${baseNameOf "${toolchain}"}"'';
            "@PREFIXES@" = lib.escapeShellArgs (map toString libraries);
          }
        );
      };
      config = pkgs.writeText "clang-${row.name}.cfg" (
        lib.concatMapStrings (line: line + "\n") (
          [
            "@${toolchain}/clang.cfg"
            "--ld-path=${ld}/bin/${row.name}-ld"
          ]
          ++ row.cflags
          ++ map (folder: "-idirafter ${folder}/include") libraries
        )
      );
      values = {
        "@ZIG@" = lib.getExe pkgs.zig;
        "@ROW@" = row.name;
        "@TARGET@" = lib.escapeShellArg zigTarget;
        "@TOOLCHAIN@" = "${toolchain}";
        "@CONFIG@" = "${config}";
        "@LD@" = "${ld}/bin/${row.name}-ld";
      };
    in
    programs {
      "${row.name}-ld" = "#!${pkgs.runtimeShell}\nexec ${ld}/bin/${row.name}-ld \"$@\"\n";
      "${row.name}-cc" = fill "clang/cc.sh" (values // { "@DRIVER@" = ""; });
      "${row.name}-c++" = fill "clang/cc.sh" (values // { "@DRIVER@" = "--driver-mode=g++"; });
    };

  zig =
    let
      llvm = name: "${lib.getBin pkgs.llvm}/bin/llvm-${name}";
    in
    {
      cross = null;
      # Where compilers look for the row's C library; null where that is not known.
      sysroot = if row.hasLibc then "${toolchain}/sysroot" else null;
      headers =
        if row.hasLibc then
          [
            "--sysroot=${toolchain}/sysroot"
            "-stdlib=libc++"
          ]
        else
          null;
      # zig links against stubs of glibc; programs still need a real one to be run with.
      libc = if row.isGlibc && row ? nixpkgs then cross.stdenv.cc.libc else null;
      glibc = row.glibc or null;
      tool = llvm;
      dlltool = "${lib.getExe pkgs.zig} dlltool";
      windres = "${
        programs {
          "${row.arch}-w64-mingw32-windres" = fill "clang/windres.sh" {
            "@ZIG@" = lib.getExe pkgs.zig;
            "@CACHE@" = zigCache;
          };
        }
      }/bin/${row.arch}-w64-mingw32-windres";
      # Answers for Apple's program of this name.
      xcrun = programs {
        xcrun = fill "clang/xcrun.sh" { "@SYSROOT@" = "${toolchain}/sysroot"; };
      };
      linkerFlavor = "lld";
      wrap = clang;
    };

in
if row.useZig then
  zig
else if row ? nixpkgs then
  gcc
else
  null
