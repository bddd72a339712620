// Settings of runs side by side; what differs is marked.

import { h } from "../dom.js";

const LEFT_OUT = new Set(["format", "argv", "request.read.names"]);

// Return the settings as [name, text] of each value, nested names joined by dots.
export function flat(value, prefix = "") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[prefix, text(value)]];
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, prefix ? `${prefix}.${name}` : name));
}

// Return rows [name, values of the runs, whether they differ], in the order of their first run.
export function sideBySide(all) {
  const maps = all.map((settings) => new Map(flat(settings)));
  const names = [...new Set(maps.flatMap((map) => [...map.keys()]))].filter((name) => !LEFT_OUT.has(name));
  return names.map((name) => {
    const values = maps.map((map) => map.get(name) ?? "");
    return [name, values, new Set(values).size > 1];
  });
}

// Return the section of the settings of `runs`, objects with `name` and `settings`.
export function settingsSection(runs) {
  const rows = sideBySide(runs.map((run) => run.settings)).filter(([, values]) => values.some(Boolean));
  const box = h("input", { type: "checkbox", checked: runs.length > 1, onchange: draw });
  const place = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "settings" });
  function draw() {
    const shown = rows.filter(([, , differs]) => differs || !box.checked);
    place.replaceChildren(shown.length ? table(runs, shown) : h("p", {}, "No setting differs."));
  }
  draw();
  const choice = runs.length > 1 ? h("label", { class: "check" }, box, "Only what differs") : null;
  return h("section", {}, h("h2", {}, "Settings"), choice, place);
}

function table(runs, rows) {
  const head = h("tr", {}, h("th", { scope: "col" }, "Setting"), runs.map((run) => h("th", { scope: "col" }, run.name)));
  const body = rows.map(([name, values, differs]) =>
    h("tr", differs ? { class: "differs" } : {}, h("th", { scope: "row" }, name, differs ? h("span", { class: "tag" }, "differs") : null), values.map((value) => h("td", {}, value))));
  return h("table", { class: "settings" }, h("thead", {}, head), h("tbody", {}, body));
}

function text(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
