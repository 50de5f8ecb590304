# Unit tests of the Nix code: { unit }, a derivation that exists only if every test passes. They evaluate and build nothing.
{
  pkgs,
  mkCross,
}:
let
  inherit (pkgs) lib;
  inherit (builtins)
    all
    attrNames
    attrValues
    length
    tryEval
    ;

  withTable =
    overlay:
    import ../targets.nix {
      inherit lib overlay;
      data = ../../crates/cross-flake/data;
    };
  table = withTable null;
  cross = mkCross { inherit pkgs; };
  some = mkCross {
    inherit pkgs;
    targets = [
      "aarch64-linux"
      "x86_64-pc-windows-gnu"
    ];
  };

  workspaceOf = src: import ../workspace.nix { inherit lib src table; };
  rowsOf = src: attrNames (workspaceOf src).rows;
  bareMetal = [
    "cortex-m4f"
    "riscv32-none"
  ];
  oneLine = builtins.replaceStrings [ "\n" ] [ " " ];

  # Whether a value, or whatever is in it, throws.
  fails = value: !(tryEval (builtins.deepSeq value null)).success;
  withRow = text: (withTable (builtins.toFile "targets.toml" text)).rows;

  tests = {
    test_names_are_rows = {
      expr = (table.find "aarch64-linux").triple;
      expected = "aarch64-unknown-linux-gnu";
    };
    test_triples_are_rows = {
      expr = (table.find "thumbv7em-none-eabihf").name;
      expected = "cortex-m4f";
    };
    test_every_row_is_complete = {
      expr = all (row: row ? triple && row ? level && row ? isLinux) (attrValues table.rows);
      expected = true;
    };
    test_triples_are_spelt_as_cargo_and_cc_spell_them = {
      expr = {
        inherit (table.find "armv7hf-linux-musl") upper lower arch;
      };
      expected = {
        upper = "ARMV7_UNKNOWN_LINUX_MUSLEABIHF";
        lower = "armv7_unknown_linux_musleabihf";
        arch = "armv7";
      };
    };
    test_an_unknown_name_is_an_error = {
      expr = fails (table.find "aarch64-linx");
      expected = true;
    };
    test_a_workspace_changes_single_fields = {
      expr =
        let
          row = (withRow "[target.aarch64-linux]\nglibc = '2.36'\n").aarch64-linux;
        in
        {
          inherit (row) glibc qemu;
        };
      expected = {
        glibc = "2.36";
        qemu = "aarch64";
      };
    };
    test_rows_are_chosen_by_name_triple_and_pattern = {
      expr =
        map (wanted: attrNames (table.select wanted)) [
          [
            "s390x-unknown-linux-gnu"
            "macos-*"
            "macos-x64"
          ]
          [ "x86_64-*-darwin" ]
        ]
        ++ [ (table.select [ "all" ] == table.rows && table.select [ "common" ] == table.common) ]
        ++ map (wanted: fails (table.select [ wanted ])) [
          "aarch46-*"
          "s390x.linux"
          "macos-(x64|arm64)"
        ];
      expected = [
        [
          "macos-arm64"
          "macos-x64"
          "s390x-linux"
        ]
        [ "macos-x64" ]
        true
        true
        true
        true
      ];
    };
    test_rows_of_a_workspace_are_common = {
      expr =
        let
          rows = withRow "[target.board]\nlike = 'macos'\ntriple = 'board'\n[target.s390x-linux]\nglibc = '2.36'\n";
          rare = withRow "[target.board]\nlike = 'macos'\ntriple = 'board'\ncommon = false\n";
        in
        map (row: row.common) [
          rows.board
          rows.s390x-linux
          rare.board
        ];
      expected = [
        true
        table.rows.s390x-linux.common
        false
      ];
    };
    test_a_row_has_the_fields_of_what_it_is_like = {
      expr =
        let
          family = "[family.ours]\nlike = 'aarch64-linux'\nglibc = '2.36'\n";
          row =
            (withRow "${family}[target.board]\nlike = 'ours'\ntriple = 'our-linux-board'\nqemu-cpu = 'x'\n")
            .board;
        in
        [
          (row ? like)
          row.triple
          row.level
          row.glibc
          row.qemu-cpu
        ];
      expected = [
        false
        "our-linux-board"
        "run"
        "2.36"
        "x"
      ];
    };
    test_a_row_is_like_one_that_exists_and_not_like_itself = {
      expr = map (text: fails (withRow text).aarch64-linux) [
        "[target.aarch64-linux]\nlike = 'arch64'\n"
        "[target.aarch64-linux]\nlike = 'a'\n[family.a]\nlike = 'aarch64-linux'\n"
        "[target.aarch64-linux]\nlike = 'a'\n[family.a]\ntriple = 'a-b-c'\n"
        "[target.aarch64-linux]\nlike = 's390x-linux'\n[family.s390x-linux]\n"
        "[targets.a]\n"
        "[target.aarch64-linux]\nlike = 's390x-linux'\n"
      ];
      expected = [
        true
        true
        true
        true
        true
        false
      ];
    };
    test_a_row_without_level_is_an_error = {
      expr = fails (withRow "[target.board]\ntriple = 'board'\n").board;
      expected = true;
    };
    test_a_row_that_runs_needs_a_runner = {
      expr = fails (withRow "[target.board]\ntriple = 'board'\nlevel = 'run'\n").board;
      expected = true;
    };
    test_packages_of_debian_need_its_architecture = {
      expr = fails (withRow "[target.windows-x64]\npackages = ['zlib1g-dev']\n").windows-x64;
      expected = true;
    };
    test_a_row_that_is_only_linked_needs_a_reason = {
      expr = fails (withRow "[target.board]\ntriple = 'board'\nlevel = 'link'\n").board;
      expected = true;
    };

    test_a_placeholder_that_stands_for_nothing_takes_what_it_is_in_along = {
      expr =
        let
          filled = import ../fill.nix {
            cc = "it's {ar}";
            ar = null;
          };
        in
        [
          (filled.text "a {cc} \${X}")
          (filled.lines (builtins.replaceStrings [ "'" ] [ "\\'" ]) "c = '{cc}'\nar = '{ar}'\n")
          (filled.words [
            [
              "-a"
              "{ar}"
            ]
            [ "-c" ]
          ])
          (filled.set {
            A = "x{ar}";
            C = "";
          })
        ];
      expected = [
        "a it's {ar} \${X}"
        "c = 'it\\'s {ar}'\n"
        [ "-c" ]
        { C = ""; }
      ];
    };

    test_names_and_triples_choose_rows = {
      expr = attrNames some.shells;
      expected = [
        "aarch64-linux"
        "windows-x64"
      ];
    };
    test_triples_are_attributes = {
      expr = attrNames some.triples;
      expected = [
        "aarch64-unknown-linux-gnu"
        "x86_64-pc-windows-gnu"
      ];
    };
    test_every_row_has_a_shell_and_a_document = {
      expr =
        attrNames cross.shells == attrNames table.common
        && attrNames cross.environments == map (n: "env-${n}") (attrNames table.common)
        && attrNames cross.allEnvironments == map (n: "env-${n}") table.names
        && length (attrNames cross.triples) == length table.names;
      expected = true;
    };
    test_a_workspace_names_its_targets = {
      expr = rowsOf ../../examples/own-xtask;
      expected = [
        "aarch64-linux"
        "x86_64-linux"
      ];
    };
    test_bare_metal_is_for_packages_that_list_it = {
      expr = [
        (rowsOf ../../examples/firmware)
        (lib.intersectLists bareMetal (rowsOf ../../examples/hello-zlib))
        (lib.intersectLists bareMetal (rowsOf ../../.))
      ];
      expected = [
        bareMetal
        [ ]
        bareMetal
      ];
    };
    test_cargo_is_told_of_packages_where_it_would_take_others = {
      expr = map (name: (workspaceOf ../../.).packagesFor table.rows.${name}) bareMetal;
      expected = [
        [ "firmware" ]
        [ "firmware" ]
      ];
    };
    test_callbacks_have_everything = {
      expr =
        let
          cross = mkCross {
            inherit pkgs;
            src = ../../.;
            crateArgs =
              {
                row,
                pkgs,
                pkgsCross,
                toolchain,
                lib,
              }:
              {
                postPatch = "echo ${row.name} ${pkgs.zig} ${pkgsCross.zlib} ${toolchain} ${lib.version}";
                preBuild = "echo before";
              };
            nativeBuildInputs = { pkgs, ... }: [ pkgs.python3 ];
            shell =
              { pkgs, row, ... }:
              {
                packages = [ pkgs.nodejs ];
                variables.ROW = row.name;
                hook = "echo welcome";
              };
          };
          package = cross.packages.aarch64-linux;
          shell = cross.shells.aarch64-linux;
          check = cross.matrix.aarch64-linux.shell;
        in
        [
          (builtins.match ".*echo aarch64-linux .*ZIG_GLOBAL_CACHE_DIR.*" (oneLine package.postPatch) != null)
          (lib.elem pkgs.python3 package.nativeBuildInputs)
          shell.ROW
          (
            shell.packages == [
              pkgs.python3
              pkgs.nodejs
            ]
          )
          (builtins.match ".*CC=.*PATH=.*echo welcome.*" (oneLine shell.shellHook) != null)
          (builtins.match "echo before *export .*" (oneLine check.preBuild) != null)
        ];
      expected = [
        true
        true
        "aarch64-linux"
        true
        true
        true
      ];
    };
    test_a_toolchain_file_may_be_one_line = {
      expr =
        map
          (
            text:
            (import ../toolchain.nix {
              inherit lib pkgs;
              inherit (pkgs) runCommand;
              inputs = { };
              toolchain = null;
              chosen = { };
              file = builtins.toFile "rust-toolchain" text;
            }).pinned.channel
          )
          [
            "1.95.0\n"
            "[toolchain]\nchannel = '1.95.0'\n"
          ];
      expected = [
        "1.95.0"
        "1.95.0"
      ];
    };
    test_rows_that_were_asked_for_have_one_toolchain = {
      expr =
        let
          rustOf = cross: name: cross.scopes.${name}.rust;
          board = builtins.toFile "targets.toml" "[target.board]\nlike = 'macos'\ntriple = 'board'\n";
          failing = mkCross {
            inherit pkgs;
            table = board;
            targets = [
              "aarch64-linux"
              "board"
            ];
          };
        in
        [
          (rustOf some "aarch64-linux").unwrapped.targets
          (rustOf some "aarch64-linux" == rustOf some "windows-x64")
          # Nobody has chosen.
          (rustOf cross "aarch64-linux").unwrapped.targets
          (rustOf cross "aarch64-linux").unwrapped.components
          # There is no std of one of them, which is no matter of the other's.
          (rustOf failing "aarch64-linux").unwrapped.targets
          (fails (rustOf failing "board").drvPath)
        ];
      expected = [
        [
          "aarch64-unknown-linux-gnu"
          "x86_64-pc-windows-gnu"
        ]
        true
        [ "aarch64-unknown-linux-gnu" ]
        [
          "clippy"
          "rustfmt"
        ]
        [ "aarch64-unknown-linux-gnu" ]
        true
      ];
    };
    test_crane_checks_what_it_is_asked_to = {
      expr =
        let
          cross = mkCross {
            inherit pkgs;
            src = ../../.;
            targets = [
              "aarch64-linux"
              "cortex-m4f"
              "macos-arm64"
            ];
            checks = {
              clippy.cargoClippyExtraArgs = "--lib";
              doc = { row, ... }: if row.std == "std" then { } else null;
              nextest = { };
              fmt = { };
              audit.advisory-db = ./.;
            };
          };
        in
        [
          (lib.filter (name: !lib.hasSuffix "nextest" name) (attrNames cross.checks))
          # It runs where programs of the target do.
          (cross.checks ? aarch64-linux-nextest == pkgs.stdenv.hostPlatform.isLinux)
          (cross.matrix.aarch64-linux ? clippy && cross.outputs.checks ? fmt)
          (lib.hasInfix " --locked --lib" (oneLine cross.checks.aarch64-linux-clippy.buildPhase))
          cross.checks.aarch64-linux-doc.CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTDOCFLAGS
          (cross.checks.aarch64-linux-clippy.cargoArtifacts == cross.packages.aarch64-linux.cargoArtifacts)
        ];
      expected = [
        [
          "aarch64-linux-clippy"
          "aarch64-linux-doc"
          "audit"
          "cortex-m4f-clippy"
          "fmt"
          "macos-arm64-clippy"
          "macos-arm64-doc"
        ]
        true
        true
        true
        " --deny warnings"
        true
      ];
    };
    test_checks_that_there_are_not_are_errors = {
      expr = map (checks: fails (mkCross { inherit pkgs checks; }).shells) [
        { clipy = { }; }
        { fmt = _: { }; }
        { audit = { }; }
        [ "clippy" ]
        { clippy = { }; }
      ];
      expected = [
        true
        true
        true
        true
        false
      ];
    };
    test_a_toolchain_may_be_of_the_system_that_builds = {
      expr =
        (mkCross {
          inherit pkgs;
          toolchain =
            {
              row,
              pkgs,
              pkgsCross,
              toolchain,
              lib,
            }:
            pkgs.runCommand "rust-of-${row.name}" { } "mkdir $out";
        }).scopes.aarch64-linux.rust.unwrapped.name;
      expected = "rust-of-aarch64-linux";
    };
    test_libraries_come_with_what_they_propagate = {
      expr =
        let
          other = pkgs.runCommand "other" { } "mkdir $out";
          one = pkgs.runCommand "one" { } "mkdir $out" // {
            propagatedBuildInputs = [ other ];
          };
          shell =
            (mkCross {
              inherit pkgs;
              buildInputs = { row, lib, ... }: lib.optionals row.hasPkgsCross [ one ];
            }).shells.aarch64-linux;
        in
        lib.take 4 (lib.reverseList (lib.splitString ":" shell.PKG_CONFIG_LIBDIR)) == [
          "${other}/share/pkgconfig"
          "${other}/lib/pkgconfig"
          "${one}/share/pkgconfig"
          "${one}/lib/pkgconfig"
        ];
      expected = true;
    };
    test_zig_is_of_the_version_that_is_tested = {
      expr = map (pkgs: toString (mkCross { inherit pkgs; }).scopes.windows-x64.zig) [
        (pkgs // { zig_0_16 = "pinned"; })
        (removeAttrs pkgs [ "zig_0_16" ] // { zig = "any"; })
      ];
      expected = [
        "pinned"
        "any"
      ];
    };
    # A C library that programs are run with is not a reason to build a cross compiler that compiles nothing.
    test_zig_takes_a_glibc_that_caches_have = {
      expr =
        let
          zig = name: "[target.${name}]\ncc = 'zig'\n";
          scopes =
            (mkCross {
              inherit pkgs;
              table = builtins.toFile "targets.toml" "${zig "aarch64-linux"}${zig "riscv64-linux"}";
            }).scopes;
        in
        map
          (name: scopes.${name}.compiler.libc == pkgs.pkgsCross.${table.rows.${name}.nixpkgs}.stdenv.cc.libc)
          [
            "aarch64-linux"
            "riscv64-linux"
          ];
      expected = [
        false
        true
      ];
    };
    # nixpkgs' gcc for Windows finds its thread library only in a build of nixpkgs' own.
    test_windows_is_compiled_by_zig = {
      expr = lib.filter (row: row.isWindows && !row.useZig) (attrValues table.rows);
      expected = [ ];
    };
    test_unknown_targets_are_errors = {
      expr =
        fails
          (mkCross {
            inherit pkgs;
            targets = [ "amiga" ];
          }).shells;
      expected = true;
    };
    test_unknown_arguments_are_errors = {
      expr = fails (mkCross {
        inherit pkgs;
        target = [ "aarch64-linux" ];
      });
      expected = true;
    };
    test_arguments_of_the_wrong_type_are_errors = {
      expr = map fails [
        (mkCross {
          inherit pkgs;
          targets = "aarch64-linux";
        })
        (mkCross { pkgs = { }; })
        (mkCross { })
        (mkCross {
          inherit pkgs;
          toolchain = "beta";
        }).shells
      ];
      expected = [
        true
        true
        true
        true
      ];
    };
    test_packages_need_a_source = {
      expr = fails cross.packages;
      expected = true;
    };
    test_a_source_needs_a_lock_file = {
      expr =
        fails
          (mkCross {
            inherit pkgs;
            src = ./.;
          }).packages.aarch64-linux;
      expected = true;
    };
  }
  // lib.concatMapAttrs testsOfRow table.common
  // lib.concatMapAttrs testsOfAnyRow table.rows;

  testsOfAnyRow = name: _: {
    # Its package has a source, and is what takes most of all that there is.
    "test_${name}_evaluates" = {
      expr = builtins.isString cross.triples.${table.rows.${name}.triple}.environment.drvPath;
      expected = true;
    };
  };

  # What holds for the environment of every row that is common, which costs more.
  testsOfRow =
    name: row:
    let
      inherit (cross.scopes.${name}.environment) document runner;
      inherit (document) scoped shell;
    in
    {
      "test_${name}_never_sets_flags_of_every_compiler" = {
        expr = (scoped // shell) ? RUSTFLAGS;
        expected = false;
      };
      "test_${name}_scoped_variables_name_the_triple" = {
        expr = lib.filter (variable: !lib.hasInfix row.upper variable && !lib.hasInfix row.lower variable) (
          attrNames scoped
        );
        expected = [ ];
      };
      "test_${name}_shell_variables_do_not" = {
        expr = lib.filter (variable: lib.hasInfix row.upper variable || lib.hasInfix row.lower variable) (
          attrNames shell
        );
        expected = [ ];
      };
      "test_${name}_is_linked_by_its_own_compiler" = {
        expr = scoped."CARGO_TARGET_${row.upper}_LINKER" or null;
        expected =
          {
            cc = shell.CC;
            # Beside the compiler.
            ld = "${builtins.dirOf shell.CC}/${name}-ld";
          }
          .${row.linker} or null;
      };
      "test_${name}_build_scripts_have_the_host_compiler" = {
        expr =
          shell.CC_FOR_BUILD == "${pkgs.stdenv.cc}/bin/cc"
          && shell.HOST_CC == shell.CC_FOR_BUILD
          && shell.CC != shell.HOST_CC;
        expected = true;
      };
      "test_${name}_has_a_runner_or_a_reason" = {
        expr =
          (runner.absent == null) == (document.runner != null)
          && (runner.absent == null) == (shell ? CROSSCOMPILING_EMULATOR);
        expected = true;
      };
      "test_${name}_finds_only_its_own_libraries" = {
        expr = map (name: shell ? ${name}) [
          "PKG_CONFIG_LIBDIR"
          "CMAKE_TOOLCHAIN_FILE"
          "MESON_CROSS_FILE"
        ];
        expected = [
          row.hasLibc
          row.hasLibc
          row.hasLibc
        ];
      };
      "test_${name}_tells_go_what_it_calls_the_row" = {
        expr = [
          (shell.GOOS or null)
          (shell.GOARCH or null)
          (shell.GOARM or null)
        ];
        expected = [
          (row.go.os or null)
          (row.go.arch or null)
          (row.go.arm or null)
        ];
      };
    };

  failures = lib.runTests tests;
  describe =
    failure:
    "${failure.name}: expected ${builtins.toJSON failure.expected}, got ${builtins.toJSON failure.result}";
in
{
  unit =
    if failures == [ ] then
      pkgs.runCommand "unit" { }
        "echo '${toString (builtins.length (attrNames tests))} tests passed' > $out"
    else
      throw "cross-flake: unit tests failed:\n${lib.concatMapStringsSep "\n" describe failures}";
}
