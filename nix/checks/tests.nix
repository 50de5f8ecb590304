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
        attrNames cross.shells == attrNames table.rows
        && attrNames cross.environments == map (n: "env-${n}") (attrNames table.rows);
      expected = true;
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
  // lib.concatMapAttrs testsOfRow table.rows;

  # What holds for the environment of every row.
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
