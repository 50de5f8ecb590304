# The gcc of pkgsCross.
{
  lib,
  stdenv,
  runtimeShell,
  scripts,
  row,
  cross,
  own,
  portable,
}:
let
  inherit (cross.stdenv) cc;
  salt = cc.suffixSalt;
  # What stdenv says to all compilers of a role (an rpath of its own, for one) is not for this one, and neither rpath may be:
  # rustc's ld.lld is wrapped by rust-overlay with the build machine's name.
  freely = lib.optionalString (portable && row.isGlibc) (
    ''
      unset NIX_{CC,BINTOOLS}_WRAPPER_TARGET_{BUILD,HOST,TARGET}_${salt}
      export NIX_DONT_SET_RPATH_${salt}=1 NIX_DONT_SET_RPATH_${stdenv.cc.suffixSalt}=1
    ''
    # The loader of distributions; where purity is enforced the wrapper would drop it again. The build machine's own programs
    # keep the store's, which is there wherever they run: package.nix replaces it in the end.
    + lib.optionalString (!own) ''
      export NIX_DYNAMIC_LINKER_${salt}=${row.interpreter} NIX_ENFORCE_PURITY=0
    ''
  );
  # Crates with C++ say `-lstdc++` to the C compiler, of which -static-libstdc++ knows nothing.
  static =
    if !portable then
      ""
    else if row.isGlibc then
      ''
        for a do
            shift
            [ "$a" != -lstdc++ ] || a=-l:libstdc++.a
            set -- "$@" "$a"
        done
      ''
    # Programs with musl are static: nixpkgs' gcc makes others unless it is told. A library, or who says it, decides otherwise.
    else
      ''
        case " $* " in
        *" -shared "* | *" -static"* | *" -pie "* | *" -r "*) ;;
        *) set -- -static "$@" ;;
        esac
      '';
  tool = name: "${cc.bintools}/bin/${cc.targetPrefix}${name}";
in
{
  inherit (cc) libc;
  inherit tool;
  packaged = true;
  sysroot = null;
  headers = [
    "-idirafter"
    "${lib.getDev cc.libc}/include"
  ];
  glibc = if row.isGlibc then cc.libc.version else null;
  dlltool = tool "dlltool";
  windres = tool "windres";
  # .NET's word for it.
  linkerFlavor = if cc.bintools.isLLVM or false then "lld" else "bfd";
  # libraries: directories with include and lib.
  wrap =
    libraries:
    let
      flags =
        row.cflags
        ++ lib.concatMap (folder: [
          "-isystem"
          "${lib.getDev folder}/include"
          "-L${lib.getLib folder}/lib"
        ]) libraries;
      script =
        name: more:
        scripts.fill ./gcc.sh {
          "@SETUP@\n" = freely;
          "@STATIC@\n" = static;
          "@CC@" = "${cc}/bin/${cc.targetPrefix}${name}";
          "@FLAGS@" = lib.escapeShellArgs (flags ++ more);
          "@ROW@" = row.name;
        };
    in
    scripts.programs "cc-for-${row.name}" {
      "${row.name}-cc" = script "cc" [ ];
      # A program must not need the C++ library of this very gcc.
      "${row.name}-c++" = script "c++" (
        lib.optionals portable [
          "-static-libstdc++"
          "-static-libgcc"
        ]
      );
    };
}
