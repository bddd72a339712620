// Concepts: sliders along the handles of a generator, how often the sentence of each holds, and a test for people.

import { get, post } from "../api.js";
import { attempt, h } from "../dom.js";
import { choice, slider } from "../form_controls.js";
import { percent, proportion, score } from "../format.js";
import { quiz } from "./concepts_quiz.js";
import { screen } from "./explore_walk.js";
import { generatorPage, loaded, runChoice } from "./generators.js";

export const title = "Concepts";

const DEFAULTS = { run: "", seed: "0", label: "", moves: "", finder: "", control: "" };
const POLL_MS = 1000;
const MOST_STEPS = 3;

export async function show(main, parameters, signal) {
  const page = await generatorPage(main, { name: "concepts", title, defaults: DEFAULTS }, parameters, signal);
  if (!page) return;
  page.state.run ||= (page.runs.find(({ explained }) => explained) ?? page.runs[0]).run;
  await open(main, page);
}

async function open(main, page) {
  const { state, signal } = page;
  const anew = () => attempt(async () => {
    page.save();
    main.replaceChildren(h("h1", {}, title));
    await open(main, page);
  });
  const body = (side, points) => ({ run: state.run, points: points.map((point) => ({ label: state.label, ...point })) });
  const choose = runChoice(page, ({ run, recipe, explained }) => `${run} (${recipe}${explained ? ", explained" : ""})`, (value) => {
    Object.assign(state, { run: value, label: "", moves: "" });
    anew();
  });
  const answers = await loaded(main, choose, () =>
    Promise.all(["/api/generator", "/api/concepts"].map((path) => get(path, { run: state.run }, signal))));
  if (!answers) return;
  const [facts, { explanation, finders, report }] = answers;
  Object.assign(page, { facts, body, stopped: signal });
  main.append(h("div", { class: "row panel" }, choose, starting(page, finders, anew)));
  if (!facts.explains) {
    main.append(h("p", {}, `${facts.recipe} has no latent vector, and so no handles. Generators such as r3, biggan and dcgan have some.`));
    return;
  }
  if (!explanation) {
    main.append(h("p", {}, "This run was not explained yet. Explaining looks for handles: directions of the latent that change one thing. It takes a minute or more."));
    return;
  }
  main.append(verdict(explanation, report), handles(page, explanation), table(explanation), quiz(page));
}

// Return the form that starts `sparring explain`, and follows it.
function starting(page, finders, anew) {
  const { state, facts, signal } = page;
  if (!facts.explains) return null;
  const note = h("p", { class: "hint", role: "status" });
  const names = { regression: "regression on the readings", means: "means of high and low readings", sefa: "SeFa", pca: "principal components" };
  const start = h("button", { type: "button", onclick: () => attempt(run) }, "Explain the run");
  async function run() {
    start.disabled = true;
    try {
      const { job, command } = await post("/api/explain", { run: state.run, finder: state.finder || finders[0] }, signal);
      for (;;) {
        const now = await get("/api/job", { job }, signal);
        const last = now.log.trim().split(/[\r\n]/).at(-1);
        if (!now.running) {
          if (now.ending === "done") return anew();
          throw new Error(`\`${command}\` ${now.ending}: ${last}`);
        }
        note.textContent = last || `Running: ${command}`;
        await new Promise((done) => setTimeout(done, POLL_MS));
      }
    } finally {
      start.disabled = false;
    }
  }
  return [choice("Finder of the handles", finders.map((name) => [name, names[name] ?? name]), state.finder || finders[0], (value) => {
    state.finder = value;
    page.save();
  }), start, note];
}

// Return the hit rate of all sentences beside chance.
function verdict({ rate, chance, beyond_chance: beyond, handles: all, doses, path_length: length }, report) {
  const beyondChance = all.filter((each) => each.beyond_chance).length;
  const bars = h("div", { class: "rates" }, bar("T, all sentences", rate), bar("T0, chance", { value: chance.level, low: chance.level, high: chance.level }));
  const steps = Object.entries(doses).sort(([a], [b]) => a - b).map(([dose, each]) => `${dose} sd ${proportion(each)}`).join(" · ");
  return h("section", { "aria-labelledby": "verdict" }, h("h2", { id: "verdict" }, "How often the sentences hold"),
    h("p", {}, `T = ${proportion(rate)} of fresh samples. Chance T0 = ${percent(chance.level)}: the larger of the sentences of other handles, `
      + `${percent(chance.permuted)}, and random directions of equal change, ${percent(chance.random)}. `
      + `${beyond ? "T is above chance" : "T is not surely above chance"}; ${beyondChance} of ${all.length} sentences are.`),
    bars, h("p", { class: "hint" }, `By step: ${steps}. `, length && `Path length ${score(length)}; a linear generator has 1.23. `, report && h("a", { href: `${report}?download` }, "Download the report")));
}

