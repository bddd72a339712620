// The runs that were chosen: pictures, curves, settings, and a panel of each. One stream brings what is new.

import { follow, get } from "../api.js";
import { attempt, h, say } from "../dom.js";
import { plot } from "../line_plot.js";
import { count, number } from "../format.js";
import { address, keep } from "../address.js";
import { runPanel } from "./runs_panel.js";
import { settingsSection } from "./runs_settings.js";
import { steps } from "./runs_steps.js";

const DRAW_MS = 500;
const RETRY_MS = 3000;

export async function showRuns(main, parameters, signal) {
  const { curves, baselines, max_runs: most } = await get("/api/curves", {}, signal);
  const names = [...new Set(parameters.getAll("run"))].slice(0, most);
  const listed = (await get("/api/runs", {}, signal)).runs.map((run) => run.name);
  const load = () => Promise.all(names.map((run) => get("/api/run", { run }, signal)));
  const details = await load();
  const runs = details.map((each, k) => runOf(names[k], each));
  const view = { step: parameters.has("step") ? Number(parameters.get("step")) : null, log: parameters.get("scale") === "log" };

  const columns = h("div", { class: "columns" });
  const plots = h("div", { class: "grid plots" });
  const values = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "values at the step" });
  const box = h("input", { type: "checkbox", checked: view.log, onchange: () => later() });
  const pictures = steps(runs, view.step, () => later());
  let drawing = 0;
  let parts = [];

  function later() {
    drawing ||= setTimeout(draw, DRAW_MS / 5);
  }

  function draw() {
    drawing = 0;
    if (signal.aborted) return;
    keep("runs", { run: names, step: pictures.step(), scale: box.checked ? "log" : null });
    const groups = grouped(runs, curves);
    const mark = pictures.step();
    plots.replaceChildren(...groups.map(([title, metrics]) => plot(title, linesOf(runs, metrics, baselines), { log: box.checked, mark })));
    values.replaceChildren(valuesTable(runs, groups, mark));
  }

  const rebuild = async () => place(await load());

  function receive({ run, summary, metrics, frames, reset }) {
    const k = names.indexOf(run);
    if (k < 0) return;
    if (reset) runs[k].lines.clear();
    addLines(runs[k], metrics);
    addFrames(runs[k], frames);
    if (frames.length) pictures.update();
    parts[k].update(summary);
    if (runs[k].state !== summary.state) {
      runs[k].state = summary.state;
      say(`${run}: ${[summary.state, summary.note].filter(Boolean).join(", ")}`, summary.state === "stopped" && !summary.note.startsWith("stopped"));
      attempt(rebuild);
    }
    later();
  }

  function place(all) {
    parts = all.map((each, k) => runPanel(each, names.length > 1 ? k : null, rebuild));
    columns.replaceChildren(...parts.map(({ element }, k) => h("div", { class: "of-run" }, pictures.figures[k], element)));
  }

  place(details);
  main.append(...heading(names), chooser(names, listed, most), pictures.element, columns, curvesSection(box, plots, values), settingsSection(runs));
  draw();
  listen(names, receive, signal);
}

function heading(names) {
  return [h("p", {}, h("a", { href: "#/runs" }, "All runs")), h("h1", {}, names.length > 1 ? `${names.length} runs` : names[0])];
}

function curvesSection(box, plots, values) {
  return h("section", {}, h("h2", {}, "Curves"), h("label", { class: "check" }, box, "Logarithmic"), plots,
    h("details", {}, h("summary", {}, "Values at the step"), values));
}

// Return what the page keeps of one run: its metrics by nimg, and its pictures.
function runOf(name, { settings, real, summary }) {
  return { name, settings, real, frames: [], lines: new Map(), state: summary.state };
}

function addLines({ lines }, metrics) {
  for (const line of metrics) lines.set(line.nimg, { ...lines.get(line.nimg), ...line });
}

function addFrames(run, frames) {
  const old = run.frames.filter(({ nimg }) => !frames.some((frame) => frame.nimg === nimg));
  run.frames = [...old, ...frames].sort((a, b) => a.nimg - b.nimg);
}

// Follow the runs while the page is visible; connect again where the server went away.
async function listen(names, receive, signal) {
  while (!signal.aborted) {
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener("visibilitychange", hide);
    await attempt(() => follow("/api/events", { run: names }, receive, AbortSignal.any([signal, stop.signal])));
    document.removeEventListener("visibilitychange", hide);
    await new Promise((resume) => setTimeout(resume, RETRY_MS));
    while (document.hidden && !signal.aborted) await new Promise((resume) => setTimeout(resume, RETRY_MS));
  }
}

function chooser(names, all, most) {
  const rest = all.filter((name) => !names.includes(name));
  const go = (list) => { location.hash = address("runs", { run: list }).slice(1); };
  const select = h("select", { onchange: () => select.value && go([...names, select.value]) }, h("option", { value: "" }, "choose a run"), rest.map((name) => h("option", { value: name }, name)));
  const buttons = names.length > 1 ? names.map((name) => h("button", { type: "button", onclick: () => go(names.filter((each) => each !== name)) }, `Remove ${name}`)) : [];
  return h("div", { class: "row" }, rest.length && names.length < most ? h("label", { class: "field" }, h("span", {}, "Compare with"), select) : null, buttons);
}

// Return [title, { metric: label }] for the curves that some run has; metrics without a title have a plot each.
export function grouped(runs, curves) {
  const known = new Set(runs.flatMap((run) => [...run.lines.values()].flatMap((line) => Object.keys(line))));
  known.delete("nimg");
  const groups = [];
  for (const [title, metrics] of Object.entries(curves)) {
    const present = Object.entries(metrics).filter(([metric]) => known.has(metric));
    if (present.length) groups.push([title, Object.fromEntries(present)]);
    for (const [metric] of present) known.delete(metric);
  }
  const rest = [...known].filter((metric) => ![...known].some((other) => metric.endsWith(`_${other}`) && metric !== other));
  for (const metric of rest.sort()) {
    const related = [...known].filter((other) => other === metric || other.endsWith(`_${metric}`));
    groups.push([metric.replaceAll("_", " "), Object.fromEntries(related.map((each) => [each, each === metric ? "" : each.slice(0, -metric.length - 1)]))]);
  }
  return groups;
}

function linesOf(runs, metrics, baselines) {
  return runs.flatMap((run, colour) =>
    Object.entries(metrics).map(([metric, label], dash) => ({
      label: [runs.length > 1 ? run.name : "", label].filter(Boolean).join(", ") || metric.replaceAll("_", " "),
      colour: runs.length > 1 ? colour : dash, dash, level: baselines.some((prefix) => metric.startsWith(prefix)), points: pointsOf(run, metric),
    })).filter(({ points }) => points.length));
}

function pointsOf(run, metric) {
  return [...run.lines.values()].filter((line) => metric in line).map((line) => [line.nimg, line[metric]]).sort((a, b) => a[0] - b[0]);
}

function valuesTable(runs, groups, step) {
  const head = h("tr", {}, h("th", { scope: "col" }, step === null ? "Newest values" : `Values up to ${count(step)} examples`), runs.map((run) => h("th", { scope: "col", class: "number" }, run.name)));
  const rows = groups.flatMap(([title, metrics]) => Object.entries(metrics).map(([metric, label]) =>
    h("tr", {}, h("th", { scope: "row" }, [title, label].filter(Boolean).join(", ")), runs.map((run) => {
      const points = pointsOf(run, metric).filter(([nimg]) => step === null || nimg <= step);
      return h("td", { class: "number" }, points.length ? number(points.at(-1)[1]) : "");
    }))));
  return h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
}
