// The list of runs.

import { get } from "../api.js";
import { h } from "../dom.js";
import { address } from "../state.js";

export const title = "Runs";

export async function show(main, parameters, signal) {
  const { runs, folder } = await get("/api/runs", {}, signal);
  main.append(h("h1", {}, "Runs"), h("p", { class: "soft" }, folder), runs.length ? table(runs) : empty());
}

function empty() {
  return h("p", {}, "There is no run yet.");
}

function table(runs) {
  const head = ["", "Run", "State", "Recipe", "Data", "Progress", "Scores"].map((text) => h("th", { scope: "col" }, text));
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, runs.map(row))));
}

function row(run) {
  const picture = run.thumbnail ? h("img", { class: "thumbnail", src: run.thumbnail, alt: `newest samples of ${run.name}` }) : "";
  const link = h("a", { href: address("runs", { run: run.name }) }, run.name);
  return h("tr", {}, h("td", {}, picture), h("td", {}, link), h("td", {}, run.state, run.note && h("div", { class: "hint" }, run.note)),
    h("td", {}, run.recipe), h("td", {}, run.source), h("td", {}, progress(run)), h("td", {}, run.scores.map(score)));
}

function progress({ nimg, total }) {
  return total ? `${nimg.toLocaleString("en")} of ${total.toLocaleString("en")}` : "";
}

function score([name, value, low, high]) {
  return h("div", {}, `${name} ${value.toPrecision(3)} (${low.toPrecision(3)} to ${high.toPrecision(3)})`);
}
