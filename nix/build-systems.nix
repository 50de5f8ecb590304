# The files by which CMake and Meson learn of one row: { cmake, meson }.
{
  pkgs,
  row,
  # What compiler.nix gave.
  compiler,
  # Packages with the row's own libraries.
  libraries,
  pkgConfigPath,
  cc,
  cxx,
  # The program that starts the row's programs, or null.
  runner,
}:
let
  inherit (pkgs) lib;

  # CMake's name of the operating system; Meson's is the same in lower case.
  system =
    if row.isLinux then
      "Linux"
    else if row.isWindows then
      "Windows"
    else if row.isDarwin then
      "Darwin"
    else if lib.hasInfix "freebsd" row.triple then
      "FreeBSD"
    else if lib.hasInfix "wasi" row.triple then
      "WASI"
    else
      "Generic";

  set = name: value: "set(${name} [=[${value}]=])\n";
  setAll =
    name: values: "set(${name} ${lib.concatMapStringsSep " " (value: "[=[${value}]=]") values})\n";

  # Meson escapes in strings as Python does.
  quote = text: "'${builtins.replaceStrings [ "\\" "'" ] [ "\\\\" "\\'" ] text}'";
  section =
    name: values:
    "[${name}]\n" + lib.concatStrings (lib.mapAttrsToList (key: value: "${key} = ${value}\n") values);
in
{
  # cmake-toolchains(7)
  cmake = pkgs.writeText "${row.name}.cmake" (
    "set(CMAKE_SYSTEM_NAME ${system})\n"
    + set "CMAKE_SYSTEM_PROCESSOR" (
      if row.arch == "i686" && row.isWindows then
        "X86"
      else
        {
          riscv64gc = "riscv64";
          powerpc64le = "ppc64le";
        }
        .${row.arch} or row.arch
    )
    + set "CMAKE_C_COMPILER" cc
    + set "CMAKE_CXX_COMPILER" cxx
    + set "CMAKE_ASM_COMPILER" cc
    + set "CMAKE_AR" (compiler.tool "ar")
    + set "CMAKE_RANLIB" (compiler.tool "ranlib")
    + setAll "CMAKE_FIND_ROOT_PATH" (
      lib.optional (compiler.sysroot != null) compiler.sysroot ++ libraries
    )
    # Where CMake knows nothing of the system, as of WASI, it has no places to look in below the root.
    + setAll "CMAKE_PREFIX_PATH" libraries
    + lib.optionalString row.isWindows (set "CMAKE_RC_COMPILER" compiler.windres)
    + lib.optionalString row.isDarwin (
      set "CMAKE_INSTALL_NAME_TOOL" (compiler.tool "install-name-tool")
    )
    + lib.optionalString (runner != null) (set "CMAKE_CROSSCOMPILING_EMULATOR" runner)
    + lib.concatMapStrings (kind: "set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)\n") [
      "LIBRARY"
      "INCLUDE"
      "PACKAGE"
    ]
    + "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)\n"
  );

  # Meson's manual, "Cross compilation", and its reference tables of systems and processors
  meson =
    let
      # Meson 1.3 renamed it.
      pkgConfig = quote "${pkgs.pkg-config-unwrapped}/bin/pkg-config";
    in
    pkgs.writeText "${row.name}.meson" (
      section "binaries" (
        {
          c = quote cc;
          cpp = quote cxx;
          ar = quote (compiler.tool "ar");
          ranlib = quote (compiler.tool "ranlib");
          strip = quote (compiler.tool "strip");
          pkg-config = pkgConfig;
          pkgconfig = pkgConfig;
        }
        // lib.optionalAttrs row.isWindows { windres = quote compiler.windres; }
        // lib.optionalAttrs (runner != null) { exe_wrapper = quote runner; }
      )
      + section "properties" {
        pkg_config_libdir = quote pkgConfigPath;
        # Also where the build machine could run the programs by itself.
        needs_exe_wrapper = "true";
      }
      + section "host_machine" {
        system = quote (lib.toLower system);
        cpu_family = quote (
          {
            i686 = "x86";
            armv7 = "arm";
            riscv64gc = "riscv64";
            powerpc64le = "ppc64";
          }
          .${row.arch} or row.arch
        );
        cpu = quote row.arch;
        endian = quote (if row.arch == "s390x" then "big" else "little");
      }
    );
}
