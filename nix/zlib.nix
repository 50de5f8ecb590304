# zlib of one row as a folder with include and lib: the static library, the headers and a zlib.pc for the two of them. Static,
# so that programs need nothing of the Nix store. Null for a row without a C library.
{
  pkgs,
  row,
  # What compiler.nix gave.
  compiler,
}:
let
  inherit (pkgs) lib;

  # From pkgsCross; its own zlib.pc knows the shared library only.
  packaged =
    let
      inherit (compiler.cross) zlib;
    in
    ''
      cp -L ${zlib.static or zlib}/lib/libz.a $out/lib/
      cp -L ${lib.getDev zlib}/include/{zlib,zconf}.h $out/include/
    '';

  # From source, by zig. Its compiler runs on the build machine, so no standard environment is needed; gz* wants more of a
  # system than WASI has.
  compiled = ''
    export ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig
    mkdir source objects
    tar -xf ${pkgs.zlib.src} --strip-components=1 -C source
    for file in source/*.c; do
      ${lib.optionalString (lib.hasPrefix "wasm" row.triple) "case $file in source/gz*) continue ;; esac"}
      object=objects/$(basename $file .c).o
      ${compiler.wrap [ ]}/bin/${row.name}-cc -O2 -fPIC ${
        if row.isWindows then "-DZLIB_UNUSED" else "-DHAVE_UNISTD_H"
      } -c $file -o $object
    done
    ${compiler.tool "ar"} rcs $out/lib/libz.a objects/*.o
    cp source/{zlib,zconf}.h $out/include/
  '';
in
if compiler == null || !row.hasLibc then
  null
else
  pkgs.runCommand "zlib-for-${row.name}" { } ''
    mkdir -p $out/lib/pkgconfig $out/include
    ${if compiler.cross == null then compiled else packaged}
    version=$(sed -n 's/^#define ZLIB_VERSION "\(.*\)"/\1/p' $out/include/zlib.h)
    cat > $out/lib/pkgconfig/zlib.pc <<END
    prefix=$out
    libdir=\''${prefix}/lib
    includedir=\''${prefix}/include

    Name: zlib
    Description: zlib compression library
    Version: $version
    Libs: -L\''${libdir} -lz
    Cflags: -I\''${includedir}
    END
  ''
