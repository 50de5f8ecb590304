module cross-flake.example/zsum

// Debian 12 has this one.
go 1.19
