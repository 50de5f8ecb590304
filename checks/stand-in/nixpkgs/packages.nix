{
  lib,
  machine,
  system,
}:
let
  table = builtins.attrValues machine.targets;
  cpu = builtins.head (lib.splitString "-" system);
  isLinux = lib.hasInfix "linux" system;

  # A derivation that is built by phases, and can be overridden.
  mkDerivation =
    attrs:
    let
      name = attrs.name or "${attrs.pname}-${attrs.version}";
      own = builtins.removeAttrs attrs [
        "meta"
        "passthru"
      ];
      drv = derivation (
        own
        // {
          inherit name system;
          # `nix develop` reads the variable.
          outputs = attrs.outputs or [ "out" ];
          builder = "/bin/bash";
          args = [ ./setup.sh ];
          PATH = machine.path;
          zigCache = machine.zig-cache;
        }
      );
    in
    drv
    // (attrs.passthru or { })
    // {
      meta = attrs.meta or { };
      overrideAttrs = f: mkDerivation (attrs // f attrs);
    };

  runCommand =
    name: attrs: buildCommand:
    mkDerivation (attrs // { inherit name buildCommand; });
  file =
    name: text: command:
    runCommand name {
      inherit text;
      passAsFile = [ "text" ];
    } command;
  writeText = name: text: file name text "cp $textPath $out";
  writeShellScript = name: text: file name "#!/bin/bash\n${text}" "install -m 755 $textPath $out";
  writeShellScriptBin =
    name: text: file name "#!/bin/bash\n${text}" "install -D -m 755 $textPath $out/bin/${name}";
  linkFarm =
    name: entries:
    runCommand name { } (
      "mkdir $out\n" + lib.concatMapStrings (entry: "ln -s ${entry.path} $out/${entry.name}\n") entries
    );
  mkShell =
    attrs: mkDerivation ({ name = "nix-shell"; } // attrs // { buildCommand = "export > $out"; });

  # A package whose bin holds scripts that start programs of this machine.
  tools =
    name: version: scripts:
    runCommand name
      {
        passthru = { inherit version; };
        meta.mainProgram = name;
      }
      (
        "mkdir -p $out/bin\n"
        + lib.concatStrings (
          lib.mapAttrsToList (program: script: ''
            printf '#!/bin/bash\n%s\n' ${lib.escapeShellArg script} > $out/bin/${program}
            chmod +x $out/bin/${program}
          '') scripts
        )
      );
  start = program: ''exec ${program} "$@"'';

  stdenv = {
    cc =
      tools "host-cc" "0" {
        cc = start machine.tools.cc;
        "c++" = start machine.tools.cxx;
      }
      // {
        bintools = tools "host-bintools" "0" {
          ar = start machine.tools.ar;
          ranlib = start machine.tools.ranlib;
        };
        suffixSalt = "${cpu}_host";
        targetPrefix = "";
        # The loader of this machine, by a name of the store.
        libc = runCommand "libc" { } "mkdir $out && ln -s /lib64 $out/lib";
      };
    hostPlatform = {
      inherit system isLinux;
      isx86_64 = cpu == "x86_64";
      parsed.cpu.name = cpu;
    };
  };

  # The portable provider's compiler in the shape of a cross gcc.
  crossOf =
    target:
    let
      targetPrefix = "${target.triple}-";
      bintools =
        tools "${targetPrefix}binutils" "0" {
          "${targetPrefix}ar" = start target.shell.AR;
          "${targetPrefix}ranlib" = start target.shell.RANLIB;
          "${targetPrefix}objcopy" = start target.shell.OBJCOPY;
          "${targetPrefix}strip" = start target.shell.STRIP;
          "${targetPrefix}dlltool" = start "${dirOf target.shell.AR}/zig-dlltool";
          "${targetPrefix}windres" = start "${dirOf target.shell.AR}/windres";
        }
        // {
          isLLVM = true;
        };
      prefix = "${target.shell.PKG_CONFIG_LIBDIR}/../..";
    in
    {
      stdenv.cc =
        tools "${targetPrefix}cc" "0" {
          # gcc's own C++ library is a shared one unless its file is named, and zig's is static anyway.
          "${targetPrefix}cc" = ''
            for a do
                shift
                case $a in
                -lstdc++) echo 'libstdc++.so.6 is of this machine, and of no other' >&2; exit 1 ;;
                -l:libstdc++.a) a=-lstdc++ ;;
                esac
                set -- "$@" "$a"
            done
            # Nor is a program static that gcc is not told to make so.
            ${lib.optionalString (lib.hasInfix "-musl" target.triple) ''
              case " $* " in
              *" -c "* | *" -E "* | *" -shared "* | *" -static"*) ;;
              *" -o "*) echo 'a program that needs a loader of the store' >&2; exit 1 ;;
              esac
            ''}
            exec ${target.shell.CC} "$@"
          '';
          "${targetPrefix}c++" = start target.shell.CXX;
        }
        // {
          inherit bintools targetPrefix;
          suffixSalt = lib.replaceStrings [ "-" ] [ "_" ] target.triple;
          libc = runCommand "libc-${target.target}" { passthru.version = target.glibc; } ''
            mkdir $out
            ln -s ${target.runner.env.QEMU_LD_PREFIX or "/"}/lib $out/lib
          '';
        };
      zlib = runCommand "zlib-${target.target}" { } "cp -rL ${prefix} $out" // {
        static = runCommand "zlib-static-${target.target}" { } "mkdir $out && cp -rL ${prefix}/lib $out";
      };
    };

  # Every qemu-user of the machine, as the one package holds them.
  qemus = lib.concatMapAttrs (_: target: target.runner.binfmt or { }) machine.targets;
  isQemu = name: lib.hasPrefix "qemu-" name;
  boards = lib.filter (target: target.runner != null && target.runner.kind == "qemu-system") table;
  runnerOf =
    kind:
    builtins.head (lib.filter (target: target.runner != null && target.runner.kind == kind) table);
  commandOf = kind: builtins.head (runnerOf kind).runner.command;
  environmentOf =
    runner:
    lib.concatStrings (
      lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") runner.env
    );
  versionOf =
    kind: lib.concatStrings (builtins.tail (lib.splitString " " (runnerOf kind).runner.label));
