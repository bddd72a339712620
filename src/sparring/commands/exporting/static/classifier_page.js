// The page of a classifier: a drawing or a picture file in, probabilities out.

import { field, h, report, say } from "../../../studio/static/dom.js";
import { pad } from "../../../studio/static/drawing_pad.js";
import { newestOnly } from "../../../studio/static/newest_only.js";
import { centred, inked } from "./drawing.js";
import { facts, forward, pixelsOf, start } from "./network.js";

const SHOWN = 10;

const [channels, height, width] = facts.shape;
const preview = h("canvas", { class: "pixels large", width, height, role: "img", "aria-label": "no picture yet" });
const answer = h("div", { id: "answer" }, h("p", { class: "hint" }, "Draw or choose a picture."));
const caption = h("p", { class: "hint", id: "caption" });
const invert = h("input", { type: "checkbox", onchange: () => last && classify(last.pixels, last.name) });
let last = null;

const classify = newestOnly(async (pixels, name) => {
  last = { pixels, name };
  const given = invert.checked ? pixels.map((value) => 1 - value) : pixels;
  const { output, milliseconds } = await forward([given]);
  preview.getContext("2d").putImageData(pixelsOf(given), 0, 0);
  preview.setAttribute("aria-label", `${name}, as the network receives it`);
  const ranked = softmax(output).map((probability, k) => [probability, facts.classes[k]]).sort(([a], [b]) => b - a);
  const rows = ranked.slice(0, SHOWN).map(([probability, label]) => h("tr", {}, h("th", { scope: "row" }, label),
    h("td", {}, h("meter", { value: probability, "aria-label": `probability of ${label}` })),
    h("td", { class: "number" }, percent(probability))));
  answer.replaceChildren(h("table", { "aria-label": "probabilities" }, h("tbody", {}, rows)));
  caption.textContent = `${name}, ${width} x ${height} pixels, as the network receives it; computed in ${milliseconds.toFixed(0)} ms`;
  say(`${name}: ${ranked[0][1]}, ${percent(ranked[0][0])}`);
}, report);

function percent(probability) {
  return `${(100 * probability).toFixed(1)} %`;
}

// Return the probabilities of logits.
export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function useDrawing({ width: wide, height: tall, ink }) {
  const bytes = Uint8Array.from(atob(ink), (character) => character.charCodeAt(0));
  if (!bytes.some((value) => value)) return;
  const placed = centred(Float32Array.from(bytes, (value) => value / 255), tall, wide, facts.framing.fill, height, width);
  classify(inked(placed, facts.framing, channels), "your drawing");
}

async function useFile(file) {
  if (!file) return;
  const image = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is no picture that this browser can read: choose a PNG or JPEG file`);
  });
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const scale = Math.max(width / image.width, height / image.height); // the middle of the picture fills the frame
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (width - image.width * scale) / 2, (height - image.height * scale) / 2, image.width * scale, image.height * scale);
  const { data } = context.getImageData(0, 0, width, height);
  await classify(planes(data), file.name);
}

// Return values [C, H, W] in [0, 1] of RGBA bytes. Grey is the luma of ITU-R BT.601, as Pillow's.
function planes(data) {
  const size = data.length / 4;
  const pixels = new Float32Array(channels * size);
  for (let k = 0; k < size; k += 1) {
    const colours = data.subarray(4 * k, 4 * k + 4);
    if (channels < 3) pixels[k] = (0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]) / 255;
    else for (let c = 0; c < channels; c += 1) pixels[c * size + k] = colours[c] / 255;
    if (channels === 2) pixels[size + k] = colours[3] / 255;
  }
  return pixels;
}

function inputs() {
  const file = h("input", { type: "file", accept: "image/*", onchange: (event) => useFile(event.target.files[0]).catch(report) });
  const box = h("div", { class: "panel drop" }, pad(useDrawing), field("Or a picture file; you can also drop or paste one", file),
    h("label", { class: "check" }, invert, "swap light and dark"));
  for (const [name, on] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    addEventListener(name, (event) => { event.preventDefault(); box.classList.toggle("over", on); });
  }
  addEventListener("drop", (event) => useFile(event.dataTransfer.files[0]).catch(report));
  addEventListener("paste", (event) => useFile(event.clipboardData.files[0]).catch(report));
  return box;
}

start(report);
document.getElementById("main").append(
  h("div", { class: "columns wide" }, inputs(), h("div", {}, preview, caption, h("h2", {}, "Probabilities"), answer)));
