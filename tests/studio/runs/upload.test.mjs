// Which files of a drop are sent, and under which folder.

import assert from "node:assert/strict";
import { test } from "node:test";

import { belowOneFolder } from "../../../src/sparring/studio/static/pages/runs_upload.js";

const paths = (...given) => belowOneFolder(given.map((path) => [path, null])).map(([path]) => path);

test("one file stays alone, and one folder is its own", () => {
  assert.deepEqual(paths("photos.zip"), ["photos.zip"]);
  assert.deepEqual(paths("photos/a.png", "photos/cat/b.png"), ["photos/a.png", "photos/cat/b.png"]);
  assert.deepEqual(paths("photos/a.png"), ["photos/a.png"]);
});

test("loose files and several folders get a common one", () => {
  assert.deepEqual(paths("a.png", "b.png"), ["dropped/a.png", "dropped/b.png"]);
  assert.deepEqual(paths("cat/a.png", "dog/b.png"), ["dropped/cat/a.png", "dropped/dog/b.png"]);
  assert.deepEqual(paths("cat/a.png", "b.png"), ["dropped/cat/a.png", "dropped/b.png"]);
});

test("hidden files are left out", () => {
  assert.deepEqual(paths("photos/.DS_Store", "photos/a.png", ".git/b.png"), ["photos/a.png"]);
});