// Return a bar from 0 to 100 % with its interval; the text beside it has the numbers.
function bar(name, { value, low, high }) {
  const line = (left, width, kind) => {
    const element = h("span", { class: kind });
    element.style.left = `${100 * left}%`;
    element.style.width = `${Math.max(100 * width, 0.3)}%`;
    return element;
  };
  return h("div", { class: "rate" }, h("span", { class: "name" }, name),
    h("span", { class: "scale", "aria-hidden": "true" }, line(0, value, "value"), line(low, high - low, "interval")),
    h("span", { class: "figure" }, low === high ? percent(value) : proportion({ value, low, high })));
}

// Return a picture, and a slider for each handle with the hit rate of its sentence.
function handles(page, { handles: all }) {
  const { state, facts } = page;
  const moves = Object.fromEntries(state.moves.split(",").filter(Boolean).map((text) => text.split(":")).map(([k, amount]) => [k, Number(amount)]));
  const picture = h("div", { class: "screen" });
  const request = screen(page, { run: state.run, facts }, picture);
  const go = () => {
    state.moves = Object.entries(moves).filter(([, amount]) => amount).map(([k, amount]) => `${k}:${amount}`).join(",");
    page.save();
    request({ seed: Number(state.seed), moves: Object.fromEntries(Object.entries(moves).filter(([k, amount]) => amount && k < all.length)) });
  };
  const sliders = all.map((each, k) => slider(`${each.name}: ${each.reading}`, {
    low: -MOST_STEPS, high: MOST_STEPS, step: 0.1, value: moves[k] ?? 0,
  }, (amount) => {
    moves[k] = amount;
    go();
  }));
  const rows = all.map((each, k) => h("div", { class: "handle" }, sliders[k],
    h("p", { class: each.beyond_chance ? "hint" : "hint wrong" },
      `T ${proportion(each.rate)}${each.beyond_chance ? "" : ", not beyond chance"}`)));
  const reset = h("button", { type: "button", onclick: () => {
    for (const k of Object.keys(moves)) delete moves[k];
    for (const each of sliders) each.move(0);
    go();
  } }, "All to 0");
  const seed = slider("Seed", { low: 0, high: 999, value: Number(state.seed), most: Number.MAX_SAFE_INTEGER }, (value) => {
    state.seed = String(value);
    go();
  });
  const classes = facts.classes.length > 0 && choice("Class", [["", "as drawn for the seed"], ...facts.classes.map((name) => [name, name])], state.label, (value) => {
    state.label = value;
    go();
  });
  go();
  return h("section", { "aria-labelledby": "handles" }, h("h2", { id: "handles" }, "Move along the handles"),
    h("div", { class: "handles" }, h("div", {}, picture, seed, classes, reset), h("div", {}, rows)));
}

function table({ handles: all }) {
  const several = new Set(all.map(({ layers }) => layers)).size > 1;
  const head = ["Sentence", "T", "p", "Result", several && "Layers"].filter((text) => text !== false).map((text) => h("th", { scope: "col" }, text));
  const rows = all.map((each) => h("tr", { class: each.beyond_chance ? null : "failed" }, h("td", {}, each.sentence),
    h("td", { class: "whole" }, proportion(each.rate)), h("td", { class: "number" }, each.p_value.toPrecision(2)),
    h("td", {}, each.beyond_chance ? "holds" : "failed"), several && h("td", {}, each.layers)));
  return h("section", { "aria-labelledby": "sentences" }, h("h2", { id: "sentences" }, "The sentences"),
    h("p", { class: "soft" }, "Written from some samples, counted on fresh ones. Those that failed are listed as well. p: a random direction of equal change does as well (Holm's correction)."),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of the sentences" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));
}
