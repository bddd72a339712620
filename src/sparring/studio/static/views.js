// Elements of the views of examples that the server sends: pictures, sounds, lines, rows of a table (`studio/views.py`).

import { h } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["var(--accent)", "var(--second)", "var(--third)", "var(--soft)", "var(--ink)"];

// Return an element that shows a view; `description` is its text alternative.
export function shown(view, description) {
  return { image: picture, sound, series, table }[view.kind](view, description);
}

// Replace the children of an element; sounds among the old ones are freed.
export function refill(element, ...children) {
  for (const audio of element.querySelectorAll("audio")) URL.revokeObjectURL(audio.src);
  element.replaceChildren(...children);
}

// Return the bytes of a base64 text.
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// Return a canvas of width x height pixels.
export function canvasOf(width, height, description) {
  return h("canvas", { class: "pixels", width, height, role: "img", "aria-label": description });
}

// Draw bytes of colours, three a pixel, into a canvas.
export function draw(canvas, bytes, offset = 0) {
  const pixels = canvas.width * canvas.height;
  const image = new ImageData(canvas.width, canvas.height);
  const { data } = image;
  for (let k = 0; k < pixels; k += 1) {
    data[4 * k] = bytes[offset + 3 * k];
    data[4 * k + 1] = bytes[offset + 3 * k + 1];
    data[4 * k + 2] = bytes[offset + 3 * k + 2];
    data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function picture({ width, height, pixels }, description) {
  const canvas = canvasOf(width, height, description);
  draw(canvas, bytesOf(pixels));
  return canvas;
}

function sound({ wav, peaks, seconds }, description) {
  const url = URL.createObjectURL(new Blob([bytesOf(wav)], { type: "audio/wav" }));
  const player = h("audio", { controls: true, src: url, preload: "metadata", "aria-label": description });
  const path = peaks.map(([low, high], x) => `M${x} ${1 - high}V${Math.max(1 - low, 1.01 - high)}`).join("");
  const box = drawing(`0 0 ${peaks.length} 2`, `waveform of ${description}, ${seconds} s`);
  box.append(line(path, COLOURS[0]));
  return h("div", { class: "sound" }, box, player);
}

function series({ lines }, description) {
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ends = Number.isFinite(low) ? `${low.toPrecision(3)} to ${high.toPrecision(3)}` : "no numbers";
  const last = Math.max(...lines.map(({ points }) => points.at(-1)?.[0] ?? 0), 1);
  const box = drawing("0 0 100 50", `${description}: ${lines.map(({ name }) => name).join(", ")}, ${ends}`);
  lines.forEach(({ points }, k) => box.append(line(pathOf(points, last, low, high), COLOURS[k % COLOURS.length])));
  const legend = lines.map(({ name }, k) => {
    const mark = h("span", { class: "mark", "aria-hidden": "true" });
    mark.style.background = COLOURS[k % COLOURS.length];
    return h("span", {}, mark, name);
  });
  return h("div", { class: "series" }, box, h("div", { class: "legend hint" }, legend, h("span", {}, ends)));
}

function pathOf(points, last, low, high) {
  let pen = "M";
  return points.map(([step, value]) => {
    if (value === null) {
      pen = "M";
      return "";
    }
    const text = `${pen}${(100 * step) / last} ${49 - (48 * (value - low)) / (high - low || 1)}`;
    pen = "L";
    return text;
  }).join("");
}

function table({ columns, cells }, description) {
  const rows = columns.map((name, k) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, cells[k])));
  return h("table", { "aria-label": description }, h("tbody", {}, rows));
}

// Return one table of several rows: columns of names, then the cells of each.
export function tableOf(views, captions) {
  const head = h("tr", {}, h("td", {}), views[0].columns.map((name) => h("th", { scope: "col" }, name)));
  const body = views.map(({ cells }, k) =>
    h("tr", {}, h("th", { scope: "row" }, captions[k]), cells.map((cell) => h("td", {}, cell))));
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head), h("tbody", {}, body)));
}

function drawing(viewBox, description) {
  const box = document.createElementNS(SVG, "svg");
  box.setAttribute("viewBox", viewBox);
  box.setAttribute("preserveAspectRatio", "none");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", description);
  return box;
}

function line(path, colour) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("d", path);
  element.setAttribute("fill", "none");
  element.setAttribute("vector-effect", "non-scaling-stroke");
  element.style.stroke = colour;
  return element;
}
