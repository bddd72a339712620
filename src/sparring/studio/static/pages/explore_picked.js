// One chosen sample: levels taken from other seeds, and the training images that are nearest to it.

import { post } from "../api.js";
import { field, h } from "../dom.js";
import { caption, captioned } from "./explore_samples.js";
import { newestOnly } from "../newest_only.js";
import { refill } from "../views.js";

export function picked(page) {
  const { state, facts } = page;
  const body = h("div", {});
  const seed = () => Number(state.picked || state.seed);
  const mixture = mixing(page, seed);
  const near = nearest(page, seed);
  const refresh = () => {
    near.clear();
    mixture.refresh();
  };
  body.append(mixture.element, facts.pixels ? near.element : "");
  const element = h("section", { "aria-labelledby": "chosen" }, h("h2", { id: "chosen" }, "The chosen sample"), body);
  return { element, refresh, pick: refresh };
}

// Return the sample beside what it becomes with levels of other seeds.
function mixing(page, seed) {
  const { state, facts } = page;
  const results = h("div", { class: "samples" });
  const levels = () => Object.fromEntries(facts.levels.filter((name) => state[name] !== "").map((name) => [name, Number(state[name])]));
  const request = newestOnly(
    async () => {
      const own = { seed: seed() };
      const others = Object.values(levels()).map((each) => ({ seed: each }));
      const mixed = others.length ? [{ ...own, levels: levels() }] : [];
      const body = page.body(page.sides[0], [own, ...others, ...mixed]);
      const { views, labels, densities } = await post("/api/samples", body, page.stopped);
      const sources = Object.entries(levels()).map(([name, each]) => `${name}: seed ${each}`);
      const texts = [caption(seed(), labels[0], densities?.[0]), ...sources, "mixed"];
      refill(results, ...views.map((view, k) => captioned(view, texts[k], texts[k])));
    },
  );
  const inputs = facts.levels.map((name) => field(`${name} from seed`, h("input", {
    type: "number", min: 0, value: state[name], placeholder: "its own",
    oninput: (event) => {
      state[name] = event.target.value;
      page.save();
      request();
    },
  })));
  const none = "All layers of this generator read the same noise: it has no levels to mix. biggan, s3gan and lapgan have some.";
  const controls = facts.levels.length
    ? h("fieldset", {}, h("legend", {}, "Mix with other seeds by level"), h("div", { class: "row" }, inputs))
    : h("p", { class: "hint" }, none);
  return { element: h("div", {}, controls, results), refresh: () => request() };
}

function nearest(page, seed) {
  const list = h("div", { class: "samples" });
  const note = h("p", { class: "hint", role: "status" });
  async function search() {
    note.textContent = "Searching ...";
    try {
      const result = await post("/api/nearest", page.body(page.sides[0], [{ seed: seed() }]), page.stopped);
      list.replaceChildren(...result.views.map((view, k) => {
        const text = [`distance ${result.distances[k].toFixed(1)}`, result.labels[k] && `class ${result.labels[k]}`].filter(Boolean).join(" · ");
        return captioned(view, `training image ${result.names[k]}, ${text}`, text);
      }));
      note.textContent = `The nearest of ${result.searched.toLocaleString("en")} training images: root mean square difference in grey levels of 255.`;
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = error.message;
    }
  }
  const clear = () => {
    list.replaceChildren();
    note.textContent = "";
  };
  return { element: h("div", {}, h("button", { type: "button", onclick: search }, "Find the nearest training images"), note, list), clear };
}
