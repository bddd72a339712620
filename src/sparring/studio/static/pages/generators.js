// What the pages about generators share: the list of runs, the state in the address, the choice of a run.

import { get } from "../api.js";
import { address, keep } from "../address.js";
import { h } from "../dom.js";
import { choice } from "../form_controls.js";

// Return { runs, state, signal, save } of a page; null, with a link to the Runs page, where no run holds a generator.
export async function generatorPage(main, { name, title, defaults }, parameters, signal) {
  const runs = await get("/api/generators", {}, signal);
  main.append(h("h1", {}, title));
  if (!runs.length) {
    main.append(h("p", {}, "No run holds a generator yet. ", h("a", { href: address("runs") }, "Train one"), "."));
    return null;
  }
  const state = { ...defaults, ...Object.fromEntries([...parameters].filter(([each]) => each in defaults)) };
  const changed = () => Object.entries(state).filter(([each, value]) => each === "run" || value !== defaults[each]);
  return { runs, state, signal, save: () => keep(name, Object.fromEntries(changed())) };
}

// Return the choice of the run; `textOf` returns the text of each run of the list.
export function runChoice({ runs, state }, textOf, onChange) {
  const options = runs.map((each) => [each.run, textOf(each)]);
  if (!runs.some(({ run }) => run === state.run)) options.unshift([state.run, "choose a run"]);
  return choice("Run", options, state.run, onChange);
}

// Return what `load` returns; undefined, with the message below the choice of the run, where it fails.
export async function loaded(main, choose, load) {
  try {
    return await load();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    main.append(h("div", { class: "panel" }, choose, h("p", { class: "wrong", role: "alert" }, error.message)));
    return undefined;
  }
}
