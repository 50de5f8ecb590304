// Calls the module's functions as a web page does.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const out = process.env.OUT ?? new URL("../../../target", import.meta.url).pathname;
const module = new WebAssembly.Module(readFileSync(`${out}/wasm32-unknown-unknown/debug/slug.wasm`));
const start = () => new WebAssembly.Instance(module, { host: { now: () => Date.now() } }).exports;

/** Passes a string (or bytes) and gives back the slug, or null. */
function slug(exports, title) {
  const bytes = typeof title === "string" ? new TextEncoder().encode(title) : title;
  const address = exports.allocate(bytes.length);
  // A new view after every call that may allocate: growing the memory detaches the old ones.
  new Uint8Array(exports.memory.buffer, address, bytes.length).set(bytes);
  const result = exports.slug_of(address, bytes.length);
  exports.release(address, bytes.length);
  if (result === 0n) return null;
  // A 64-bit number is a BigInt here.
  const [at, length] = [Number(result & 0xffffffffn), Number(result >> 32n)];
  const text = new TextDecoder().decode(new Uint8Array(exports.memory.buffer, at, length));
  exports.release(at, length);
  return text;
}

test("a string goes in and another comes out", () => {
  const exports = start();
  assert.equal(slug(exports, "Größer → 大きい!"), "größer-大きい");
  assert.equal(slug(exports, ""), "");
});

test("bytes that are no string are refused", () => {
  assert.equal(slug(start(), Uint8Array.of(0xff, 0xfe)), null);
});

test("a string larger than the memory makes it grow, and views of it void", () => {
  const exports = start();
  const view = new Uint8Array(exports.memory.buffer);
  const title = "word ".repeat(view.length / 4);
  assert.equal(slug(exports, title).length, title.length - 1);
  assert.equal(view.length, 0);
});

test("what is released is used again", () => {
  const exports = start();
  slug(exports, "warm up");
  const size = exports.memory.buffer.byteLength;
  for (let i = 0; i < 20_000; i++) slug(exports, `Title number ${i}`);
  assert.equal(exports.memory.buffer.byteLength, size);
});

test("the clock is the one that was handed in", () => {
  const { hours_since } = start();
  assert.ok(Math.abs(hours_since(Date.now() - 7_200_000) - 2) < 0.01);
});

test("a panic is a trap, and another instance is not touched by it", () => {
  const exports = start();
  assert.equal(exports.panics(2), 3);
  assert.throws(() => exports.panics(3), WebAssembly.RuntimeError);
  assert.equal(slug(start(), "Still There"), "still-there");
});

test("it imports what it is given, and nothing else", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), [{ module: "host", name: "now", kind: "function" }]);
});
