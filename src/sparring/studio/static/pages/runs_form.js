// A new training: data first, then the settings, then the command that will run.

import { get, post } from "../api.js";
import { attempt, field, h, say } from "../dom.js";
import { bytes, count } from "../format.js";
import { address } from "../address.js";
import { dropZone, filePickers } from "./runs_upload.js";

const TITLES = { train: "generate: a generator or a density model", classify: "classify: tell classes apart", regress: "predict numbers", harden: "classify, robust to small changes" };
const NAMES = 5;

export async function showForm(main, parameters, signal) {
  const choices = await get("/api/choices", {}, signal);
  const { max_upload: largest, source_help: help } = choices;
  const source = h("input", { type: "text", name: "source", value: parameters.get("source") ?? "", required: true, autocomplete: "off", spellcheck: "false" });
  const look = h("button", { type: "submit", class: "main" }, "Look into the data");
  const contents = h("div", {});
  const settings = h("form", { hidden: true });
  const copied = (path) => {
    source.value = path;
    form.requestSubmit();
  };
  const form = h("form", { class: "panel drop" }, h("h2", {}, "1. Data"),
    h("div", { class: "fields" }, field("Data", source, help), filePickers(largest, copied)), look, contents);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      settings.hidden = true;
      look.disabled = true;
      contents.replaceChildren(h("p", {}, "Reading ..."));
      try {
        const report = await post("/api/inspect", { source: source.value.trim() }, signal);
        contents.replaceChildren(inspection(report));
        drawSettings(settings, source.value.trim(), report, choices, signal);
        settings.hidden = false;
        say(`${count(report.used)} ${report.unit} can be used`);
      } catch (error) {
        contents.replaceChildren(h("p", { class: "wrong" }, error.message));
        throw error;
      } finally {
        look.disabled = false;
      }
    });
  });
  source.addEventListener("input", () => { settings.hidden = true; });
  main.append(h("p", {}, h("a", { href: "#/runs" }, "All runs")), h("h1", {}, "New training"), form, settings);
  dropZone(form, largest, copied);
  source.focus();
  if (source.value) form.requestSubmit();
}

// What is in the data, and what would be left out.
function inspection(report) {
  const facts = [
    ["Kind", `${report.kind} (${report.evidence})`], ["Used", `${count(report.used)} ${report.unit}, ${report.format}`],
    ["Parts", Object.entries(report.splits).map(([name, size]) => `${name} ${count(size)}`).join(", ")],
    ["Classes", Object.entries(report.classes).map(([name, size]) => `${name} (${count(size)})`).join(", ")],
    ["Unlabelled", report.unlabelled ? count(report.unlabelled) : ""],
  ].filter(([, text]) => text);
  const skipped = Object.entries(report.skipped).map(([reason, names]) => h("li", {}, `${count(names.length)}: ${reason}: ${names.slice(0, NAMES).join(", ")}${names.length > NAMES ? " ..." : ""}`));
  const notes = [...report.emptied, ...report.notes].map((note) => h("li", {}, note));
  return h("div", { class: "inspection" },
    h("dl", {}, facts.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])),
    h("h3", {}, "Left out"), skipped.length ? h("ul", {}, skipped) : h("p", {}, "Nothing."),
    notes.length ? [h("h3", {}, "Notes"), h("ul", {}, notes)] : null);
}

function inputsOf(commands) {
  return {
    command: h("select", {}, commands.map((name) => h("option", { value: name }, TITLES[name] ?? name))),
    recipe: h("select", {}),
    minutes: h("input", { type: "number", min: 0, step: "any", value: 5 }),
    seed: h("input", { type: "number", min: 0, step: 1 }),
    size: h("input", { type: "text", inputmode: "numeric", size: 8 }),
    label: h("input", { type: "text", size: 12 }),
    name: h("input", { type: "text", required: true, value: "", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*" }),
  };
}

function drawSettings(form, source, report, { commands, kinds_of_field: kindsOfField }, signal) {
  const fits = (kinds) => kinds.some((kind) => report.kinds.includes(kind));
  const recipesOf = (command) => Object.entries(commands[command]).filter(([, { kinds }]) => fits(kinds));
  const inputs = inputsOf(Object.keys(commands).filter((command) => recipesOf(command).length));
  const line = h("pre", { tabindex: "0" }, h("code", {}, ""));
  const start = h("button", { type: "submit", class: "main" }, "Start the training");
  const problem = h("p", { class: "wrong", role: "alert" });
  let named = false;
  let latest = 0;
  const body = () => ({ source, ...Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value])) });

  function recipes() {
    inputs.recipe.replaceChildren(h("option", { value: "" }, "the default"), ...recipesOf(inputs.command.value).map(([name, { summary }]) => h("option", { value: name }, `${name}: ${summary}`)));
  }

  async function preview() {
    const turn = (latest += 1);
    if (!named) inputs.name.value = await suggested(source, inputs.recipe.value || inputs.command.value, signal);
    try {
      const { command } = await post("/api/command", body(), signal);
      if (turn !== latest) return;
      line.firstChild.textContent = command;
      problem.textContent = "";
      start.disabled = false;
    } catch (error) {
      if (turn !== latest || error.name === "AbortError") return;
      problem.textContent = error.message;
      start.disabled = true;
    }
  }

  inputs.command.addEventListener("change", recipes);
  inputs.name.addEventListener("input", () => { named = true; });
  form.oninput = preview;
  form.onsubmit = (event) => {
    event.preventDefault();
    attempt(async () => {
      start.disabled = true;
      try {
        const job = await post("/api/start", body(), signal);
        await opened(job, signal);
      } finally {
        start.disabled = false;
      }
    });
  };
  recipes();
  form.replaceChildren(
    h("div", { class: "panel" }, h("h2", {}, "2. Training"), h("div", { class: "fields" },
      h("div", { class: "row top" }, field("What to learn", inputs.command), field("Recipe", inputs.recipe)),
      h("div", { class: "row top" }, field("Minutes", inputs.minutes), field("Seed", inputs.seed), fits(kindsOfField.size) && field("Size of the images", inputs.size, "empty: as they are"),
        fits(kindsOfField.label) && field("Column to predict", inputs.label), field("Name of the run", inputs.name)))),
    h("div", { class: "panel" }, h("h2", {}, "3. Command"), h("p", {}, "This will run:"), line, problem, start));
  preview();
}

// A name that is free, like digits-r3-2.
async function suggested(source, suffix, signal) {
  const taken = new Set((await get("/api/runs", {}, signal)).runs.map((run) => run.name));
  const stem = source.split(/[/\\]/).filter(Boolean).at(-1) ?? "run";
  const base = `${stem.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "") || "run"}-${suffix}`;
  for (let k = 1; ; k += 1) {
    const name = k === 1 ? base : `${base}-${k}`;
    if (!taken.has(name)) return name;
  }
}

// Wait until a job has written its run folder, and open it; a job that fails at once stays in the list with its log.
async function opened(job, signal) {
  say("The training starts ...");
  while (!signal.aborted) {
    const { runs } = await get("/api/runs", {}, signal);
    const run = runs.find((each) => each.name === job.run);
    if (run && !["starting", "failed"].includes(run.state)) {
      location.hash = address("runs", { run: job.run }).slice(1);
      return;
    }
    if (run?.state === "failed") throw new Error(`The training has failed: ${run.note}`);
    await new Promise((resume) => setTimeout(resume, 500));
  }
}
