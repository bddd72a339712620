// Work that follows a slider: one value at a time, and of those that wait only the newest.

import { report } from "./dom.js";

// Return a function that passes its values on to `work`; `fail` gets the errors of `work`.
export function newestOnly(work, fail = report) {
  let busy = false;
  let next = null;
  return async (...values) => {
    next = values;
    if (busy) return;
    busy = true;
    while (next) {
      const now = next;
      next = null;
      try {
        await work(...now);
      } catch (error) {
        fail(error);
      }
    }
    busy = false;
  };
}
