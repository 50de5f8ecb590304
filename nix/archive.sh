# shellcheck shell=bash disable=SC2154
# The commands of a derivation: packs the programs of $built and the licence, README and changelog of $source into the one archive
# $name, whose bytes follow from its content.
shopt -s nullglob nocaseglob
folder=${name%.tar.xz}
folder=${folder%.zip}
programs=("$built"/bin/*)
[ ${#programs[@]} != 0 ] || {
    echo "$built has no programs to pack" >&2
    exit 1
}
licences=("$source"/licen[cs]e* "$source"/copying* "$source"/unlicense* "$source"/notice*)
[ ${#licences[@]} != 0 ] || {
    echo "the workspace has no licence file: put one, such as LICENSE, beside its Cargo.toml" >&2
    exit 1
}
mkdir "$folder"
cp -L "${programs[@]}" "$folder/"
chmod 755 "$folder"/*
for file in "${licences[@]}" "$source"/readme* "$source"/changelog*; do
    install -m 644 "$file" "$folder/"
done
mkdir "$out"
if [ "$name" != "$folder.zip" ]; then
    tar --create --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime=@1 "$folder" | xz -6 -T1 >"$out/$name"
else
    # Where the time of this form begins; it knows no zone.
    find "$folder" -exec env TZ=UTC touch -d 1980-01-01T00:00:00Z {} +
    find "$folder" -type f | LC_ALL=C sort | TZ=UTC zip -q -X -@ "$out/$name"
fi
