// Starts the program with folders, arguments and variables of its own: what a host decides, and a test inside cannot.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { WASI } from "node:wasi";

const out = process.env.OUT ?? new URL("../../../target", import.meta.url).pathname;
const program = `${out}/wasm32-wasip1/debug/slugs.wasm`;
const module = new WebAssembly.Module(readFileSync(program));

// secret.txt stands beside the one folder that the program is given.
const folder = mkdtempSync(`${tmpdir()}/wasi-`);
after(() => rmSync(folder, { recursive: true }));
mkdirSync(`${folder}/given`);
writeFileSync(`${folder}/given/a.txt`, "Hello, World!\nmore\n");
writeFileSync(`${folder}/secret.txt`, "Secret\n");
symlinkSync("../secret.txt", `${folder}/given/link.txt`);

/** Runs it in node's own WASI, with one folder. */
function run(args, env = {}) {
  const [stdout, stderr] = ["stdout", "stderr"].map((name) => openSync(`${folder}/${name}`, "w"));
  const preopens = { "/data": `${folder}/given` };
  const wasi = new WASI({ version: "preview1", args: ["slugs", ...args], env, preopens, stdout, stderr, returnOnExit: true });
  const code = wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));
  return { code, out: readFileSync(`${folder}/stdout`, "utf8"), err: readFileSync(`${folder}/stderr`, "utf8") };
}

test("a file of an opened folder is read under the name that the host chose", () => {
  assert.deepEqual(run(["/data/a.txt"]), { code: 0, out: "hello-world\n", err: "" });
});

test("variables are those that it is given", () => {
  assert.equal(run(["/data/a.txt"], { SLUG_SEPARATOR: "_" }).out, "hello_world\n");
});

for (const path of ["/data/../secret.txt", "/data/link.txt", `${folder}/secret.txt`, "/etc/hostname", "a.txt"]) {
  test(`nothing else is there: ${path.replace(folder, "…")}`, () => {
    const { code, out, err } = run([path]);
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.match(err, /os error/);
  });
}

test("the exit code is the program's", () => {
  assert.equal(run([]).code, 2);
});

// The row's own runner opens the whole file system, so that paths mean the same inside.
const runner = process.env.CROSSCOMPILING_EMULATOR;
test("wasmtime hands arguments, variables and the exit code through", { skip: !runner && "no runner" }, () => {
  const start = (...args) =>
    spawnSync(runner, [program, ...args], { env: { ...process.env, SLUG_SEPARATOR: "." }, encoding: "utf8" });
  const good = start(`${folder}/given/a.txt`);
  assert.equal(good.stderr, "");
  assert.deepEqual([good.status, good.stdout], [0, "hello.world\n"]);
  assert.equal(start(`${folder}/given/missing.txt`).status, 1);
  assert.equal(start().status, 2);
});
