// Line plots as SVG: ticks, linear or logarithmic, with a mark at the step that is shown.

import { number } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const HEIGHT = 210;
const LEFT = 52;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 26;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
export const COLOURS = 8;
const MOST_POINTS = 600;

// Return a figure. Each line is { label, colour, dash, points: [[x, y], ...], level }; a level is drawn over the whole width.
export function plot(title, lines, { log = false, mark = null } = {}) {
  const drawn = lines.map((line) => ({ ...line, points: reduced(line.points.filter(([, y]) => y !== null && (!log || y > 0))) }));
  const filled = drawn.filter((line) => line.points.length);
  const xs = filled.flatMap((line) => line.points.map(([x]) => x));
  const ys = filled.flatMap((line) => line.points.map(([, y]) => y));
  const figure = document.createElement("figure");
  figure.className = "plot";
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.append(caption);
  if (!xs.length) {
    const none = document.createElement("p");
    none.className = "soft";
    none.textContent = log ? "No value above 0: choose the linear scale." : "No value yet.";
    figure.append(none);
    return figure;
  }
  const x = scale(0, Math.max(...xs, 1), LEFT, WIDTH - RIGHT, false);
  const y = scale(...range(ys, log), HEIGHT - BOTTOM, TOP, log);
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": description(title, filled) });
  svg.append(...axes(x, y));
  if (mark !== null) svg.append(node("line", { class: "plot-mark", x1: x.at(mark), x2: x.at(mark), y1: TOP, y2: HEIGHT - BOTTOM }));
  for (const line of filled) svg.append(stroke(line, x, y));
  figure.append(svg, legend(lines));
  return figure;
}

// Ticks of a linear axis: 3 to 6 round numbers in [low, high].
export function linearTicks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.7);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

// Ticks of a logarithmic axis: powers of ten, or round numbers where there are fewer than two.
export function logTicks(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / 5));
  const ticks = [];
  for (let k = first; k <= last; k += every) ticks.push(Number((10 ** k).toPrecision(12)));
  return ticks.length >= 2 ? ticks : linearTicks(low, high).filter((tick) => tick > 0);
}

// The same curve with fewer points: the lowest and the highest of each part.
export function reduced(points, most = MOST_POINTS) {
  if (points.length <= most) return points;
  const size = Math.ceil((2 * points.length) / most);
  const kept = [];
  for (let start = 0; start < points.length; start += size) {
    const part = points.slice(start, start + size);
    const low = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(low === high ? [low] : [low, high].sort((a, b) => a[0] - b[0])));
  }
  return kept;
}

function range(values, log) {
  let low = values.reduce((a, b) => Math.min(a, b));
  let high = values.reduce((a, b) => Math.max(a, b));
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  return [low, high];
}

function scale(low, high, from, to, log) {
  const warp = log ? Math.log10 : (value) => value;
  const at = (value) => from + ((warp(value) - warp(low)) / (warp(high) - warp(low))) * (to - from);
  return { at: (value) => Number(at(value).toFixed(1)), ticks: log ? logTicks(low, high) : linearTicks(low, high) };
}

function axes(x, y) {
  const grid = y.ticks.map((tick) => node("line", { class: "gridline", x1: LEFT, x2: WIDTH - RIGHT, y1: y.at(tick), y2: y.at(tick) }));
  const left = y.ticks.map((tick) => text(tick === 0 ? "0" : number(tick), LEFT - 6, y.at(tick) + 4, "end"));
  const last = x.ticks.length - 1;
  const below = x.ticks.map((tick, k) => text(short(tick), x.at(tick), HEIGHT - 8, k === last && x.at(tick) > WIDTH - 25 ? "end" : "middle"));
  return [...grid, ...left, ...below];
}

function short(value) {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  return value >= 1e3 ? `${Number((value / 1e3).toPrecision(3))}k` : String(value);
}

function stroke({ points, colour, dash, level }, x, y) {
  const shown = level && points.length ? [[0, points.at(-1)[1]], [Infinity, points.at(-1)[1]]] : points;
  const style = { class: `line colour-${colour % COLOURS}`, "stroke-dasharray": DASHES[dash % DASHES.length] };
  if (shown.length === 1) return node("circle", { class: `dot colour-${colour % COLOURS}`, cx: x.at(shown[0][0]), cy: y.at(shown[0][1]), r: 3 });
  const path = shown.map(([at, value]) => `${at === Infinity ? WIDTH - RIGHT : x.at(at)},${y.at(value)}`).join(" ");
  return node("polyline", { ...style, points: path });
}

function legend(lines) {
  const list = document.createElement("ul");
  list.className = "plot-legend";
  for (const { label, colour, dash } of lines) {
    const item = document.createElement("li");
    const swatch = node("svg", { viewBox: "0 0 28 10", width: 28, height: 10, "aria-hidden": "true" });
    swatch.append(node("line", { class: `line colour-${colour % COLOURS}`, "stroke-dasharray": DASHES[dash % DASHES.length], x1: 0, x2: 28, y1: 5, y2: 5 }));
    item.append(swatch, label);
    list.append(item);
  }
  return list;
}

function description(title, lines) {
  const ends = lines.map(({ label, points }) => `${label} from ${number(points[0][1])} to ${number(points.at(-1)[1])}`);
  return `${title}: ${ends.join("; ")}`;
}

function text(content, x, y, anchor) {
  const label = node("text", { x, y, "text-anchor": anchor });
  label.textContent = content;
  return label;
}

function node(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
