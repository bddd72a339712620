// The Runs page: the list, a new training, and the runs that were chosen.

import { get } from "../api.js";
import { attempt, h, say } from "../dom.js";
import { count, score } from "../format.js";
import { address, keep } from "../address.js";
import { showForm } from "./runs_form.js";
import { logOf, state } from "./runs_panel.js";
import { showRuns } from "./runs_view.js";

export const title = "Runs";

const REFRESH_MS = 5000;
const LIST_SCORES = 3;

export async function show(main, parameters, signal) {
  if (parameters.has("run")) await showRuns(main, parameters, signal);
  else if (parameters.has("new")) await showForm(main, parameters, signal);
  else await showList(main, parameters, signal);
}

async function showList(main, parameters, signal) {
  const chosen = new Set(parameters.getAll("pick"));
  const list = h("ul", { class: "runs" });
  const compare = h("a", { class: "button", href: "#/runs" }, "");
  const filter = h("input", { type: "search", value: parameters.get("filter") ?? "", oninput: () => draw() });
  const folder = h("p", { class: "soft" });
  let runs = [];

  function draw() {
    keep("runs", { pick: [...chosen], filter: filter.value });
    compare.textContent = chosen.size ? `Show the ${chosen.size} chosen` : "Choose runs to compare them";
    compare.setAttribute("href", chosen.size ? address("runs", { run: [...chosen] }) : "#/runs");
    compare.toggleAttribute("aria-disabled", !chosen.size);
    const words = filter.value.toLowerCase().split(/\s+/);
    const shown = runs.filter((run) => words.every((word) => `${run.name} ${run.recipe} ${run.source} ${run.state} ${run.command}`.toLowerCase().includes(word)));
    list.replaceChildren(...shown.map((run) => row(run, chosen, draw)));
    if (!shown.length) list.append(h("li", { class: "empty" }, runs.length ? "No run has these words." : "There is no run yet: start a new training."));
  }

  async function refresh() {
    const answer = await get("/api/runs", {}, signal);
    if (JSON.stringify(answer.runs) === JSON.stringify(runs) && runs.length) return;
    runs = answer.runs;
    folder.textContent = `${count(runs.length)} in ${answer.folder}`;
    if (!list.contains(document.activeElement)) draw();
  }

  main.append(
    h("h1", {}, "Runs"),
    h("div", { class: "row" }, h("a", { class: "button main", href: address("runs", { new: 1 }) }, "New training"), compare,
      h("label", { class: "field grow" }, h("span", {}, "Filter by words"), filter)),
    folder, list,
  );
  await refresh();
  draw();
  const timer = setInterval(() => {
    const active = runs.some((run) => run.state === "running" || run.state === "starting");
    if (active && !document.hidden) attempt(refresh);
  }, REFRESH_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function row(run, chosen, draw) {
  const listed = run.state !== "starting" && run.state !== "failed";
  const box = h("input", {
    type: "checkbox", checked: chosen.has(run.name), "aria-label": `choose ${run.name}`,
    onchange: () => {
      if (box.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      draw();
      say(`${chosen.size} chosen`);
      document.querySelector(`[aria-label="${CSS.escape(`choose ${run.name}`)}"]`)?.focus();
    },
  });
  const picture = run.thumbnail
    ? h("img", { class: "thumbnail", src: run.thumbnail, alt: `newest samples of ${run.name}`, loading: "lazy" })
    : h("span", { class: "thumbnail none", "aria-hidden": "true" });
  const name = listed ? h("a", { href: address("runs", { run: run.name }) }, run.name) : h("span", {}, run.name);
  const further = run.scores.length - LIST_SCORES;
  return h("li", {},
    h("span", { class: "pick" }, listed ? box : null), picture,
    h("div", {}, h("strong", {}, name), h("div", { class: "soft" }, [run.command, run.recipe].filter(Boolean).join(" · ")), h("div", { class: "soft" }, run.source)),
    h("div", {}, state(run), progress(run)),
    h("div", { class: "soft" }, run.scores.slice(0, LIST_SCORES).map((each) => h("div", {}, `${each.name}: `, h("span", { class: "value" }, score(each)))), further > 0 ? h("div", {}, `and ${further} more`) : null,
      listed ? null : logOf({ job: run.job })),
  );
}

function progress({ nimg, total, state: word }) {
  if (!total) return null;
  const bar = word === "running" ? h("progress", { max: total, value: nimg, "aria-label": "progress" }) : null;
  return h("div", { class: "soft" }, bar, `${count(nimg)} of ${count(total)}`);
}
