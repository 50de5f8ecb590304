# How programs of one row are started on the build machine.
#
# Gives { absent, spec, package, goExec }: `absent` is the reason why nothing runs here, or null; `spec` is the runner of the
# environment document; `package` has bin/cross-flake-run-<row>, which does the same for plain cargo, make or ctest.
#
# On Linux that is cross-flake's own runner, so that a test may start other programs of its target (a private binfmt_misc).
{
  pkgs,
  row,
  # What compiler.nix gave.
  compiler,
  # Every row, by name.
  rows,
  # The program cross-flake-runner, or null where there is none.
  runnerProgram,
}:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv) hostPlatform;
  name = "cross-flake-run-${row.name}";

  # What kernel and processor run themselves: static programs, and those that compiler.nix gave a loader of the store.
  native =
    row.triple == (import ./systems.nix).${hostPlatform.system}
    || row.isLinux && hostPlatform.isLinux && row.arch == hostPlatform.parsed.cpu.name;
  kind = if native then "native" else row.runner;

  absent =
    if native then
      null
    else if row.level == "link" then
      row.reason
    else if kind == "qemu-user" && !hostPlatform.isLinux then
      "qemu-user runs on Linux only"
    else if kind == "wine" && !(hostPlatform.isLinux && hostPlatform.isx86_64) then
      "wine for x86 Windows runs on x86_64 Linux only"
    else
      null;

  # The loader that programs name is found below this folder. ld.so itself knows where its libraries are.
  runtime = pkgs.linkFarm "runtime-for-${row.name}" (
    map
      (folder: {
        name = folder;
        path = "${lib.getLib compiler.libc}/lib";
      })
      [
        "lib"
        "lib64"
      ]
  );

  # Lets a program hear under qemu that another is missing; spawn.c says how.
  spawn = pkgs.runCommand "spawn-for-${row.name}" { } ''
    mkdir $out
    ${compiler.wrap [ ]}/bin/${row.name}-cc -O2 -fPIC -shared -o $out/spawn.so ${../crates/cross-flake/data/spawn.c} -ldl
  '';

  # wine wants a home and a prefix that can be written, also where a build has none, and makes the prefix once.
  wine = pkgs.wineWow64Packages.minimal;
  startWine = pkgs.writeShellScript "wine-for-${row.name}" ''
    state=''${XDG_CACHE_HOME:-$HOME/.cache}
    [ -d "$HOME" ] && mkdir -p "$state" 2>/dev/null && [ -w "$state" ] || state=''${TMPDIR:-/tmp}
    export WINEPREFIX=$state/cross-flake/wine-${wine.version}
    export HOME=$WINEPREFIX WINEDEBUG=''${WINEDEBUG--all} WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=d' DISPLAY=
    # Of names that are not ASCII wine makes nothing in the C locale, which builds have.
    export LC_ALL=''${LC_ALL-C.UTF-8}
    # Not system.reg: a wineserver writes that while wineboot is still at it, if it takes long.
    if ! [ -e "$WINEPREFIX/ready" ]; then
      mkdir -p "$WINEPREFIX"
      (
        ${pkgs.util-linux}/bin/flock 9
        [ -e "$WINEPREFIX/ready" ] && exit
        ${wine}/bin/wineboot --init >&2 9>&- && ${wine}/bin/wineserver -w 9>&- && : > "$WINEPREFIX/ready"
      ) 9> "$WINEPREFIX.lock"
    fi
    exec ${wine}/bin/wine "$@"
  '';

  # An x86_64 kernel runs programs of i686 itself, mostly; their own row does not count on it.
  foreign =
    qemu:
    !lib.elem qemu [
      ""
      hostPlatform.parsed.cpu.name
    ]
    && (qemu != "i386" || row.arch == "i686");

  qemuSystem = "${pkgs.qemu}/bin/qemu-system-${row.qemu}";

  kinds = {
    native = {
      label = "native";
    };
    qemu-user = {
      label = "qemu-${row.qemu} ${pkgs.qemu-user.version}";
      command = [ "${pkgs.qemu-user}/bin/qemu-${row.qemu}" ];
      env =
        lib.optionalAttrs row.isGlibc {
          QEMU_LD_PREFIX = "${runtime}";
          QEMU_SET_ENV = "LD_PRELOAD=${spawn}/spawn.so";
        }
        // lib.optionalAttrs (row ? qemu-cpu) { QEMU_CPU = row.qemu-cpu; };
      # A test may start programs of other rows, too.
      binfmt = lib.listToAttrs (
        map
          (qemu: {
            name = "qemu-${qemu}";
            value = "${pkgs.qemu-user}/bin/qemu-${qemu}";
          })
          (
            lib.filter foreign (
              map (other: if other.runner or "" == "qemu-user" then other.qemu else "") (lib.attrValues rows)
            )
          )
      );
    };
    qemu-system = {
      label = "qemu-system-${row.qemu} ${pkgs.qemu.version}";
      command = [
        qemuSystem
        "-machine"
        row.machine
      ]
      ++ lib.optionals (row ? qemu-cpu) [
        "-cpu"
        row.qemu-cpu
      ]
      ++ lib.splitString " " "-nographic -monitor none -serial none -bios none -no-reboot -semihosting-config enable=on,target=native -kernel";
    };
    wine = {
      label = "wine ${wine.version}";
      command = [ "${startWine}" ];
      binfmt.windows = "${startWine}";
    };
    wasmtime = {
      label = "wasmtime ${pkgs.wasmtime.version}";
      command = [
        "${lib.getExe pkgs.wasmtime}"
        "run"
        # Its cache is in the home folder, which builds have not.
        "-Ccache=n"
        # The runner adds the folders that programs see.
        "-Sinherit-env=y"
        "--"
      ];
    };
    node = {
      label = "node ${pkgs.nodejs.version}";
      command = [
        "${lib.getExe pkgs.nodejs}"
        "${pkgs.writeText "wasm-node.mjs" (builtins.readFile ../crates/cross-flake/data/wasm-node.mjs)}"
      ];
    };
  };

  spec = {
    target = row.name;
    inherit kind;
    command = [ ];
    env = { };
    binfmt = { };
    # Names for messages.
    rows = builtins.mapAttrs (_: other: other.triple) (lib.filterAttrs (_: other: other ? runner) rows);
  }
  // kinds.${kind};

  # Plain scripts where that program is not to be had: what says where things are is ours, and of anything else (QEMU_CPU) the
  # caller's value wins.
  start =
    if runnerProgram != null then
      "exec ${runnerProgram}/bin/cross-flake-runner runner ${pkgs.writeText "runner-${row.name}.json" (builtins.toJSON spec)} --"
    else
      lib.concatStrings (
        lib.mapAttrsToList (
          variable: value: "export ${variable}=\${${variable}-${lib.escapeShellArg value}}\n"
        ) spec.env
      )
      + "exec ${lib.escapeShellArgs spec.command}";
in
{
  inherit absent;
  spec = if absent == null then spec else null;
  package = if absent == null then pkgs.writeShellScriptBin name "${start} \"$@\"" else null;

  # The program by which the Go toolchain starts what it built (`go help run`).
  goExec =
    if absent == null && row ? go then
      pkgs.writeShellScriptBin "go_${row.go.os}_${row.go.arch}_exec" (
        if kind == "node" then
          # The stack that Go's own go_js_wasm_exec asks for.
          "exec ${lib.getExe pkgs.nodejs} --stack-size=8192 ${pkgs.writeText "go-wasm.cjs" (builtins.readFile ../crates/cross-flake/data/go-wasm.cjs)} \"$@\""
        else
          "${start} \"$@\""
      )
    else
      null;
}
