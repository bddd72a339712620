// A canvas to draw on: with the mouse, a pen, a finger, or the keyboard (arrows move, space lifts and lowers the pen).

import { h } from "./dom.js";

const SIDE = 280;
const PEN = 22;
const STEP = 10;

// Return the elements of a drawing pad; `onChange` is called with { width, height, ink } after each stroke.
export function pad(onChange) {
  const canvas = h("canvas", { class: "pad", width: SIDE, height: SIDE, tabindex: "0", role: "img",
    "aria-label": "drawing pad: draw with mouse, pen or finger; by keyboard arrows move, space lowers and lifts the pen" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  let last = null;
  let pen = { x: SIDE / 2, y: SIDE / 2, down: false };

  const to = (point) => {
    context.beginPath();
    context.moveTo(last?.x ?? point.x, last?.y ?? point.y);
    context.lineTo(point.x, point.y);
    context.stroke();
    last = point;
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * SIDE) / box.width, y: ((event.clientY - box.top) * SIDE) / box.height };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    to(at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last || !(event.buttons & 1)) return;
    for (const each of event.getCoalescedEvents?.() ?? []) to(at(each));
    to(at(event));
  });
  canvas.addEventListener("pointerup", () => {
    last = null;
    onChange(content());
  });
  canvas.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (!dx && !dy && event.key !== " ") return;
    event.preventDefault();
    if (event.key === " ") pen = { ...pen, down: !pen.down };
    else pen = { ...pen, x: bounded(pen.x + STEP * dx), y: bounded(pen.y + STEP * dy) };
    hint.textContent = `pen ${pen.down ? "down" : "up"} at ${Math.round(pen.x)}, ${Math.round(pen.y)}`;
    last = pen.down ? last : null;
    if (pen.down) to({ x: pen.x, y: pen.y });
    if (event.key === " " && !pen.down) onChange(content());
  });

  function content() {
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    let ink = "";
    for (let k = 3; k < data.length; k += 4) ink += String.fromCharCode(data[k]); // the paper is transparent
    return { width: SIDE, height: SIDE, ink: btoa(ink) };
  }
  const clear = h("button", { type: "button", onclick: () => context.clearRect(0, 0, SIDE, SIDE) }, "Clear");
  const hint = h("p", { class: "hint" }, "Draw large; it is scaled and centred as the data are.");
  return h("div", {}, canvas, h("div", { class: "row" }, clear), hint);
}

function bounded(value) {
  return Math.max(0, Math.min(SIDE, value));
}
