// The page of a generator: seed, class, truncation, a walk between two seeds, the picture as a file.

import { field, h, report, say } from "../../../studio/static/dom.js";
import { choice, slider } from "../../../studio/static/form_controls.js";
import { newestOnly } from "../../../studio/static/newest_only.js";
import { noiseOf, slerp, truncated } from "./latents.js";
import { facts, forward, pixelsOf, start } from "./network.js";
import { describedPng } from "./png.js";

const MOST_SEED = Number.MAX_SAFE_INTEGER;
const NEXT_SEEDS = 12;
const WALK_SECONDS = 4;
const HIGHEST = 3;

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const state = { seed: 0, label: 0, numbers: facts.numbers?.map(({ mean }) => mean), truncation: null, to: 1, at: 0 };
let playing = false;
let version = 0;
let drawn = "";

const [, height, width] = facts.shape;
const picture = canvasOf("large");
const caption = h("p", { class: "hint", id: "caption" });
const thumbnails = Array.from({ length: NEXT_SEEDS }, () => ({ canvas: canvasOf("small"), text: h("span", {}) }));
const command = h("code", {});

const seedBox = h("input", { type: "number", min: 0, max: MOST_SEED, step: 1, value: 0, oninput: (event) => pick(event.target.value) });
const toBox = h("input", { type: "number", min: 0, max: MOST_SEED, step: 1, value: 1, oninput: (event) => aim(event.target.value) });
const place = slider("Place on the way", { low: 0, high: 1, step: 0.01, value: 0 }, (at) => change({ at }));
const play = h("button", { type: "button", onclick: toggle }, "Play");
const still = h("p", { class: "hint" }, "Your system asks for less motion: move the slider instead.");

