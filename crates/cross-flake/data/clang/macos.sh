# macOS, part of sysroot.sh: stubs of the libraries that are in every macOS, so that no SDK of Apple's is needed to link with them.

position=

libraries() {
    said=$(call)
    place "$said" libcompiler_rt.a "$builtins"
    # The newest LLD knows no arm64e.x1, which is not among the rows.
    sed 's/arm64e\.x1-[a-z]*//g; s/,\( *,\)*/,/g; s/\[ *,/[ /; s/, *\]/ ]/' lib/libc/darwin/libSystem.tbd >"$usr_lib/libSystem.tbd"
    # The names that its parts had before they were one library.
    for name in System.B c dbm dl info m poll proc pthread rpcsvc; do ln -s libSystem.tbd "$usr_lib/lib$name.tbd"; done
    # Where it is missing clang says nothing of the SDK to the linker, and macOS asks that of a program.
    version=$(sed -n 's/.*"MinimalDisplayName":"\([0-9.]*\)".*/\1/p' lib/libc/darwin/SDKSettings.json)
    echo "{\"CanonicalName\":\"macosx$version\",\"Version\":\"$version\",\"MaximumDeploymentTarget\":\"$version.99\",\"DisplayName\":\"macOS $version\"}" >"$root/SDKSettings.json"
    # The version of Apple's linker whose options LLD takes decides which clang writes.
    printf '%s\n' -fuse-ld=lld -mlinker-version=1015 >>"$out/clang.cfg"
    # The oldest macOS is the default only, and so no part of the target's name: cc.sh gives it.
    sed '/^--target=/s/macosx[0-9.]*$/macosx/' "$out/clang.cfg" | write "$out/clang.cfg"
    stubs
}

# A stub for each framework and library of which names are known: text-based, as those in Apple's SDK.
stubs() {
    awk -v "root=$root" '
        { sub(/#.*/, "") }
        $1 == "stub" { name = $2; names[name] }
        $1 == "class" { classes[name] = classes[name] comma(classes[name]) $2 }
        $1 == "exports" { others[name] = others[name] comma(others[name]) "\047" path($2) "\047" }
        NF == 1 { symbols[name] = symbols[name] comma(symbols[name]) "_" $1 }
        END {
            for (name in names) {
                file = root path(name)
                sub(/(\.dylib)?$/, ".tbd", file)
                # By these names linkers look for them.
                link = file
                if (!sub(/Versions\/.\//, "", link)) sub(/\.[^.]*\.tbd$/, ".tbd", link)
                folder = file
                sub(/[^\/]*$/, "", folder)
                place = link
                sub(/[^\/]*$/, "", place)
                system("mkdir -p \"" folder "\" && ln -s \"" substr(file, length(place) + 1) "\" \"" link "\"")
                print "--- !tapi-tbd\ntbd-version: 4\ntargets: " targets "\ninstall-name: \047" path(name) "\047" >file
                if (others[name]) print "reexported-libraries:\n  - targets: " targets "\n    libraries: [ " others[name] " ]" >file
                print "exports:\n  - targets: " targets >file
                if (symbols[name]) print "    symbols: [ " symbols[name] " ]" >file
                if (classes[name]) print "    objc-classes: [ " classes[name] " ]" >file
                print "..." >file
                close(file)
            }
        }
        function comma(list) { return list ? ", " : "" }
        function path(name) {
            if (name ~ /^lib/) return "/usr/lib/" name ".dylib"
            return "/System/Library/Frameworks/" name ".framework/Versions/" (name ~ /^(AppKit|Foundation)$/ ? "C" : "A") "/" name
        }
        BEGIN { targets = "[ x86_64-macos, arm64-macos ]" }
    ' "$here/libraries.txt" "$here/frameworks.txt"
}
