// The attack playground: an example, a threat model, and the answers before and after.

import { get, post, upload } from "../api.js";
import { attempt, field, h, say } from "../dom.js";
import { pad } from "../drawing_pad.js";
import { newestOnly } from "../newest_only.js";
import { address, keep } from "../address.js";
import { shown } from "../views.js";
import { barsOf, sliderOf, verdictOf } from "./attack_parts.js";

export const title = "Attack";

const IDLE_MS = 300;
const SHOWN = 24;
const TEXTS = ["run", "own", "norm", "target"];
const NUMBERS = ["example", "eps", "steps", "seed"];

export async function show(main, parameters, signal) {
  main.append(h("h1", {}, "Attack"));
  const models = await get("/api/classifiers", {}, signal);
  if (!models.length) {
    main.append(h("p", {}, "No run has a classifier yet. ", h("a", { href: address("runs") }, "Train one"), " with classify or harden."));
    return;
  }
  const state = stateOf(parameters, models);
  const choose = h("select", { onchange: () => { location.hash = address("attack", { run: choose.value }); } },
    models.map(({ name, kind }) => h("option", { value: name, selected: name === state.run }, `${name} (${kind})`)));
  main.append(h("div", { class: "row" }, field("Classifier", choose)));
  await playground(main, state, signal);
}

function stateOf(parameters, models) {
  const state = { run: models[0].name, own: "", norm: "", target: "", example: 0, eps: NaN, steps: 10, seed: 0 };
  for (const name of TEXTS) state[name] = parameters.get(name) ?? state[name];
  for (const name of NUMBERS) {
    const value = Number.parseFloat(parameters.get(name) ?? "");
    if (Number.isFinite(value)) state[name] = value;
  }
  return state;
}

async function playground(main, state, signal) {
  const model = await get("/api/attack/model", { run: state.run, first: pageStart(state.example) }, signal);
  if (!(state.norm in model.budgets)) state.norm = Object.keys(model.budgets)[0];
  if (!Number.isFinite(state.eps)) state.eps = model.budgets[state.norm].default;
  const page = { state, model, signal, marks: {}, subject: "" };
  page.results = h("section", { "aria-label": "Before, change, after" });
  page.controls = h("div", { class: "panel" });
  main.append(h("div", { class: "attack" }, examples(page), h("div", {}, page.controls, page.results)));
  page.attack = newestOnly(() => attack(page));
  page.search = newestOnly(() => search(page));
  controls(page);
  if (model.count || state.own) await page.attack();
  else page.results.replaceChildren(h("p", {}, "Draw an example or choose a file."));
}

// Where the example comes from

function pageStart(example) {
  return SHOWN * Math.floor(example / SHOWN);
}

function examples(page) {
  const { model } = page;
  const strip = h("div", { class: "strip", role: "group", "aria-label": `examples of the ${model.described ?? "data"}` });
  page.strip = strip;
  fill(page, model.examples);
  const file = h("input", { type: "file", onchange: () => attempt(() => useFile(page, file.files[0])) });
  return h("section", { class: "panel" }, h("h2", {}, "Example"),
    model.missing ? h("p", { class: "wrong" }, model.missing) : strip,
    model.count > SHOWN && pager(page),
    model.drawable && h("details", {}, h("summary", {}, "Draw one"), pad((drawing) => attempt(() => useDrawing(page, drawing)))),
    h("details", {}, h("summary", {}, "Take a file"), field("File", file, "a picture, a recording or a table, as the run's data are")));
}

function fill(page, list) {
  page.strip.classList.toggle("pictures", list[0]?.view.kind === "image");
  page.strip.replaceChildren(...list.map(({ number, label, view }) => {
    const text = `example ${number}${label && `, class ${label}`}`;
    const choose = () => use(page, { example: number, own: "" });
    return h("button", { type: "button", class: "thumb", "data-number": number, "aria-label": text, title: text, onclick: choose },
      view.kind === "image" ? shown(view, text) : label || String(number));
  }));
  mark(page);
}

function mark({ strip, state }) {
  for (const button of strip.children) {
    button.setAttribute("aria-pressed", String(!state.own && Number(button.dataset.number) === state.example));
  }
}

function pager(page) {
  const { model, state, signal } = page;
  const number = h("input", { type: "number", min: 0, max: model.count - 1, value: state.example });
  number.addEventListener("change", () => attempt(async () => {
    const example = Math.max(0, Math.min(model.count - 1, Math.round(Number(number.value) || 0)));
    const { examples: list } = await get("/api/attack/model", { run: state.run, first: pageStart(example) }, signal);
    fill(page, list);
    use(page, { example, own: "" });
  }));
  page.number = number;
  return field("Number", number, `of ${model.count.toLocaleString("en")} ${model.described}`);
}

function use(page, change) {
  Object.assign(page.state, change);
  if (page.number) page.number.value = page.state.example;
  mark(page);
  page.attack();
}

async function useDrawing(page, drawing) {
  const { own } = await post("/api/attack/draw", { run: page.state.run, ...drawing }, page.signal);
  use(page, { own });
}

async function useFile(page, file) {
  if (!file) return;
  const { own, note } = await upload("/api/attack/upload", file, { run: page.state.run });
  say(note);
  use(page, { own });
}

// The threat model

