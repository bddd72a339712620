// Explore a generator: samples by seed, a walk between seeds, levels of several samples, nearest training images.

import { get } from "../api.js";
import { choice, slider } from "../form_controls.js";
import { attempt, h } from "../dom.js";
import { completion } from "./explore_completion.js";
import { picked } from "./explore_picked.js";
import { sampleGrid } from "./explore_samples.js";
import { walk } from "./explore_walk.js";
import { generatorPage, loaded, runChoice } from "./generators.js";

export const title = "Explore";

const DEFAULTS = {
  run: "", checkpoint: "", other: "", other_checkpoint: "", label: "", truncation: "", seed: "0", count: "16", picked: "",
  walk: "0, 1, 2, 3", way: "slerp", at: "0", play: "", coarse: "", middle: "", fine: "", picture: "sample", row: "0",
};
const LARGEST_SEED = Number.MAX_SAFE_INTEGER;

export async function show(main, parameters, signal) {
  const page = await generatorPage(main, { name: "explore", title, defaults: DEFAULTS }, parameters, signal);
  if (!page) return;
  page.state.run ||= page.runs[0].run;
  await open(main, page);
}

// Show the page of one run; another run or checkpoint shows it anew.
async function open(main, page) {
  const { state, signal } = page;
  page.reopen = () => attempt(async () => {
    page.save();
    stop.abort();
    main.replaceChildren(h("h1", {}, title));
    await open(main, page);
  });
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());
  page.stopped = stop.signal;
  page.sides = await loaded(main, choiceOfRun(page), async () => {
    const first = await side(state.run, state.checkpoint, signal);
    return state.other ? [first, await side(state.other, state.other_checkpoint, signal)] : [first];
  });
  if (!page.sides) return;
  page.facts = page.sides[0].facts;
  page.body = ({ run, checkpoint, facts }, points) => ({
    run, checkpoint, truncation: state.truncation && facts.truncates ? Number(state.truncation) : null,
    points: points.map((point) => ({ label: state.label, ...point })),
  });
  const parts = [sampleGrid(page), picked(page), walk(page)];
  if (page.facts.pixels) parts.push(completion(page));
  page.refresh = () => {
    page.save();
    for (const part of parts) part.refresh();
  };
  page.pick = (seed) => {
    state.picked = String(seed);
    page.save();
    for (const part of parts) part.pick?.();
  };
  main.append(h("div", { class: "explore" }, controls(page), h("div", {}, parts.map(({ element }) => element))));
  page.refresh();
}

async function side(run, checkpoint, signal) {
  return { run, checkpoint, facts: await get("/api/generator", { run }, signal) };
}

function controls(page) {
  const { runs, state, facts, sides } = page;
  const change = (name, then) => (value) => {
    state[name] = String(value);
    then();
  };
  const same = runs.filter(({ kind }) => kind === facts.kind).map(({ run }) => [run, run]);
  const all = [
    choiceOfRun(page),
    choice("Checkpoint", checkpoints(facts), state.checkpoint, change("checkpoint", page.reopen)),
    slider("Seed", { low: 0, high: 999, value: Number(state.seed), most: LARGEST_SEED }, change("seed", page.refresh)),
    choice("Samples", ["4", "9", "16", "25", "36", "64"].map((n) => [n, n]), state.count, change("count", page.refresh)),
    ...conditions(page, change),
    truncation(page, change),
    choice("Compare with", [["", "nothing"], ...same], state.other, change("other", () => {
      state.other_checkpoint = "";
      page.reopen();
    }), "equal seeds, side by side"),
    sides[1] && choice("Its checkpoint", checkpoints(sides[1].facts), state.other_checkpoint,
      change("other_checkpoint", page.reopen)),
    sides[1] && sides[1].facts.latent_dim !== facts.latent_dim && h("p", { class: "hint" },
      `The noise has ${facts.latent_dim} and ${sides[1].facts.latent_dim} numbers: equal seeds are no equal latents.`),
  ];
  return h("section", { class: "panel controls", "aria-label": "Settings" }, all);
}

function choiceOfRun(page) {
  return runChoice(page, ({ run, recipe }) => `${run} (${recipe})`, (run) => {
    Object.assign(page.state, { run, checkpoint: "", other: "", other_checkpoint: "", label: "", truncation: "", picked: "" });
    page.reopen();
  });
}

function checkpoints({ checkpoints: numbers, best }) {
  const names = numbers.map((n) => [String(n), `${n.toLocaleString("en")} examples${n === best ? ", the best" : ""}`]);
  return [["", "the saved model"], ...names];
}

// Return the control of the class, or a slider for each number of a vector.
function conditions({ state, facts, refresh }, change) {
  const update = () => refresh();
  if (facts.classes.length) {
    const names = facts.classes.map((name) => [name, name]);
    return [choice("Class", [["", "as drawn for each seed"], ...names], state.label, change("label", update))];
  }
  if (!facts.numbers.length) return [];
  const values = state.label ? state.label.split(",").map(Number) : facts.numbers.map(([mean]) => mean);
  return facts.numbers.map(([mean, std], k) => slider(`Number ${k + 1}`, {
    low: Number((mean - 2 * std).toPrecision(4)), high: Number((mean + 2 * std).toPrecision(4)), step: "any",
    value: Number(values[k].toPrecision(4)),
  }, (value) => {
    values[k] = value;
    change("label", update)(values.join(","));
  }));
}

function truncation({ state, facts, refresh }, change) {
  if (!facts.truncates) {
    return h("p", { class: "hint" }, `Truncation: ${facts.recipe} was not trained for it; biggan and s3gan are.`);
  }
  const options = ["", "2", "1.5", "1", "0.75", "0.5", "0.25"].map((value) => [value, value || "none"]);
  return choice("Truncation", options, state.truncation, change("truncation", () => refresh()),
    "smaller is more typical and less varied");
}
