// Form controls that several pages share.

import { field, h } from "./dom.js";

// Return a list to choose from; `options` are pairs of value and text.
export function choice(label, options, value, onChange, hint = "") {
  const items = options.map(([each, text]) => h("option", { value: each, selected: each === value }, text));
  return field(label, h("select", { onchange: (event) => onChange(event.target.value) }, items), hint);
}

// Return a slider whose value can be typed as well. A typed value may lie outside of the slider, up to `most`.
export function slider(label, { low, high, step = 1, value, most = high }, onInput) {
  const range = h("input", { type: "range", min: low, max: high, step, value, "aria-label": label });
  const number = h("input", { type: "number", min: low, max: most, step, value, "aria-label": `${label}, typed` });
  const set = (text) => {
    const given = Number(text);
    if (text === "" || !Number.isFinite(given) || given < low || given > most) return;
    if (range.value !== text) range.value = given;
    if (document.activeElement !== number) number.value = given;
    onInput(given);
  };
  range.addEventListener("input", () => set(range.value));
  number.addEventListener("input", () => set(number.value));
  const element = h("div", { class: "field slider", role: "group", "aria-label": label }, h("span", {}, label),
    h("div", { class: "pair" }, range, number));
  return Object.assign(element, { move: (given) => { range.value = given; number.value = given; } });
}
