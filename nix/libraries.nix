# Packages whose libraries the row's programs link: zlib, unless there is no C library, and the workspace's own.
{
  lib,
  runCommand,
  zlib,
  data,
  buildInputs,
  told,
  row,
  cross,
  compiler,
}:
let
  # zlib as a directory with include and lib, of static library, headers and zlib.pc, so that programs need nothing of the Nix store.
  script = data + "/zlib.sh";
  compiled = ''
    export ZIG_GLOBAL_CACHE_DIR=$TMPDIR/zig CC=${compiler.wrap [ ]}/bin/${row.name}-cc AR=${compiler.tool "ar"}
    mkdir source $out
    tar -xf ${zlib.src} --strip-components=1 -C source
    sh ${script} ${row.system} $PWD/source $out $out
  '';
  # Its own zlib.pc knows the shared library only.
  packaged = ''
    mkdir -p $out/lib $out/include
    cp -L ${cross.zlib.static or cross.zlib}/lib/libz.a $out/lib/
    cp -L ${lib.getDev cross.zlib}/include/{zlib,zconf}.h $out/include/
    sh ${script} - - $out $out
  '';
in
lib.optional (compiler != null && row.hasLibc) (
  runCommand "zlib-for-${row.name}" { passthru.hasShare = false; } (
    if compiler.packaged then packaged else compiled
  )
)
++ (
  let
    wanted = buildInputs told;
    node = package: {
      key = "${lib.getLib package}";
      inherit package;
    };
    # With what they propagate, for which `Requires:` of their descriptions asks.
    closure = builtins.genericClosure {
      startSet = map node wanted;
      operator = item: map node (lib.filter lib.isAttrs (item.package.propagatedBuildInputs or [ ]));
    };
  in
  # It throws, with the way out, where there is none.
  if wanted == [ ] then wanted else builtins.seq told.pkgsCross (map (item: item.package) closure)
)
