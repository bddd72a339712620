// The state of a page in the address.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keep, read } from "../../src/sparring/studio/static/address.js";

globalThis.location = { hash: "" };
globalThis.history = { replaceState: (state, title, address) => (location.hash = address) };

test("a page keeps its state", () => {
  location.hash = "#/runs";
  assert.equal(read().page, "runs");
  keep("runs", { filter: "digits" });
  keep("runs", { filter: "digits", pick: ["a", "b"] });
  assert.equal(location.hash, "#/runs?filter=digits&pick=a&pick=b");
});

test("a page that is being left does not undo the next address", () => {
  location.hash = "#/runs";
  read();
  location.hash = "#/runs?new=1"; // a link was followed, and its event waits
  keep("runs", {});
  assert.equal(location.hash, "#/runs?new=1");
  assert.equal(read().parameters.get("new"), "1");
  keep("explore", { run: "a" });
  assert.equal(location.hash, "#/runs?new=1");
});
