# Stands for crane: cargo as it is on this machine, with its own registry instead of vendored crates.
{
  outputs =
    { self }:
    {
      mkLib =
        pkgs:
        let
          # A check by one command of cargo, over dependencies that are built already.
          check =
            toolchain: name: command: args:
            pkgs.runCommand "${args.pname}-${args.version}-${name}" (
              builtins.removeAttrs args [
                "advisory-db"
                "cargoLock"
                "cargoLockContents"
                "doIncludeCrossToolchainEnv"
                "passthru"
                "meta"
              ]
              // {
                nativeBuildInputs = (args.nativeBuildInputs or [ ]) ++ [
                  toolchain
                  pkgs.stdenv.cc
                ];
                buildPhase = ''
                  export CARGO_HOME=${pkgs.standIn.cargo-home}
                  ${command}
                '';
                checkPhase = "";
                installPhase = "touch $out";
              }
            ) "";
          craneLib = toolchain: {
            overrideToolchain = craneLib;
            cargoClippy =
              {
                cargoArtifacts,
                cargoClippyExtraArgs ? "--all-targets",
                cargoExtraArgs ? "--locked",
                ...
              }@args:
              check toolchain "clippy" "cargo clippy --release ${cargoExtraArgs} ${cargoClippyExtraArgs}" args;
            cargoDoc =
              {
                cargoArtifacts,
                cargoDocExtraArgs ? "--no-deps",
                cargoExtraArgs ? "--locked",
                ...
              }@args:
              check toolchain "doc" "cargo doc --release ${cargoExtraArgs} ${cargoDocExtraArgs}" args;
            cargoNextest =
              {
                cargoArtifacts,
                cargoNextestExtraArgs ? "",
                cargoExtraArgs ? "",
                ...
              }@args:
              check toolchain "nextest" "cargo nextest run --release ${cargoExtraArgs} ${cargoNextestExtraArgs}"
                args;
            cargoFmt =
              {
                cargoExtraArgs ? "",
                rustFmtExtraArgs ? "",
                ...
              }@args:
              check toolchain "fmt" "cargo fmt ${cargoExtraArgs} -- --check ${rustFmtExtraArgs}" args;
            cargoAudit =
              {
                advisory-db,
                cargoAuditExtraArgs ? "--ignore yanked",
                cargoExtraArgs ? "",
                src,
                ...
              }@args:
              check toolchain "audit" "cargo audit ${cargoExtraArgs} -n -d ${advisory-db} ${cargoAuditExtraArgs}"
                args;
            buildPackage =
              args:
              let
                extra = args.cargoExtraArgs or "--locked";
                # crane, too, reads what it is not told, and has names for a workspace that says nothing.
                manifest = pkgs.lib.importTOML (args.src + "/Cargo.toml");
                pname = args.pname or manifest.package.name or "cargo-package";
                version = args.version or manifest.package.version or manifest.workspace.package.version or "0.0.1";
                arguments = builtins.removeAttrs args [
                  "cargoExtraArgs"
                  "cargoLock"
                  "cargoLockContents"
                  "cargoTestExtraArgs"
                  "doIncludeCrossToolchainEnv"
                  "passthru"
                  "meta"
                ];
                built = pkgs.runCommand "${pname}-${version}" (
                  {
                    cargoArtifacts = "";
                    doCheck = true;
                  }
                  // arguments
                  // {
                    inherit pname version;
                    passthru = args.passthru or { };
                    meta = args.meta or { };
                    nativeBuildInputs = (args.nativeBuildInputs or [ ]) ++ [
                      toolchain
                      pkgs.stdenv.cc
                    ];
                    buildPhase = ''
                      ${pkgs.lib.optionalString (
                        args ? cargoLockContents
                      ) "cp ${builtins.toFile "Cargo.lock" args.cargoLockContents} Cargo.lock && chmod u+w Cargo.lock"}
                      export CARGO_HOME=${pkgs.standIn.cargo-home}
                      # What is built here is tried, and neither measured nor kept.
                      export CARGO_PROFILE_RELEASE_OPT_LEVEL=0
                      cargo build --release ${extra} --message-format json-render-diagnostics > log.json
                    '';
                    checkPhase = "cargo test --release ${extra} ${args.cargoTestExtraArgs or ""}";
                    # crane writes over the paths of what programs were built of. Here these are not in the store, and it signs nothing
                    # but on a Mac.
                    postInstallHooks = ''
                      find $out -type f -print0 | xargs -0 --no-run-if-empty sed -i 's|${pkgs.standIn.cargo-home}/registry|${
                        builtins.replaceStrings
                          (
                            pkgs.lib.upperChars
                            ++ pkgs.lib.lowerChars
                            ++ [
                              "."
                              "/"
                              "-"
                              "_"
                            ]
                          )
                          (map (_: "e") (
                            pkgs.lib.upperChars
                            ++ pkgs.lib.lowerChars
                            ++ [
                              1
                              2
                              3
                              4
                            ]
                          ))
                          "${pkgs.standIn.cargo-home}/registry"
                      }|g'
                    '';
                    # The programs that cargo reports.
                    installPhase = ''
                      mkdir -p $out/bin
                      sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' log.json | while read -r program; do
                        install -m 755 "$program" $out/bin/
                      done
                    '';
                  }
                ) "";
              in
              built;
          };
        in
        craneLib pkgs.standIn.toolchain;
    };
}
