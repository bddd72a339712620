// What belongs to one run: its state, stop and continue, the doctor, the log, downloads, the report.

import { get, post } from "../api.js";
import { attempt, h, say } from "../dom.js";
import { count, score } from "../format.js";

const MARKS = { running: "▶", starting: "▶", done: "✓", stopped: "■", failed: "✕", damaged: "✕" };
const LOG_MS = 3000;
const SEVERITIES = { problem: "Problem", notice: "Notice", ok: "OK" };

// Return a panel of the run of `details`, and a function that shows a new summary.
export function runPanel(details, colour, refresh) {
  let summary = details.summary;
  const status = h("div", {});
  const bar = h("progress", { max: 1, value: 0, "aria-label": `progress of ${summary.name}` });
  const progress = h("p", { class: "soft" });
  const actions = h("div", { class: "row" });
  const log = logOf(summary);

  function update(next) {
    const changed = next.state !== summary.state || next.note !== summary.note || next.job !== summary.job;
    summary = next;
    const running = summary.state === "running";
    progress.textContent = summary.total ? `${count(summary.nimg)} of ${count(summary.total)} examples` : "";
    bar.max = summary.total || 1;
    bar.value = summary.nimg;
    bar.hidden = !running;
    if (!changed && status.firstChild) return; // what has the focus stays
    status.replaceChildren(state(summary));
    actions.replaceChildren(...[running && summary.job ? stopButton() : null, summary.state === "stopped" ? continueButton() : null].filter(Boolean));
    log.dataset.job = summary.job;
    log.hidden = !summary.job;
  }

  function stopButton() {
    return h("button", { type: "button", onclick: (event) => act(event.target, () => post("/api/stop", { job: summary.job }), `${summary.name} saves and stops`) }, "Stop");
  }

  function continueButton() {
    return h("button", { type: "button", onclick: (event) => act(event.target, () => post("/api/continue", { run: summary.name }), `${summary.name} goes on`) }, "Continue");
  }

  async function act(button, work, message) {
    button.disabled = true;
    if (await attempt(work)) {
      say(message);
      await attempt(refresh);
    }
    button.disabled = false;
  }

  update(summary);
  const element = h("section", { class: "panel", "aria-label": summary.name },
    h("h2", {}, colour === null ? null : h("span", { class: `swatch colour-${colour}`, "aria-hidden": "true" }), summary.name),
    h("p", { class: "soft" }, [summary.command, summary.recipe, summary.source].filter(Boolean).join(" · ")),
    status, bar, progress, scores(summary), actions, doctor(summary), downloads(details), log, report(details));
  return { element, update };
}

// Return the state of a run, with its reason.
export function state({ state: word, note }) {
  return h("div", { class: `state ${word}` }, h("span", { "aria-hidden": "true" }, `${MARKS[word] ?? ""} `), word, note ? h("div", { class: "soft" }, note) : null);
}

// Return the log of a job, which is read while it is open.
export function logOf({ job }) {
  const text = h("pre", { tabindex: "0" });
  let timer = 0;
  const read = () => attempt(async () => {
    const answer = await get("/api/job", { job: details.dataset.job });
    text.textContent = `$ ${answer.command}\n${lastOfEach(answer.log)}${answer.ending ? `\n[${answer.ending}]` : ""}`;
  });
  const details = h("details", {
    "data-job": job,
    ontoggle: () => {
      clearInterval(timer);
      if (!details.open) return;
      read();
      timer = setInterval(() => {
        if (!details.isConnected) clearInterval(timer);
        else if (!document.hidden) read();
      }, LOG_MS);
    },
  }, h("summary", {}, "Log"), text);
  return details;
}

// A progress line that was written over itself: the last writing counts.
export function lastOfEach(log) {
  return log.split("\n").map((line) => line.trimEnd().split("\r").at(-1)).join("\n");
}

function scores(summary) {
  if (!summary.scores.length) return null;
  const rows = summary.scores.map((each) => h("tr", {}, h("th", { scope: "row" }, each.name), h("td", { class: "number" }, score(each))));
  const head = h("tr", {}, h("th", { scope: "col" }, "Score"), h("th", { scope: "col", class: "number" }, "Value (95 % interval)"));
  return h("table", { class: "scores" }, h("thead", {}, head), h("tbody", {}, rows));
}

function doctor(summary) {
  if (summary.state === "damaged") return null;
  const place = h("div", { "aria-live": "polite" });
  const button = h("button", {
    type: "button",
    onclick: () => attempt(async () => {
      button.disabled = true;
      place.replaceChildren(h("p", {}, "Diagnosing ..."));
      try {
        const findings = await get("/api/doctor", { run: summary.name });
        place.replaceChildren(...findings.map(finding));
      } catch (error) {
        place.replaceChildren();
        throw error;
      } finally {
        button.disabled = false;
      }
    }),
  }, "Diagnose");
  return h("div", { class: "doctor" }, button, h("span", { class: "hint" }, ` reads ${summary.source}`), place);
}

function finding({ severity, message, evidence, advice }) {
  return h("div", { class: `finding ${severity}` }, h("p", {}, h("strong", {}, `${SEVERITIES[severity] ?? severity}: `), message),
    evidence ? h("p", { class: "soft" }, evidence) : null, advice ? h("p", {}, "Try: ", h("code", {}, advice)) : null);
}

function downloads({ downloads: files, summary }) {
  const links = Object.entries(files).map(([name, url]) => h("li", {}, h("a", { href: `${url}?download`, download: name }, name)));
  return links.length ? h("details", {}, h("summary", {}, "Downloads"), h("ul", { class: "links", "aria-label": `files of ${summary.name}` }, links)) : null;
}

// The report may be a stranger's: the frame runs no script, and is an origin of its own.
function report({ report: url, summary }) {
  if (!url) return null;
  const details = h("details", {
    ontoggle: () => {
      if (details.open && !details.querySelector("iframe")) details.append(h("iframe", { sandbox: "", src: url, title: `report of ${summary.name}` }));
    },
  }, h("summary", {}, "Report"), h("p", {}, h("a", { href: `${url}?download`, download: "report.html" }, "Download the report")));
  return details;
}
