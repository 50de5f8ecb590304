# How programs of one row are started on the build machine.
#
# Gives { name, absent, spec, package, goExec }: `absent` is the reason why nothing runs here, or null; `spec` is the runner of the
# environment document; `package` has bin/cross-flake-run-<row>, which does the same for plain cargo, make or ctest.
#
# On Linux that is cross-flake's own runner, so that a test may start other programs of its target (a private binfmt_misc).
{
  lib,
  stdenv,
  pkgs,
  linkFarm,
  runCommand,
  writeShellScriptBin,
  writeText,
  call,
  data,
  fill,
  scripts,
  programs,
  table,
  row,
  own,
  compiler,
}:
let
  inherit (stdenv) hostPlatform;
  name = "cross-flake-run-${row.name}";

  # What kernel and processor run themselves: static programs, and those whose compiler gave them a loader of the store.
  native = own || row.isLinux && hostPlatform.isLinux && row.arch == hostPlatform.parsed.cpu.name;
  kind = if native then "native" else row.runner;

  absent =
    if native then
      null
    else if row.level == "link" then
      row.reason
    else if kind == "qemu-user" && !hostPlatform.isLinux then
      "qemu-user runs on Linux only"
    else if kind == "qemu-user" && row.isGlibc && compiler.libc == null then
      "nixpkgs has no glibc that its programs could run with"
    else if kind == "wine" && !(hostPlatform.isLinux && hostPlatform.isx86_64) then
      "wine for x86 Windows runs on x86_64 Linux only"
    else
      null;

  # The loader that programs name is found below this directory. ld.so itself knows where its libraries are.
  runtime =
    let
      libraries = "${lib.getLib compiler.libc}/lib";
      link = name: {
        inherit name;
        path = libraries;
      };
    in
    linkFarm "runtime-for-${row.name}" [
      (link "lib")
      (link "lib64")
    ];

  spawn = runCommand "spawn-for-${row.name}" { } ''
    mkdir $out
    ${compiler.wrap [ ]}/bin/${row.name}-cc -O2 -fPIC -shared -o $out/spawn.so ${data + "/spawn.c"} -ldl
  '';

  # An x86_64 kernel runs programs of i686 itself, mostly; their own row does not count on it.
  foreign =
    qemu:
    !lib.elem qemu [
      ""
      hostPlatform.parsed.cpu.name
    ]
    && (qemu != "i386" || row.qemu or "" == "i386");
  qemus = lib.filter foreign (
    map (other: if other.runner or "" == "qemu-user" then other.qemu else "") (
      lib.attrValues table.fields
    )
  );
  qemuUser = qemu: "${pkgs.qemu-user}/bin/qemu-${qemu}";

  wine = call ./wine.nix { };

  # What is in the store, by kind.
  emulators = {
    native = { };
    qemu-user = {
      inherit (pkgs.qemu-user) version;
      program = qemuUser row.qemu;
    };
    qemu-system = {
      inherit (pkgs.qemu) version;
      program = "${pkgs.qemu}/bin/qemu-system-${row.qemu}";
    };
    wine = { inherit (wine) version program; };
    wasmtime = {
      inherit (pkgs.wasmtime) version;
      program = lib.getExe pkgs.wasmtime;
    };
    node = {
      inherit (pkgs.nodejs) version;
      program = lib.getExe pkgs.nodejs;
    };
  };

  runners = lib.importTOML (data + "/runners.toml");
  filled = fill (
    {
      qemu = row.qemu or null;
      qemu-cpu = row.qemu-cpu or null;
      machine = row.machine or null;
      bios = row.bios or null;
      runtime = if row.isGlibc then "${runtime}" else null;
      spawn = if row.isGlibc then "${spawn}/spawn.so" else null;
      # A build has no home directory to keep anything in.
      module-cache = "cache=n";
      script = "${writeText "wasm-node.mjs" (builtins.readFile (data + "/wasm-node.mjs"))}";
      go-script = "${writeText "go-wasm.cjs" (builtins.readFile (data + "/go-wasm.cjs"))}";
      # wine.nix's own matter, or the portable provider's.
      fonts = null;
      libraries = null;
      loader = null;
      prefix = null;
      root = null;
      server = null;
    }
    // emulators.${kind}
  );
  told = runners.${kind};

  spec = {
    target = row.name;
    inherit kind;
    label = filled.text told.label;
    command = filled.words told.command;
    env = filled.set told.env or { };
    # A test may start programs of other rows, too.
    binfmt =
      if kind == "wine" then
        { windows = wine.program; }
      else if kind == "qemu-user" then
        lib.listToAttrs (map (qemu: lib.nameValuePair "qemu-${qemu}" (qemuUser qemu)) qemus)
      else
        { };
    # Names for messages.
    rows = builtins.mapAttrs (_: other: other.triple) (
      lib.filterAttrs (_: other: other ? runner) table.fields
    );
  };

  # Plain scripts where that program is not to be had: what says where things are is ours, and of anything else (QEMU_CPU) the
  # caller's value wins.
  runnerProgram = programs.runner.package;
  start =
    if runnerProgram != null then
      "exec ${runnerProgram}/bin/cross-flake-runner runner ${writeText "runner-${row.name}.json" (builtins.toJSON spec)} -- \"$@\""
    else
      scripts.defaults spec.env + "exec ${lib.escapeShellArgs spec.command} \"$@\"";
in
{
  inherit name absent;
  spec = if absent == null then spec else null;
  package = if absent == null then writeShellScriptBin name start else null;

  # The program by which the Go toolchain starts what it built (`go help run`).
  goExec =
    if absent == null && row ? go then
      writeShellScriptBin "go_${row.go.os}_${row.go.arch}_exec" (
        if told ? go then "exec ${lib.escapeShellArgs (filled.words [ told.go ])} \"$@\"" else start
      )
    else
      null;
}
