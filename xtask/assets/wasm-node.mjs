// Runs a WebAssembly module that has no WASI.
