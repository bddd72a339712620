// The pure functions of the Label page's keys: `node --test`, started by test_scripts.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = readFileSync(new URL("../../../src/sparring/studio/static/pages/label_keys.js", import.meta.url));
const { keysOf, moved, nextOpen, typed } = await import(`data:text/javascript;base64,${source.toString("base64")}`);

const many = Array.from({ length: 37 }, (_, k) => `class ${k}`);

test("digits are the keys of classes that are digits, in any order", () => {
  assert.deepEqual(keysOf(["0", "7", "3"]), ["0", "7", "3"]);
  assert.deepEqual(keysOf(["cat", "dog"]), ["1", "2"]);
  assert.equal(keysOf(many.slice(0, 10))[9], "0");
});

test("more than ten classes have keys of equal length, all different", () => {
  const keys = keysOf(many);
  assert.equal(new Set(keys).size, 37);
  assert.ok(keys.every((key) => key.length === 2));
  assert.ok(keysOf([...many, ...many, ...many]).every((key) => key.length === 3));
});

test("every key can be typed, digit by digit", () => {
  for (const classes of [many, many.slice(0, 10), ["0", "7", "3"], Array(250).fill("x")]) {
    keysOf(classes).forEach((key, index) => {
      let state = { typed: "", index: -1 };
      for (const digit of key) state = typed(keysOf(classes), state.typed, digit);
      assert.deepEqual(state, { typed: "", index });
    });
  }
});

test("a digit that leads nowhere begins anew, or is dropped", () => {
  assert.deepEqual(typed(keysOf(many), "3", "9"), { typed: "", index: -1 });
  assert.deepEqual(typed(keysOf(many), "3", "1"), { typed: "", index: 31 });
  assert.deepEqual(typed(["0", "7"], "", "5"), { typed: "", index: -1 });
});

test("arrows stay in the grid", () => {
  assert.equal(moved(0, "ArrowLeft", 6, 24), 0);
  assert.equal(moved(0, "ArrowDown", 6, 24), 6);
  assert.equal(moved(20, "ArrowDown", 6, 24), 20);
  assert.equal(moved(23, "ArrowRight", 6, 24), 23);
  assert.equal(moved(7, "ArrowUp", 6, 24), 1);
  assert.equal(moved(7, "Home", 6, 24), 0);
  assert.equal(moved(7, "End", 6, 24), 23);
});

test("the next example without an answer is found round the end", () => {
  assert.equal(nextOpen([1, null, 1, null], 1), 3);
  assert.equal(nextOpen([null, 1, 1, 1], 2), 0);
  assert.equal(nextOpen([1, 1], 0), -1);
  assert.equal(nextOpen([null], 0), 0);
});
