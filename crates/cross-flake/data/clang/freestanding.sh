# Targets without an operating system, part of sysroot.sh: there is nothing but clang's own headers.

libraries() { :; }

libcxx() {
    echo "cross-flake: there is no C++ library for $target" >&2
    exit 1
}
