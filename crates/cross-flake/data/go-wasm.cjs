// Starts a program that Go built for GOOS=js, in node, by the script that comes with the Go toolchain. `go test` and `go run` call
// it as go_js_wasm_exec.
const { execFileSync } = require("node:child_process");
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const root = execFileSync("go", ["env", "GOROOT"], { encoding: "utf8" }).trim();
// Go 1.24 moved it.
const script = ["lib", "misc"].map((folder) => join(root, folder, "wasm", "wasm_exec_node.js")).find(existsSync);
if (!script) {
    console.error(`the Go toolchain in ${root} has no wasm_exec_node.js`);
    process.exit(1);
}

// wasm_exec.js keeps 12288 bytes for arguments and environment, and the shell of a target may hold more than that.
const size = () => Object.entries(process.env).reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value) + 16, 0);
const longest = () => Object.entries(process.env).reduce((a, b) => (b[1].length > a[1].length ? b : a))[0];
while (size() > 8192) delete process.env[longest()];

require(script);
