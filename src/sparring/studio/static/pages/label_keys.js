// Keys of the classes, pure functions: one digit for up to ten classes, else as many as the last number has.

// Return the key of each class: its own name where all names are single digits, else a number.
export function keysOf(classes) {
  if (classes.every((name) => /^\d$/.test(name))) return classes;
  if (classes.length <= 10) return classes.map((_, k) => String((k + 1) % 10));
  const digits = String(classes.length - 1).length;
  return classes.map((_, k) => String(k).padStart(digits, "0"));
}

// Add a digit to those typed so far: { typed, index } with the index of the class once its key is complete, or -1.
export function typed(keys, before, digit) {
  for (const text of [before + digit, digit]) {
    const index = keys.indexOf(text);
    if (index >= 0) return { typed: "", index };
    if (keys.some((key) => key.startsWith(text))) return { typed: text, index: -1 };
  }
  return { typed: "", index: -1 };
}

// Return where an arrow leads in a grid of `count` cells and `columns`.
export function moved(at, key, columns, count) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const next = at + (step ?? 0);
  return next >= 0 && next < count ? next : at;
}

// Return the next cell without an answer after `at`, round the end; -1 if all have one.
export function nextOpen(answers, at) {
  for (let step = 1; step <= answers.length; step += 1) {
    const place = (at + step) % answers.length;
    if (!answers[place]) return place;
  }
  return -1;
}
