# A release: the archives of all rows whose tests ran, their hashes, and a manifest. `dist.<row>` is the archive of any row.
{
  lib,
  runCommand,
  # { <name> = { row, archive, runner, package, … }; }
  scopes,
}:
let
  tested = lib.filterAttrs (_: one: one.package.notRun == null && one.row.std == "std") scopes;
  first = (builtins.head (builtins.attrValues tested)).package;
  artifact = name: one: {
    inherit name;
    value = {
      inherit name;
      kind = "executable-zip";
      target_triples = [ one.row.triple ];
      checksums.sha256 = "@${name}@";
      cross-flake = {
        target = one.row.name;
        tested = true;
        runner = one.runner.name;
      };
    };
  };
  archives = lib.mapAttrsToList (_: one: one.archive) tested;
  manifest = {
    releases = [
      {
        app_name = first.pname;
        app_version = first.version;
        artifacts = map (archive: archive.name) archives;
      }
    ];
    artifacts = builtins.listToAttrs (
      lib.mapAttrsToList (_: one: artifact one.archive.name one) tested
    );
    cross-flake.provider = "nix";
  };
in
if tested == { } then
  throw "cross-flake: no target's tests run on this build machine, so there is nothing to release"
else
  runCommand "dist"
    {
      manifest = builtins.toJSON manifest;
      passAsFile = [ "manifest" ];
    }
    ''
      mkdir $out
      for archive in ${toString archives}; do ln -s $archive/* $out/; done
      cp $manifestPath $TMPDIR/manifest.json
      cd $out
      sha256sum -- * > $TMPDIR/sha256.sum
      while read -r sum name; do sed -i "s/@$name@/$sum/" $TMPDIR/manifest.json; done < $TMPDIR/sha256.sum
      mv $TMPDIR/sha256.sum .
      mv $TMPDIR/manifest.json dist-manifest.json
    ''
  // builtins.mapAttrs (_: one: one.archive) scopes
