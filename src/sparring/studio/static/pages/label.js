// Label the examples that a classifier would learn most from; train with them; show the gain.

import { get, post } from "../api.js";
import { attempt, field, h, say } from "../dom.js";
import { count } from "../format.js";
import { address, keep } from "../address.js";
import { factsOf } from "./label_facts.js";
import { gridOf, keysHint, legendOf } from "./label_grid.js";
import { roundsOf } from "./label_rounds.js";

export const title = "Label";

const SHOWN = 24;

export async function show(main, parameters, signal) {
  main.append(h("h1", {}, "Label"));
  const models = (await get("/api/classifiers", {}, signal)).filter(({ to_label: has }) => has);
  if (!models.length) {
    main.append(h("p", {}, "No run has examples to label: ", h("a", { href: address("runs") }, "train a classifier"),
      " on data of which some examples have no label."));
    return;
  }
  const run = parameters.get("run") ?? models[0].name;
  const choose = h("select", { onchange: () => { location.hash = address("label", { run: choose.value }); } },
    models.map(({ name, kind }) => h("option", { value: name, selected: name === run }, `${name} (${kind})`)));
  const first = Number.parseInt(parameters.get("first") ?? "", 10);
  const page = { run, signal, guesses: parameters.get("guesses") === "1", work: h("div", {}), meter: h("p", { class: "soft" }) };
  const guesses = h("input", { type: "checkbox", checked: page.guesses, onchange: () => {
    page.guesses = guesses.checked;
    attempt(() => batch(page, page.first));
  } });
  main.append(h("div", { class: "row" }, field("Classifier", choose), h("label", { class: "check" }, guesses, " show what the classifier guesses")),
    page.meter, page.work);
  await batch(page, Number.isFinite(first) ? first : undefined);
}

// Show the batch from number `first` on; without one, the first that is not answered.
async function batch(page, first) {
  const { run, signal, guesses } = page;
  const answer = await post("/api/label/examples", { run, guesses, ...(first === undefined ? {} : { first: Math.max(0, first) }) }, signal);
  Object.assign(page, { first: answer.first, count: answer.count });
  keep("label", { run, first: answer.first, guesses: guesses ? 1 : "" });
  progress(page, answer);
  const facts = factsOf(page, answer);
  const grid = gridOf(run, answer, {
    progress: (stored) => progress(page, stored),
    turn: (step) => turn(page, step),
    focus: (example) => facts.about(example),
  });
  const turning = h("div", { class: "row" },
    h("button", { type: "button", disabled: page.first === 0, onclick: () => turn(page, -1) }, "Earlier examples"),
    h("button", { type: "button", disabled: page.first + SHOWN >= page.count, onclick: () => turn(page, 1) }, "Next examples"));
  const rounds = roundsOf(page, answer, grid);
  page.work.replaceChildren(
    h("div", { class: "labelling" }, h("section", {}, h("h2", {}, "Examples"), legendOf(answer.classes, grid), grid.element, turning, keysHint()),
      h("div", {}, rounds, facts.element)));
  if (guesses) showGuesses(grid, answer);
  grid.take();
}

function showGuesses(grid, { examples }) {
  [...grid.element.children].forEach((cell, k) => {
    const { guess, probability } = examples[k];
    cell.append(h("span", { class: "hint" }, `${guess}? ${Math.round(100 * probability)} %`));
  });
}

function turn(page, step) {
  const first = page.first + step * SHOWN;
  if (first < 0 || first >= page.count) say(step < 0 ? "These are the first examples." : "These are the last examples.");
  else attempt(() => batch(page, first));
}

function progress({ meter, count: all }, { answered, damaged }) {
  const broken = damaged ? `; ${count(damaged)} damaged ${damaged === 1 ? "line" : "lines"} of answers.jsonl left out` : "";
  meter.textContent = `${count(answered)} of ${count(all)} have an answer${broken}. Each answer is on disk at once.`;
}
