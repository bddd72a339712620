// Work that follows a slider: one request at a time, and of those that wait only the newest.

import { attempt } from "./dom.js";

export function latest(work) {
  let running = false;
  let next = null;
  return async (...values) => {
    next = values;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      await attempt(() => work(...now));
    }
    running = false;
  };
}
