# The oldest nixpkgs: crane asks for the same (`minSupported` in its lib/default.nix), and warns where it gets less.
"26.05"
