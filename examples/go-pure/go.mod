module cross-flake.example/sums

// Debian 12 has this one.
go 1.19
