# The programs of a row with the workspace's licence as people download them: NAME-VERSION-TRIPLE.tar.xz, or .zip for Windows. The package's
# own tests ran while it was built, unless `notRun` says why not.
{
  runCommand,
  zip,
  src,
  row,
  package,
}:
let
  form = if row.suffix == ".exe" then "zip" else "tar.xz";
in
runCommand "${package.pname}-${package.version}-${row.triple}.${form}" {
  nativeBuildInputs = [ zip ];
  built = package;
  source = src;
} (builtins.readFile ./archive.sh)
