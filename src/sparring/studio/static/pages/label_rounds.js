// Train with the labels, and show the gain.

import { get, post } from "../api.js";
import { attempt, h, say } from "../dom.js";
import { percent } from "../format.js";
import { address } from "../address.js";

const POLL_MS = 2000;

// Return the section of the trainings with the answers of a run.
export function roundsOf(page, { before, rounds }, grid) {
  const table = h("div", { class: "scroll" });
  const command = h("pre", { hidden: true });
  const train = h("button", { type: "button", class: "main", onclick: () => attempt(async () => {
    train.disabled = true;
    try {
      await grid.sent; // all answers are stored
      const started = await post("/api/label/train", { run: page.run }, page.signal);
      command.textContent = started.command;
      command.hidden = false;
      say(`${started.run} is trained with ${started.labels} labels`);
      draw(table, started);
      follow(page, table);
    } finally {
      train.disabled = false;
    }
  }) }, "Train with these labels");
  draw(table, { before, rounds });
  if (rounds.some(busy)) follow(page, table);
  return h("section", { class: "panel" }, h("h2", {}, "Gain from the labels"), train, command, table);
}

function busy({ state }) {
  return state === "starting" || state === "running";
}

async function follow(page, table) {
  while (!page.signal.aborted) {
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
    const now = page.signal.aborted ? null : await attempt(() => get("/api/label/rounds", { run: page.run }, page.signal));
    if (!now || !table.isConnected) return;
    draw(table, now);
    if (!now.rounds.some(busy)) return;
  }
}

function draw(table, { before, rounds }) {
  const head = ["Run", "Labels", "Accuracy", "Gain"].map((text) => h("th", { scope: "col" }, text));
  const first = before && row(before.run, before.labels, interval(before), "");
  const more = rounds.map(({ run, labels, state, note, accuracy }) =>
    row(run, labels, accuracy ? interval(accuracy) : h("span", {}, state, note && h("div", { class: "hint" }, note)), gain(accuracy)));
  const tested = before ? `Accuracy on ${before.total} ${before.tested_on}, with 95 % intervals.` : "This run was not tested: no example with a label was left for it.";
  table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, first, more)), h("p", { class: "hint" }, tested));
}

function row(run, labels, accuracy, difference) {
  return h("tr", {}, h("th", { scope: "row" }, h("a", { href: address("runs", { run }) }, run)), h("td", { class: "number" }, String(labels)),
    h("td", {}, accuracy), h("td", {}, difference));
}

function interval({ value, low, high }) {
  return h("div", {}, percent(value), h("div", { class: "hint" }, `${(100 * low).toFixed(1)} to ${percent(high)}`));
}

function gain(accuracy) {
  if (!accuracy?.gain) return "";
  const [value, low, high] = accuracy.gain.map((part) => `${part > 0 ? "+" : part < 0 ? "−" : ""}${(100 * Math.abs(part)).toFixed(1)}`);
  return h("div", {}, `${value} points`, h("div", { class: "hint" }, `${low} to ${high}`));
}
