// A walk between seeds: a closed way through them, by hand or as a film.

import { post, postRaw } from "../api.js";
import { choice, slider } from "../form_controls.js";
import { attempt, field, h, offer } from "../dom.js";
import { newestOnly } from "../newest_only.js";
import { canvasOf, draw, refill, shown } from "../views.js";

const SECONDS_A_SEED = 2;
const FILM_FRAMES_A_SEED = 16;
const MOST_FRAMES = 256;

// Return the seeds of a text: whole numbers, however they are separated.
export function seedsOf(text) {
  return (text.match(/\d+/g) ?? []).map(Number).filter(Number.isSafeInteger);
}

// Return the point at a place of the closed way through seeds, in units of seeds.
export function pointAt(seeds, place, way) {
  const from = Math.floor(place) % seeds.length;
  return { seed: seeds[from], to: seeds[(from + 1) % seeds.length], at: place - Math.floor(place), way };
}

export function walk(page) {
  const { state, sides, facts } = page;
  const screens = sides.map(({ run }) => h("div", { class: "screen", role: "group", "aria-label": `walk of ${run}` }));
  const seeds = () => seedsOf(state.walk);
  const place = () => Math.min(Number(state.at) || 0, seeds().length - 0.001);
  const requests = sides.map((side, k) => screen(page, side, screens[k]));
  const go = () => {
    if (seeds().length) for (const request of requests) request(pointAt(seeds(), place(), state.way));
  };
  const position = slider("Place on the way", { low: 0, high: seeds().length || 1, step: 0.01, value: place() }, (value) => {
    state.at = String(value);
    page.save();
    go();
  });
  const changed = () => {
    page.save();
    position.querySelectorAll("input").forEach((input) => { input.max = seeds().length || 1; });
    go();
  };
  const film = player(page, seeds, (value) => {
    state.at = value.toFixed(3);
    position.move(state.at);
    go();
  });
  const element = h("section", { "aria-labelledby": "walk" }, h("h2", { id: "walk" }, "Walk between seeds"),
    h("div", { class: "row" },
      field("Seeds on the way", h("input", { value: state.walk, oninput: (event) => { state.walk = event.target.value; changed(); } }),
        "the last leads back to the first"),
      choice("Way", [["slerp", "slerp: along an arc"], ["lerp", "lerp: along a line"]], state.way, (value) => { state.way = value; changed(); }),
      film.button, facts.formats.includes(".webp") && saving(page, seeds)),
    position, h("div", { class: "screens" }, screens));
  return { element, refresh: go };
}

// Return the function that shows a point: in a canvas that stays, so that nothing flashes.
export function screen(page, side, element) {
  let canvas = null;
  const send = side.facts.pixels ? frame : view;
  return newestOnly(async (point) => {
    const answer = await send(page.body(side, [point]), page.stopped);
    if (answer.view) {
      refill(element, shown(answer.view, "sample on the way"));
      return;
    }
    if (!canvas) {
      canvas = canvasOf(answer.width, answer.height, `sample of ${side.run} on the way`);
      element.replaceChildren(canvas);
    }
    draw(canvas, answer.bytes);
    canvas.dataset.ms = Math.round(performance.now() - answer.start);
  });
}

// Return the pixels of one point.
export async function frame(body, signal) {
  const start = performance.now();
  const response = await postRaw("/api/walk", body, signal);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { bytes, start, width: Number(response.headers.get("x-width")), height: Number(response.headers.get("x-height")) };
}

async function view(body, signal) {
  const { views } = await post("/api/samples", body, signal);
  return { view: views[0] };
}

// Return the button that plays and pauses. A system set to less motion stops the walk, until it is started again.
function player(page, seeds, show) {
  const { state } = page;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const button = h("button", { type: "button", onclick: () => set(!state.play) });
  let last = null;
  const step = (now) => {
    if (!state.play || page.stopped.aborted) return;
    const count = seeds().length;
    if (count && last !== null) show((Number(state.at) + (now - last) / 1000 / SECONDS_A_SEED) % count);
    last = now;
    requestAnimationFrame(step);
  };
  const set = (playing) => {
    state.play = playing ? "1" : "";
    button.textContent = playing ? "Pause" : "Play";
    last = null;
    page.save();
    if (playing) requestAnimationFrame(step);
  };
  still.addEventListener("change", () => still.matches && set(false), { signal: page.stopped });
  set(Boolean(state.play) && !still.matches);
  return { button };
}

function saving(page, seeds) {
  const save = () => attempt(async () => {
    const each = Math.max(1, Math.min(FILM_FRAMES_A_SEED, Math.floor(MOST_FRAMES / seeds().length)));
    const points = Array.from({ length: each * seeds().length }, (_, k) => pointAt(seeds(), k / each, page.state.way));
    const response = await postRaw("/api/download", { ...page.body(page.sides[0], points), format: ".webp", film: true });
    await offer(response, `${page.state.run.replaceAll("/", "-")}-walk.webp`);
  });
  return h("button", { type: "button", onclick: save }, "Download as a film");
}
