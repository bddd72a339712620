// The grid of examples to label, and its keys.

import { post } from "../api.js";
import { attempt, h, say } from "../dom.js";
import { shown } from "../views.js";
import { keysOf, moved, nextOpen, typed } from "./label_keys.js";

const OTHER = { c: { kind: "cannot tell", label: "" }, n: { kind: "none of these", label: "" } };

// Return the grid of a batch; `on` has `progress(answer)`, `turn(step)` and `focus(example)`.
export function gridOf(run, batch, on) {
  const { examples, classes } = batch;
  const grid = { at: Math.max(0, nextOpen(examples.map(({ answer }) => answer), -1)), anchor: null, last: null, digits: "", sent: Promise.resolve() };
  const cells = examples.map((example, k) => cellOf(example, k, examples.length));
  grid.element = h("div", { class: "examples", role: "group", "aria-label": "examples to label", "aria-describedby": "keys" }, cells);
  cells.forEach((cell, k) => cell.addEventListener("pointerdown", (event) => grid.moveTo(k, event.shiftKey)));
  grid.element.addEventListener("keydown", (event) => onKey(event, grid, classes, on.turn));
  grid.take = () => cells[grid.at].focus();

  // Give the focus to cell `k`; with `extend` all cells up to it are chosen.
  grid.moveTo = (k, extend) => {
    grid.anchor = extend ? (grid.anchor ?? grid.at) : null;
    focus(k);
  };

  function focus(k, move = true) {
    grid.at = k;
    const [from, to] = [Math.min(grid.anchor ?? k, k), Math.max(grid.anchor ?? k, k)];
    cells.forEach((cell, place) => {
      cell.tabIndex = place === k ? 0 : -1;
      cell.classList.toggle("chosen", place >= from && place <= to);
    });
    if (move) cells[k].focus();
    on.focus(examples[k]);
  }

  grid.answer = (answer) => {
    const places = cells.map((_, k) => k).filter((k) => cells[k].classList.contains("chosen"));
    grid.last = answer;
    grid.anchor = null;
    for (const k of places) grid.set(k, answer, "sending");
    const next = nextOpen(examples.map(({ answer: known }) => known), places.at(-1));
    focus(next < 0 ? places.at(-1) : next);
    if (next < 0) say("All on this page have an answer. Enter shows the next ones.");
    grid.sent = grid.sent.then(() => store(places, answer));
  };

  async function store(places, answer) {
    try {
      on.progress(await post("/api/label/answer", { run, names: places.map((k) => examples[k].name), ...answer }));
      for (const k of places) grid.set(k, answer);
    } catch (error) {
      for (const k of places) grid.set(k, null);
      say(`Not stored: ${error.message}`, true);
    }
  }

  grid.set = (k, answer, state = "") => {
    examples[k].answer = answer;
    describe(cells[k], examples[k], k, examples.length, state);
  };

  grid.undo = () => {
    grid.sent = grid.sent.then(() => attempt(() => undo(run, examples, grid, on.progress)));
  };

  focus(grid.at, false);
  return grid;
}

async function undo(run, examples, grid, progress) {
  const back = await post("/api/label/undo", { run });
  progress(back);
  const k = examples.findIndex(({ name }) => name === back.name);
  if (k < 0) say(`The answer about ${back.name}, on another page, is taken back.`);
  else {
    grid.set(k, back.answer);
    grid.moveTo(k, false);
  }
}

function onKey(event, grid, classes, turn) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("audio")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const cells = [...grid.element.children];
  const isDigit = /^\d$/.test(key);
  if (isDigit) onDigit(key, grid, classes);
  else if (key in OTHER) grid.answer(OTHER[key]);
  else if (key === "u") grid.undo();
  else if (key === " ") grid.last ? grid.answer(grid.last) : say("There is no answer to repeat yet.");
  else if (key === "Enter" || key === "PageDown") turn(1);
  else if (key === "PageUp") turn(-1);
  else if (key === "p") cells[grid.at].querySelector("audio")?.play();
  else if (key.startsWith("Arrow") || key === "Home" || key === "End") {
    grid.moveTo(moved(grid.at, key, columnsOf(cells), cells.length), event.shiftKey);
  } else return;
  if (!isDigit) grid.digits = "";
  event.preventDefault();
}

function onDigit(key, grid, classes) {
  const { typed: digits, index } = typed(keysOf(classes), grid.digits, key);
  grid.digits = digits;
  if (digits) say(`${digits}…`);
  else if (index < 0) say(`No class has the key ${key}.`, true);
  else grid.answer({ kind: "class", label: classes[index] });
}

// Return the buttons of all answers, with their keys.
export function legendOf(classes, grid) {
  const button = (key, text, act) => h("button", { type: "button", onclick: act }, h("kbd", {}, key), text === key ? "" : ` ${text}`);
  const answers = keysOf(classes).map((key, k) => button(key, classes[k], () => grid.answer({ kind: "class", label: classes[k] })));
  const others = Object.entries(OTHER).map(([key, answer]) => button(key, answer.kind, () => grid.answer(answer)));
  return h("div", { class: "answers", role: "group", "aria-label": "answers" }, answers, others, button("u", "undo", grid.undo));
}

// Return the description of the other keys.
export function keysHint() {
  return h("p", { class: "hint", id: "keys" }, "Arrows move, Shift and arrows choose several, Space repeats the last answer, Enter shows the next examples, P plays a sound.");
}

function cellOf(example, k, count) {
  const cell = h("div", { class: "example", role: "group", tabindex: "-1" }, shown(example.view, `example ${k + 1}`), h("span", { class: "given" }));
  describe(cell, example, k, count);
  return cell;
}

function describe(cell, { answer }, k, count, state = "") {
  const text = answer ? answer.label || answer.kind : "";
  cell.querySelector(".given").textContent = text || "–";
  cell.classList.toggle("done", Boolean(answer));
  cell.classList.toggle("sending", state === "sending");
  cell.setAttribute("aria-label", `example ${k + 1} of ${count}, ${text || "no answer yet"}`);
}

function columnsOf(cells) {
  const top = cells[0].offsetTop;
  const second = cells.findIndex((cell) => cell.offsetTop !== top);
  return second < 0 ? cells.length : second;
}