function controls(page) {
  const { model, state } = page;
  const budget = model.budgets[state.norm];
  const norm = h("select", { onchange: () => {
    state.norm = norm.value;
    state.eps = model.budgets[state.norm].default;
    controls(page);
    page.attack();
  } }, Object.keys(model.budgets).map((name) => h("option", { value: name, selected: name === state.norm }, name)));
  const target = h("select", { onchange: () => { state.target = target.value; page.attack(); } },
    h("option", { value: "" }, "any other class"),
    model.classes.map((name) => h("option", { value: name, selected: name === state.target }, name)));
  const steps = h("input", { type: "number", min: 1, max: 200, value: state.steps, onchange: () => {
    state.steps = Math.max(1, Math.min(200, Math.round(Number(steps.value) || 10)));
    page.attack();
  } });
  const slider = sliderOf(budget, state.eps, (eps) => { state.eps = eps; page.attack(); });
  page.track = slider.track;
  page.lines = h("div", {});
  page.controls.replaceChildren(h("h2", {}, "Threat model"), h("div", { class: "row" }, field("Norm", norm),
    field("Target", target), field("Steps of PGD", steps), slider.number,
    h("button", { type: "button", onclick: () => { state.seed += 1; page.attack(); } }, "Other seed")), slider.range, page.lines);
  page.subject = "";
}

// The answers

async function attack(page) {
  const { state, signal } = page;
  const { run, own, norm, target, example, eps, steps, seed } = state;
  keep("attack", { run, ...(own ? { own } : { example }), norm, eps, steps, target, seed });
  const trial = await post("/api/attack", { ...state, example: page.model.count ? example : 0 }, signal);
  present(page, trial);
  const subject = [own || example, norm].join();
  if (subject !== page.subject) {
    page.subject = subject;
    page.smallest = Infinity;
    page.searched = false;
  }
  clearTimeout(page.waiting); // the search takes longer than an attack: it waits until the sliders rest
  if (!page.searched) page.waiting = setTimeout(() => { page.searched = true; page.search(); }, IDLE_MS);
  if (trial.success && !target) fooled(page, trial.budget);
}

function present({ results }, trial) {
  const [before, after] = trial.answers;
  const of = trial.label ? ` of class ${trial.label}` : "";
  const figure = (heading, view, text, ...more) =>
    h("figure", {}, h("figcaption", {}, h("h2", {}, heading)), shown(view, text), more);
  const scaled = `${trial.factor === 1 ? "not scaled" : `× ${trial.factor}`}${trial.change.kind === "image" ? ", grey is no change" : ""}`;
  results.replaceChildren(
    h("div", { class: `figures ${trial.before.kind}` },
      figure("Before", trial.before, `example${of}`, verdictOf(before, trial.label)),
      figure("Change", trial.change, `change, ${scaled}`, h("p", { class: "verdict hint" }, scaled)),
      figure("After", trial.after, `attacked example${of}, answer ${after.label}`, verdictOf(after, trial.label))),
    h("p", { class: "outcome" }, outcome(trial)),
    barsOf(trial.bars));
}

function outcome({ success, answers: [before, after], label, steps }) {
  if (label && before.likeliest !== label) return `Already wrong without a change: ${before.likeliest} instead of ${label}.`;
  if (after.label !== after.likeliest) return `Refused: "${after.label}" after ${steps} ${steps === 1 ? "step" : "steps"}; the nearest class ${success ? "becomes" : "stays"} ${after.likeliest}.`;
  if (success) return `Fooled: ${before.likeliest} becomes ${after.likeliest}, after ${steps} ${steps === 1 ? "step" : "steps"}.`;
  return `Not fooled: the answer stays ${after.likeliest} after ${steps} ${steps === 1 ? "step" : "steps"}.`;
}

// Show the smallest change that is known to fool it, of the search and of the attacks since.
function fooled(page, budget) {
  if (budget !== null) page.smallest = Math.min(page.smallest, budget);
  const line = page.lines.querySelector(".fooled");
  if (!line) return;
  const known = Number.isFinite(page.smallest);
  const { unit } = page.model.budgets[page.state.norm];
  line.replaceChildren(known ? `Fooled from eps = ${Number(page.smallest.toPrecision(3))}` : "No change was found that fools it.",
    h("span", { class: "hint" }, known ? ` (${unit}): the smallest change known, a smaller one may do` : ""));
  page.track.mark("fooled", known ? page.smallest : null, "fooled");
}

async function search(page) {
  const { state, model, signal, lines, track } = page;
  lines.replaceChildren(h("p", { class: "soft" }, "searching for the smallest change …"));
  track.mark("fooled", null);
  track.mark("certified", null);
  const { budget } = await post("/api/attack/smallest", state, signal);
  lines.replaceChildren(h("p", { class: "fooled" }));
  fooled(page, budget);
  if (!model.noise) return;
  const { answer, radius } = await post("/api/attack/certificate", state, signal);
  lines.append(h("p", { class: "certificate" }, answer ? `Certified: in noise of ${model.noise} it answers ${answer}, whatever the change up to ` +
    `${radius.toPrecision(3)} in L2` : `In noise of ${model.noise} it abstains: nothing is certified`,
  h("span", { class: "hint" }, ` (1,000 draws, probability of error 0.1 %)`)));
  if (answer && state.norm === "L2") track.mark("certified", radius, "certified");
}
