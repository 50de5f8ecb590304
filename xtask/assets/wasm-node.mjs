// Runs a WebAssembly module of wasm32-unknown-unknown: `node wasm-node.mjs MODULE`.
//
// std has no output there: what libtest prints is formed in memory and then dropped. The text of its last line,
// ". N passed; N failed; …", is still in memory when `main` has returned, so it is looked for and printed. A test program
// that leaves none is reported as unfinished; nothing is taken for passed that was not seen.
import { readFileSync } from "node:fs";

const [file] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(file));
const imports = {};
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (kind !== "function") throw new Error(`${file} imports ${kind} ${from}.${name}, which nothing here provides`);
  (imports[from] ??= {})[name] = () => {
    throw new Error(`${from}.${name} was called, which nothing here provides`);
  };
}
const { exports } = new WebAssembly.Instance(module, imports);
if (!exports.main) throw new Error(`${file} has no main: is it a program?`);

const RESULT = /^\. (\d+) passed; (\d+) failed; \d+ ignored; \d+ measured; \d+ filtered out/;
/** The end of libtest's last line, from the module's memory. */
function result() {
  const memory = Buffer.from(exports.memory.buffer);
  let found;
  for (let at = memory.indexOf(" passed; "); at >= 0; at = memory.indexOf(" passed; ", at + 1)) {
    const before = memory.lastIndexOf(". ", at);
    found = memory.subarray(Math.max(before, 0), at + 120).toString("latin1").match(RESULT) ?? found;
  }
  return found;
}

let code;
try {
  code = exports.main(0, 0);
} catch (error) {
  // A panic aborts here, and abort is a trap. The names of functions in the trace tell which test it was.
  console.log(error.stack ?? String(error));
  process.exit(101);
}
const said = result();
if (said) {
  console.log(`test result: ${said[2] === "0" && code === 0 ? "ok" : "FAILED"}${said[0]}`);
} else if (readFileSync(file).includes("test result: ")) {
  console.log("running tests\nlibtest's result is not in the program's memory");
  process.exit(1);
}
process.exit(code);
