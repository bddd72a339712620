// Pictures of runs at one step: one slider for all, with every step that was kept.

import { h, swap } from "../dom.js";
import { count } from "../format.js";

const SPEEDS = [1, 3, 10];

// Return the newest of `frames` (sorted by nimg) up to `nimg`; null where there is none.
export function frameAt(frames, nimg) {
  let best = null;
  for (const frame of frames) {
    if (frame.nimg > nimg) break;
    best = frame;
  }
  return best;
}

// Return { element, figures, update, step }: `step()` is the step that is shown, null while the newest is followed.
export function steps(runs, start, onStep) {
  let numbers = [];
  let wanted = start;
  const slider = h("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => choose(Number(slider.value)) });
  const typed = h("input", { type: "number", min: 0, "aria-label": "step, in examples", onchange: () => choose(nearest(numbers, Number(typed.value))) });
  const label = h("output", { class: "soft" });
  const atEnd = () => Number(slider.value) >= numbers.length - 1;
  const film = filmOf({ atEnd, first: () => choose(0), next: () => choose(Number(slider.value) + 1) });
  const figures = runs.map((run) => figure(run));

  function choose(index) {
    wanted = index >= numbers.length - 1 ? null : numbers[index];
    draw();
    onStep();
  }

  function draw() {
    const index = wanted === null ? numbers.length - 1 : nearest(numbers, wanted);
    const nimg = numbers[index] ?? 0;
    slider.max = Math.max(numbers.length - 1, 0);
    slider.value = index;
    slider.setAttribute("aria-valuetext", `${count(nimg)} examples`);
    if (document.activeElement !== typed) typed.value = nimg;
    label.textContent = numbers.length ? `step ${index + 1} of ${numbers.length}${wanted === null ? ", the newest" : ""}` : "no picture yet";
    for (const { draw: drawFigure } of figures) drawFigure(nimg);
  }

  function update() {
    numbers = [...new Set(runs.flatMap((run) => run.frames.map((frame) => frame.nimg)))].sort((a, b) => a - b);
    element.hidden = !numbers.length;
    draw();
  }

  const element = h("div", { class: "panel steps" }, h("label", { class: "field grow" }, h("span", {}, runs.length > 1 ? "Step of all runs" : "Step"), slider),
    h("div", { class: "row" }, typed, h("span", {}, "examples"), label), film);
  update();
  return { element, figures: figures.map((each) => each.element), update, step: () => wanted };
}

// Return the controls of a film of the steps; a hint where the system requests less motion.
function filmOf({ atEnd, first, next }) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    return h("p", { class: "hint" }, "Your system requests less motion, so there is no film: move the slider.");
  }
  let timer = 0;
  const speed = h("select", { onchange: () => timer && restart() }, SPEEDS.map((each) => h("option", { value: each, selected: each === 3 }, `${each} a second`)));
  const play = h("button", { type: "button", onclick: () => (timer ? pause() : start()) }, "Play");

  function start() {
    if (atEnd()) first();
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (!play.isConnected || atEnd()) pause();
      else if (!document.hidden) next();
    }, 1000 / Number(speed.value));
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }

  function restart() {
    pause();
    start();
  }

  return h("div", { class: "row" }, play, h("label", { class: "field" }, h("span", {}, "Steps"), speed));
}

function figure(run) {
  const image = h("img", { class: "picture", alt: "" });
  const text = h("span", {});
  const save = h("a", { href: "#" }, "Download");
  const caption = h("figcaption", {}, text, " ", save);
  const element = h("figure", {}, image, caption);
  const real = run.real
    ? h("details", {}, h("summary", {}, "Training examples"), h("img", { class: "picture", src: run.real, alt: `training examples of ${run.name}`, loading: "lazy" }))
    : null;
  if (real) element.append(real);
  return {
    element,
    draw: (nimg) => {
      const frame = frameAt(run.frames, nimg);
      element.hidden = !frame;
      if (!frame) return;
      const after = `after ${count(frame.nimg)} examples`;
      swap(image, frame.url, `samples of ${run.name} ${after}`);
      text.textContent = `${run.name}, ${after}`;
      save.href = frame.url;
      save.download = `${run.name.replaceAll("/", "-")}-${frame.nimg}.png`;
      save.setAttribute("aria-label", `Download the picture of ${run.name} ${after}`);
    },
  };
}

function nearest(numbers, value) {
  let best = 0;
  numbers.forEach((number, k) => {
    if (Math.abs(number - value) < Math.abs(numbers[best] - value)) best = k;
  });
  return best;
}
