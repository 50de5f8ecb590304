# The compiler of a Mac's own stdenv, for the row that is the Mac: Apple's SDK has the frameworks of which zig has no stubs.
{
  lib,
  stdenv,
  apple-sdk,
  libiconv,
  llvm,
  scripts,
  row,
}:
let
  inherit (stdenv) cc;
  iconv = "lib/libiconv.2.dylib";
in
rec {
  packaged = true;
  libc = null;
  glibc = null;
  linkerFlavor = null;
  sysroot = apple-sdk.sdkroot;
  headers = [ "--sysroot=${sysroot}" ];
  tool = name: "${lib.getBin llvm}/bin/llvm-${name}";

  # nixpkgs' SDK leaves out what nixpkgs has itself. The system has the same library, which is what others than this machine have.
  portable = program: ''
    ${tool "install-name-tool"} -change ${lib.getLib libiconv}/${iconv} /usr/${iconv} ${program}
  '';

  # libraries: directories with include and lib.
  wrap =
    libraries:
    let
      flags = [
        # Of these one compiles, and another links.
        "-Wno-unused-command-line-argument"
      ]
      ++ row.cflags
      ++ lib.concatMap (folder: [
        "-isystem"
        "${lib.getDev folder}/include"
        "-L${lib.getLib folder}/lib"
      ]) libraries
      # Rust's libc names it, and it is the hooks of a build that would say where it is.
      ++ [ "-L${lib.getLib libiconv}/lib" ];
      script =
        name:
        scripts.fill ./gcc.sh {
          "@SETUP@" = "export DEVELOPER_DIR=\${DEVELOPER_DIR-${apple-sdk}} SDKROOT=\${SDKROOT-${sysroot}}";
          "@STATIC@\n" = "";
          "@CC@" = "${cc}/bin/${name}";
          "@FLAGS@" = lib.escapeShellArgs flags;
          "@ROW@" = row.name;
        };
    in
    scripts.programs "cc-for-${row.name}" {
      "${row.name}-cc" = script "cc";
      "${row.name}-c++" = script "c++";
    };
}
