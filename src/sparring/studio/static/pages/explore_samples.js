// The grid of samples of the Explore page.

import { post, postRaw } from "../api.js";
import { attempt, h, offer } from "../dom.js";
import { newestOnly } from "../newest_only.js";
import { refill, shown, tableOf } from "../views.js";

export function sampleGrid(page) {
  const { state, sides } = page;
  const grids = sides.map(() => h("div", { class: "samples" }));
  const titled = sides.map(({ run, checkpoint }, k) =>
    h("div", {}, sides.length > 1 && h("h3", {}, checkpoint ? `${run}, ${Number(checkpoint).toLocaleString("en")}` : run), grids[k]));
  const points = () => Array.from({ length: Number(state.count) }, (_, k) => ({ seed: Number(state.seed) + k }));
  const request = newestOnly(
    async () => {
      const wanted = points();
      const answers = await Promise.all(sides.map((side) => post("/api/samples", page.body(side, wanted), page.stopped)));
      answers.forEach((answer, k) => fill(page, grids[k], { wanted, ...answer }));
    },
  );
  const element = h("section", { "aria-labelledby": "samples" },
    h("h2", { id: "samples" }, "Samples"), h("div", { class: sides.length > 1 ? "sides" : "" }, titled), downloads(page, points));
  return { element, refresh: () => request(), pick: () => grids.forEach((grid) => mark(grid, state.picked)) };
}

function fill(page, grid, { views, labels, densities, wanted }) {
  const captions = views.map((_, k) => caption(wanted[k].seed, labels[k], densities?.[k]));
  if (views[0].kind === "table") refill(grid, tableOf(views, captions));
  else refill(grid, ...views.map((view, k) => choosable(view, `sample of ${captions[k]}`, captions[k],
    { "data-seed": wanted[k].seed, onclick: () => page.pick(wanted[k].seed) })));
  mark(grid, page.state.picked);
}

// Return an example with its caption.
export function captioned(view, description, text) {
  return h("figure", { class: view.kind === "image" ? null : "wide" }, shown(view, description), h("figcaption", {}, text));
}

// Return an example with its caption; pictures are chosen by a press, others by a button below.
export function choosable(view, description, text, button) {
  const element = shown(view, description);
  const picking = { type: "button", "aria-pressed": "false", ...button };
  if (view.kind === "image") {
    return h("figure", {}, h("button", { class: "pick", ...picking }, element), h("figcaption", {}, text));
  }
  return h("figure", { class: "wide" }, element, h("figcaption", {}, text, " ", h("button", picking, "Choose")));
}

function mark(grid, seed) {
  for (const button of grid.querySelectorAll("[data-seed]")) {
    button.setAttribute("aria-pressed", String(button.dataset.seed === seed));
  }
}

// Return the words below a sample: seed, class, log-density.
export function caption(seed, label, density) {
  const parts = [`seed ${seed}`];
  if (label) parts.push(`class ${label}`);
  if (density) parts.push(`${density.nll} ${density.unit}, p ${density.p_value}`);
  return parts.join(" · ");
}

function downloads(page, points) {
  const { state, facts, sides } = page;
  const save = (format) => () => attempt(async () => {
    const response = await postRaw("/api/download", { ...page.body(sides[0], points()), format });
    await offer(response, `${state.run.replaceAll("/", "-")}-seed-${state.seed}${format}`);
  });
  const names = facts.formats.map((format) => h("button", { type: "button", onclick: save(format) }, format.slice(1).toUpperCase()));
  return h("p", { class: "row downloads" }, h("span", {}, "Download these samples:"), names);
}
