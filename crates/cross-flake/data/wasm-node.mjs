// Runs a WebAssembly module of wasm32-unknown-unknown: `node wasm-node.mjs MODULE ARGS…`.
//
// There are two kinds of tests, and a module may have both. `#[test]` is run by `main`, `#[wasm_bindgen_test]` by wasm-bindgen's own
// wasm-bindgen-test-runner, which finds such tests by the names of their exports.
//
// std has no output there: what libtest prints is formed in memory and then dropped. The text of its last line,
// ". N passed; N failed; …", is still in memory when `main` has returned, so it is looked for and printed. A test program
// that leaves none is reported as unfinished; nothing is taken for passed that was not seen.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, dirname } from "node:path";

const [file, ...args] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(file));
const imports = {};
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (kind !== "function") throw new Error(`${file} imports ${kind} ${from}.${name}, which nothing here provides`);
  (imports[from] ??= {})[name] = () => {
    throw new Error(`${from}.${name} was called, which nothing here provides`);
  };
}
const hasBindgenTests = WebAssembly.Module.exports(module).some(({ name }) => name.startsWith("__wbgt_"));

const { exports } = new WebAssembly.Instance(module, imports);
if (!exports.main && !hasBindgenTests) throw new Error(`${file} has no main: is it a program?`);
const code = exports.main ? main() : 0;
process.exit(code === 0 && hasBindgenTests ? bindgenTests() : code);

/** The end of libtest's last line, from the module's memory. */
function result() {
  const RESULT = /^\. (\d+) passed; (\d+) failed; \d+ ignored; \d+ measured; \d+ filtered out/;
  const memory = Buffer.from(exports.memory.buffer);
  let found;
  for (let at = memory.indexOf(" passed; "); at >= 0; at = memory.indexOf(" passed; ", at + 1)) {
    const before = memory.lastIndexOf(". ", at);
    found = memory.subarray(Math.max(before, 0), at + 120).toString("latin1").match(RESULT) ?? found;
  }
  return found;
}

/** Runs `main`; gives the exit code. */
function main() {
  let code;
  try {
    code = exports.main(0, 0);
  } catch (error) {
    // A panic aborts here, and abort is a trap. The names of functions in the trace tell which test it was.
    console.log(error.stack ?? String(error));
    return 101;
  }
  const found = result();
  if (found) {
    console.log(`test result: ${found[2] === "0" && code === 0 ? "ok" : "FAILED"}${found[0]}`);
  } else if (readFileSync(file).includes("test result: ")) {
    console.log("running tests\nlibtest's result is not in the program's memory");
    return 1;
  }
  return code;
}

/** Runs wasm-bindgen's tests; gives the exit code. Its tools read modules of their own version alone. */
function bindgenTests() {
  const program = "wasm-bindgen-test-runner";
  // The section begins with the length of a JSON document and the document: `decode` in wasm-bindgen-cli-support.
  const [section] = WebAssembly.Module.customSections(module, "__wasm_bindgen_unstable");
  const document = section && Buffer.from(section, 4, new DataView(section).getUint32(0, true)).toString();
  const version = JSON.parse(document ?? "{}").version?.split(" ")[0];
  const found = spawnSync(program, ["--version"], { encoding: "utf8" }).stdout?.trim().split(" ")[1];
  if (!version || found !== version) {
    const instead = found ? ` but that of ${found}` : "";
    const type = `cargo install wasm-bindgen-cli${version ? ` --version ${version}` : ""} --locked`;
    console.log(`cross-flake: it has #[wasm_bindgen_test]s, and ${program} ${version ?? ""} is not on PATH${instead}: ${type}`);
    return 1;
  }
  // It starts node by name.
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const { status, error } = spawnSync(program, [file, ...args], { stdio: "inherit", env: { ...process.env, PATH } });
  if (error) console.log(String(error));
  return status ?? 1;
}