function canvasOf(size) {
  return h("canvas", { class: `pixels ${size}`, width, height, role: "img", "aria-label": "not drawn yet" });
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

// Return a seed from what was typed, null where it is none.
function seedOf(text) {
  const seed = Number(text);
  return text !== "" && Number.isSafeInteger(seed) && seed >= 0 ? seed : null;
}

function pick(text) {
  const seed = seedOf(text);
  if (seed !== null) change({ seed, at: 0 });
}

function aim(text) {
  const to = seedOf(text);
  if (to !== null) change({ to });
}

function change(values) {
  Object.assign(state, values);
  if (document.activeElement !== seedBox) seedBox.value = state.seed;
  if (document.activeElement !== toBox) toBox.value = state.to;
  if ("at" in values) place.move(Number(state.at.toFixed(2)));
  version += 1;
  return refresh(version);
}

function noise(seed) {
  const z = noiseOf(seed, facts.latent_dim);
  return state.truncation === null ? z : truncated(z, state.truncation);
}

function condition() {
  if (state.numbers) return [state.numbers];
  return facts.conditional ? [[state.label]] : [];
}

// Return what is shown, in words.
function described(seed, to = null, at = 0) {
  const parts = [to === null || at === 0 ? `seed ${seed}` : `${Math.round(100 * at)} % of the way from seed ${seed} to ${to}`];
  if (state.numbers) parts.push(`labels ${state.numbers.join(", ")}`);
  else if (facts.conditional) parts.push(`class ${facts.classes[state.label]}`);
  if (state.truncation !== null) parts.push(`truncation ${state.truncation}`);
  return parts.join(", ");
}

async function draw(canvas, z, description) {
  const { output, milliseconds } = await forward([z, ...condition()]);
  canvas.getContext("2d").putImageData(pixelsOf(output), 0, 0);
  canvas.setAttribute("aria-label", `generated picture: ${description}`);
  return milliseconds;
}

const refresh = newestOnly(async (mine) => {
  const { seed, to, at } = state;
  const description = described(seed, to, at);
  const milliseconds = await draw(picture, at ? slerp(noise(seed), noise(to), at) : noise(seed), description);
  caption.textContent = `${description}; computed in ${milliseconds.toFixed(0)} ms`;
  command.textContent = commandOf(seed, at);
  const row = described(seed);
  if (drawn === row || playing) return;
  for (const [k, { canvas, text }] of thumbnails.entries()) {
    if (mine !== version) return;
    text.textContent = seed + k + 1;
    await draw(canvas, noise(seed + k + 1), described(seed + k + 1));
  }
  drawn = row;
}, report);

function commandOf(seed, at) {
  if (at) return "a place on a way has no command";
  const label = state.numbers ? ` --label ${state.numbers.join(",")}` : facts.conditional ? ` --label ${JSON.stringify(facts.classes[state.label])}` : "";
  const truncation = state.truncation === null ? "" : ` --truncation ${state.truncation}`;
  return `sparring sample ${facts.run} -n 1 --seed ${seed}${label}${truncation}`;
}

function toggle() {
  playing = !playing && !calm.matches;
  play.textContent = playing ? "Pause" : "Play";
  say(playing ? "the walk goes on until you press Pause" : "the walk has stopped");
  if (playing) requestAnimationFrame(walk);
}

let before = 0;
async function walk(now) {
  if (!playing) return;
  const moved = Math.min(now - before, 100) / 1000 / WALK_SECONDS;
  before = now;
  if (state.at + moved < 1) await change({ at: state.at + moved });
  else await change({ seed: state.to, to: randomSeed(), at: 0 });
  requestAnimationFrame(walk);
}

async function download() {
  const description = described(state.seed, state.to, state.at);
  const blob = await describedPng(picture, `${facts.mark}; run ${facts.run}, ${description}`);
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: `${facts.run}-${state.seed}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  say(`saved the picture of ${description}`);
}

function classField() {
  if (state.numbers) {
    return facts.numbers.map(({ mean, std }, k) => slider(`Label ${k + 1}`,
      { low: rounded(mean - 3 * std), high: rounded(mean + 3 * std), step: "any", value: rounded(mean) },
      (value) => change({ numbers: state.numbers.with(k, value) })));
  }
  if (!facts.conditional) return null;
  return choice("Class", facts.classes.map((name, k) => [String(k), name]), "0", (label) => change({ label: Number(label) }));
}

function rounded(value) {
  return Number(value.toPrecision(3));
}

function truncationField() {
  if (!facts.truncates) return null;
  return slider("Truncation: less is more typical", { low: 0.1, high: HIGHEST, step: 0.1, value: HIGHEST },
    (value) => change({ truncation: value === HIGHEST ? null : value }));
}

function controls() {
  const button = (text, action) => h("button", { type: "button", onclick: action }, text);
  const showPlay = () => { play.hidden = calm.matches; still.hidden = !calm.matches; playing &&= !calm.matches; };
  calm.addEventListener("change", showPlay);
  showPlay();
  return h("div", { class: "panel" },
    field("Seed", seedBox),
    h("div", { class: "row" }, button("Next seed", () => change({ seed: state.seed + 1, at: 0 })),
      button("Random seed", () => change({ seed: randomSeed(), at: 0 }))),
    classField(), truncationField(),
    h("fieldset", {}, h("legend", {}, "Walk to another seed"), field("To seed", toBox), place, play, still),
    h("div", { class: "row" }, h("button", { type: "button", class: "main", onclick: () => download().catch(report) }, "Download PNG")));
}

function strip() {
  return thumbnails.map(({ canvas, text }, k) => h("button", { type: "button", class: "thumb",
    onclick: () => change({ seed: state.seed + k + 1, at: 0 }) }, canvas, text));
}

start(report);
document.getElementById("main").append(
  h("div", { class: "columns" }, h("div", {}, picture, caption), controls()),
  h("h2", {}, "The next seeds"), h("div", { class: "strip" }, strip()),
  h("p", { class: "hint" }, "The same picture by Sparring: ", command));
change({ seed: seedOf(new URLSearchParams(location.hash.slice(1)).get("seed") ?? "") ?? 0 });
