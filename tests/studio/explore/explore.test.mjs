// Pure parts of the Explore page: requests that follow a slider, the way through seeds, the brush.

import assert from "node:assert/strict";
import test from "node:test";

const pages = new URL("../../../src/sparring/studio/static/", import.meta.url);
const { newestOnly } = await import(new URL("newest_only.js", pages));
const { pointAt, seedsOf } = await import(new URL("pages/explore_walk.js", pages));
const { base64, paint } = await import(new URL("pages/explore_completion.js", pages));

test("one request at a time, and only the newest waits", async () => {
  const sent = [];
  const received = [];
  const answers = [];
  const request = newestOnly(async (value) => {
    sent.push(value);
    received.push(await new Promise((resolve) => answers.push(() => resolve(`answer ${value}`))));
  }, assert.fail);
  const working = request(1);
  for (const value of [2, 3, 4]) request(value);
  assert.deepEqual(sent, [1]);
  answers[0]();
  await new Promise(setImmediate);
  assert.deepEqual(sent, [1, 4]);
  answers[1]();
  await working;
  assert.deepEqual(received, ["answer 1", "answer 4"]);
});

test("a failed request is reported, and later ones are sent", async () => {
  const failed = [];
  const received = [];
  const request = newestOnly(async (value) => {
    if (!value) throw new Error("no");
    received.push(value);
  }, (error) => failed.push(error.message));
  await request(0);
  await request(7);
  assert.deepEqual([failed, received], [["no"], [7]]);
});

test("the way through seeds is closed", () => {
  assert.deepEqual(seedsOf("3, 17 x 250"), [3, 17, 250]);
  assert.deepEqual(seedsOf(""), []);
  assert.deepEqual(pointAt([3, 17, 250], 0.25, "slerp"), { seed: 3, to: 17, at: 0.25, way: "slerp" });
  assert.deepEqual(pointAt([3, 17, 250], 2.5, "lerp"), { seed: 250, to: 3, at: 0.5, way: "lerp" });
  assert.deepEqual(pointAt([3], 0.5, "lerp"), { seed: 3, to: 3, at: 0.5, way: "lerp" });
});

test("the brush paints a disc within the picture", () => {
  const hole = new Uint8Array(25);
  paint(hole, 5, 5, 0, 0, 1, 1);
  assert.deepEqual([...hole.keys()].filter((k) => hole[k]), [0, 1, 5]);
  paint(hole, 5, 5, 2, 2, 1, 1);
  assert.equal(hole.reduce((sum, value) => sum + value, 0), 8);
  paint(hole, 5, 5, 2, 2, 8, 0);
  assert.ok(hole.every((value) => !value));
  assert.equal(base64(Uint8Array.of(1, 0, 255)), "AQD/");
});
