// Complete a picture: paint over a part of it with a brush, and let the model fill the hole.

import { get, post } from "../api.js";
import { choice } from "../form_controls.js";
import { field, h } from "../dom.js";
import { captioned } from "./explore_samples.js";
import { bytesOf, draw } from "../views.js";

const POLL_MS = 1000;
const HOLE = [255, 64, 160];

// Return the text of bytes in base64.
export function base64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

// Set the pixels of a hole (a byte a pixel) within `radius` of x, y.
export function paint(hole, width, height, x, y, radius, value) {
  for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(height - 1, Math.ceil(y + radius)); row += 1) {
    for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(width - 1, Math.ceil(x + radius)); column += 1) {
      if ((column - x) ** 2 + (row - y) ** 2 <= radius ** 2) hole[row * width + column] = value;
    }
  }
}

export function completion(page) {
  const { facts, sides, state } = page;
  const settings = { brush: 1, minutes: 1 };
  const easel = easelOf(settings);
  const note = h("p", { class: "hint", role: "status" });
  const results = h("div", { class: "samples" });
  const source = () => (state.picture === "sample"
    ? page.body(sides[0], [{ seed: Number(state.picked || state.seed) }])
    : { ...page.body(sides[0], [{ seed: 0 }]), row: Number(state.row) });
  const trying = (work) => async () => {
    try {
      await work();
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = error.message;
    }
  };
  const load = trying(async () => {
    easel.show(await post("/api/picture", source(), page.stopped));
    results.replaceChildren();
    note.textContent = "";
  });
  const fill = trying(async () => {
    note.textContent = "Filling ...";
    const body = { ...source(), hole: easel.hole(), n: 6, label: state.label };
    const { views, log_probabilities: logs, exact, notes } = await post("/api/complete", body, page.stopped);
    results.replaceChildren(...views.map((view, k) => {
      const text = `log P ${logs[k].toFixed(1)}`;
      return captioned(view, `fill ${k + 1}, ${text}`, text);
    }));
    note.textContent = [`log P(hole | known) in nats${exact ? "" : ", estimates"}`, ...notes].join(". ");
  });
  const restore = trying(async () => restored(page, { ...source(), hole: easel.hole(), minutes: settings.minutes }, note, results));
  const element = h("section", { "aria-labelledby": "complete" }, h("h2", { id: "complete" }, "Complete a picture"),
    h("p", { class: "soft" }, "Paint over a part of the picture with the mouse, or with the arrow keys and the space bar. "
      + (facts.completes ? "" : `${facts.recipe} cannot fill the hole: runs of pixelcnn with --completion, rbm and dbm can. `)
      + (facts.restores ? "The deep image prior is a network that is fitted to this picture alone." : "The deep image prior needs larger pictures.")),
    h("div", { class: "row" }, sources(page, load), brushes(settings), h("button", { type: "button", onclick: easel.clear }, "Clear the hole"),
      h("button", { type: "button", onclick: easel.half }, "Lower half")),
    h("div", { class: "screens" }, h("div", { class: "screen" }, easel.canvas),
      h("div", { class: "fills" }, h("div", { class: "row" },
        facts.completes && h("button", { type: "button", class: "main", onclick: fill }, "Fill the hole"),
        facts.restores && [h("button", { type: "button", onclick: restore }, "Fill by the deep image prior"), minutes(settings)]), note, results)));
  return { element, refresh: load, pick: () => state.picture === "sample" && load() };
}

function sources({ state, save }, load) {
  const changed = () => {
    save();
    load();
  };
  const row = h("input", { type: "number", min: 0, value: state.row, oninput: (event) => {
    state.row = event.target.value;
    changed();
  } });
  const number = field("Number of the image", row);
  number.hidden = state.picture === "sample";
  const from = choice("Picture", [["sample", "the chosen sample"], ["data", "a training image"]], state.picture, (value) => {
    state.picture = value;
    number.hidden = value === "sample";
    changed();
  });
  return [from, number];
}

function brushes(settings) {
  return choice("Brush", [["0.5", "1 pixel"], ["1", "3 pixels"], ["2", "5 pixels"], ["4", "9 pixels"]], "1", (value) => {
    settings.brush = Number(value);
  });
}

function minutes(settings) {
  const change = (event) => {
    settings.minutes = Number(event.target.value);
  };
  return field("Minutes", h("input", { type: "number", min: 0.1, max: 30, step: 0.1, value: 1, onchange: change }));
}

// Return a canvas on which a hole is painted, by pointer or keyboard.
function easelOf(settings) {
  const canvas = h("canvas", { class: "pixels easel", tabindex: 0, role: "application",
    "aria-label": "picture with the hole: arrow keys move the brush, space paints, backspace erases" });
  let [view, hole, brush] = [null, null, { x: 0, y: 0 }];
  const redraw = () => {
    if (!view) return;
    draw(canvas, bytesOf(view.pixels).map((byte, k) => (hole[Math.floor(k / 3)] ? HOLE[k % 3] : byte)));
    if (document.activeElement !== canvas) return;
    const context = canvas.getContext("2d");
    context.fillStyle = "rgb(10 88 202)";
    context.fillRect(brush.x, brush.y, 1, 1);
  };
  const mark = (value) => {
    paint(hole, view.width, view.height, brush.x, brush.y, settings.brush, value);
    redraw();
  };
  const move = (event) => {
    const box = canvas.getBoundingClientRect();
    brush = { x: Math.floor((event.clientX - box.left) / box.width * view.width), y: Math.floor((event.clientY - box.top) / box.height * view.height) };
    mark(event.altKey ? 0 : 1);
  };
  canvas.addEventListener("pointerdown", (event) => view && (canvas.setPointerCapture(event.pointerId), move(event)));
  canvas.addEventListener("pointermove", (event) => view && event.buttons && move(event));
  canvas.addEventListener("keydown", (event) => view && byKey(event, brush, view, mark, redraw));
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, redraw);
  const set = (value) => () => {
    hole = Uint8Array.from({ length: view.width * view.height }, (_, k) => Number(value(k)));
    redraw();
  };
  const show = (next) => {
    const same = view && view.width === next.width && view.height === next.height;
    view = next;
    canvas.width = view.width;
    canvas.height = view.height;
    if (!same) hole = new Uint8Array(view.width * view.height);
    redraw();
  };
  return { canvas, show, hole: () => base64(hole), clear: set(() => false), half: set((k) => k >= Math.floor(view.height / 2) * view.width) };
}

function byKey(event, brush, view, mark, redraw) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (steps) {
    brush.x = Math.min(view.width - 1, Math.max(0, brush.x + steps[0]));
    brush.y = Math.min(view.height - 1, Math.max(0, brush.y + steps[1]));
    redraw();
  } else if (event.key === " ") mark(1);
  else if (event.key === "Backspace") mark(0);
  else return;
  event.preventDefault();
}

// Start `sparring restore`, and show its picture when it is there.
async function restored(page, body, note, results) {
  const { restoration, job, command } = await post("/api/restore", body, page.stopped);
  for (;;) {
    const state = await get("/api/restored", { restoration, job }, page.stopped);
    if (!state.running) {
      if (state.url) {
        const text = "deep image prior, fitted to this picture alone";
        results.replaceChildren(h("figure", {}, h("img", { class: "picture", src: state.url, alt: text }), h("figcaption", {}, text)));
      }
      note.textContent = state.url ? "" : `The restoration ${state.ending || "ended"}: ${state.log.trim().split("\n").at(-1)}`;
      return;
    }
    note.textContent = `Running: ${command}`;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