in
{
  inherit
    lib
    linkFarm
    mkShell
    runCommand
    stdenv
    writeShellScript
    writeShellScriptBin
    writeText
    ;
  mkShellNoCC = mkShell;
  # What the other stand-ins need; nothing of cross-flake's uses it.
  standIn = {
    toolchain = runCommand "rust" { } "mkdir $out && ln -s ${machine.rust} $out/bin";
    inherit (machine) cargo-home;
  };
  runtimeShell = "/bin/bash";

  # By the names that the table has for them.
  pkgsCross = lib.listToAttrs (
    map (target: lib.nameValuePair target.nixpkgs (crossOf target)) (
      lib.filter (target: target.nixpkgs != null) (table ++ builtins.attrValues machine.others)
    )
  );

  zig = tools "zig" "0" { zig = start machine.tools.zig; };
  llvm = tools "llvm" "0" {
    llvm-ar = start machine.tools.zig-ar;
    llvm-ranlib = start machine.tools.zig-ranlib;
    llvm-objcopy = start machine.tools.objcopy;
    llvm-strip = start machine.tools.strip;
  };
  lld = tools "lld" "0" { lld = start machine.tools.lld; };
  zlib = runCommand "zlib" { } "mkdir $out" // {
    static = runCommand "zlib-static" { } "mkdir $out";
    src =
      runCommand "zlib.tar.gz" { }
        "tar -czf $out -C ${machine.zlib-source} --transform 's,^\\.,zlib,' .";
  };
  libiconv = runCommand "libiconv" { } "mkdir $out";
  apple-sdk =
    if isLinux then
      throw "apple-sdk is not available on ${system}"
    else
      let
        sdk = runCommand "apple-sdk" { } "mkdir $out";
      in
      sdk // { sdkroot = "${sdk}/Platforms/MacOSX.platform/Developer/SDKs/MacOSX.sdk"; };

  qemu-user = tools "qemu-user" (versionOf "qemu-user") (
    builtins.mapAttrs (_: start) (lib.filterAttrs (name: _: isQemu name) qemus)
  );
  qemu = tools "qemu" (versionOf "qemu-system") (
    lib.listToAttrs (
      map (
        target:
        let
          program = builtins.head target.runner.command;
        in
        lib.nameValuePair (baseNameOf program) (environmentOf target.runner + start program)
      ) boards
    )
  );
  wasmtime = tools "wasmtime" (versionOf "wasmtime") { wasmtime = start (commandOf "wasmtime"); };
  nodejs = tools "node" (versionOf "node") { node = start (commandOf "node"); };
  # A prefix of one's own needs more than wineboot here: the portable provider's is copied.
  wineWow64Packages.minimal =
    let
      # The one that knows 32-bit programs knows the others, too.
      inherit (machine.targets.windows-x86) runner;
      places = builtins.removeAttrs runner.env [
        "HOME"
        "WINEPREFIX"
      ];
      wine = environmentOf { env = places; };
    in
    tools "wine" (versionOf "wine") {
      wine = wine + start (builtins.head runner.command);
      wineboot = "cp -r ${runner.env.WINEPREFIX}/. $WINEPREFIX";
      wineserver = wine + start runner.env.WINESERVER;
    };

  util-linux = tools "util-linux" "0" { flock = start machine.tools.flock; };
  pkg-config = tools "pkg-config" "0" { pkg-config = start machine.tools.pkg-config; };
  pkg-config-unwrapped = tools "pkg-config" "0" { pkg-config = start machine.tools.pkg-config; };
  patchelf = tools "patchelf" "0" { patchelf = start machine.tools.patchelf; };
  python3 = tools "python3" "0" { python3 = start machine.tools.python3; };
  zip = tools "zip" "0" { zip = start machine.tools.zip; };
  nixfmt = tools "nixfmt" "0" { nixfmt = start machine.tools.nixfmt; };
  nixfmt-tree = tools "treefmt" "0" { treefmt = start machine.tools.nixfmt; };
}
