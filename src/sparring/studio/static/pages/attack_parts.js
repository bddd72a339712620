// Parts of the attack page: the slider with its marks, verdicts, bars.

import { field, h } from "../dom.js";
import { percent } from "../format.js";

// Return a slider with its number, and a track on which marks lie.
export function sliderOf({ low, high, step, unit }, value, onInput) {
  const limits = { min: low, max: high, step, value };
  const range = h("input", { type: "range", ...limits, "aria-label": `eps, ${unit}` });
  const number = h("input", { type: "number", ...limits });
  const both = (from, to) => from.addEventListener("input", () => {
    const typed = Number.parseFloat(from.value);
    if (!(typed >= low && typed <= high)) return;
    to.value = typed;
    onInput(typed);
  });
  both(range, number);
  both(number, range);
  const marks = h("div", { class: "marks", "aria-hidden": "true" });
  const track = {
    mark(name, at, text = "") {
      marks.querySelector(`.${name}`)?.remove();
      if (at === null || at < low || at > high) return;
      const mark = h("span", { class: `at ${name}` }, text);
      mark.style.left = `${(100 * (at - low)) / (high - low)}%`;
      marks.append(mark);
    },
  };
  return { number: field(`eps, ${unit}`, number), range: h("div", { class: "slider" }, range, marks), track };
}

// Return the words for an answer; `label` is the true class, if it is known.
export function verdictOf({ label: answer, probability, likeliest }, label) {
  const unknown = answer !== likeliest;
  const right = !unknown && label && (likeliest === label ? "correct" : `wrong, it is ${label}`);
  return h("p", { class: "verdict" }, h("strong", {}, answer), ` ${percent(probability)}`, unknown && ` (nearest: ${likeliest})`,
    right && h("span", { class: likeliest === label ? "hint" : "wrong" }, ` ${right}`));
}

// Return the probabilities before and after, as bars.
export function barsOf(bars) {
  const cell = (value, which) => {
    const bar = h("span", { class: `bar ${which}` });
    bar.style.width = `${100 * value}%`;
    return h("td", { class: "bars" }, h("span", { class: "barline" }, bar), h("span", { class: "number" }, percent(value)));
  };
  const head = ["Class", "Before", "After"].map((text) => h("th", { scope: "col" }, text));
  const rows = bars.map(({ name, probabilities: [before, after] }) =>
    h("tr", {}, h("th", { scope: "row" }, name), cell(before, "before"), cell(after, "after")));
  return h("table", { class: "probabilities" }, h("caption", {}, "Probabilities"), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
}
