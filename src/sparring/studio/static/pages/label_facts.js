// Give the classifier a fact at once, see what it changes, and take it back.

import { post } from "../api.js";
import { attempt, field, h } from "../dom.js";
import { percent, proportion } from "../format.js";

// Return { element, about(example) }: the form for a fact about the example that has the focus.
export function factsOf(page, { classes, facts }) {
  let example = null;
  const name = h("input", { type: "text", list: "classes", autocomplete: "off", maxlength: 100, required: true });
  const subject = h("p", { class: "soft" });
  const result = h("div", {});
  const known = h("ul", { class: "facts" });
  const form = h("form", { class: "row" }, field("This is a", name, "one of the classes, or a new one"),
    h("datalist", { id: "classes" }, classes.map((each) => h("option", { value: each }))), h("button", { type: "submit" }, "Remember"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const test = await post("/api/label/remember", { run: page.run, name: example.name, label: name.value }, page.signal);
      result.replaceChildren(...lines(test));
      list(test.facts);
    });
  });

  function list(all) {
    known.replaceChildren(...Object.entries(all).map(([label, examples]) => h("li", {},
      `${label}: ${examples} ${examples === 1 ? "example" : "examples"} `,
      h("button", { type: "button", onclick: () => attempt(async () => {
        list((await post("/api/label/forget", { run: page.run, label }, page.signal)).facts);
        result.replaceChildren(h("p", {}, `Forgotten: ${label}.`));
      }) }, `Forget ${label}`))));
  }
  list(facts);
  const element = h("section", { class: "panel" }, h("h2", {}, "A fact, without training"), subject, form, result, known,
    h("p", { class: "hint" }, "It is written into the saved classifier, for all commands. To forget a class takes all facts about it back."));
  return { element, about(chosen) {
    example = chosen;
    subject.textContent = `About ${chosen.name}`;
  } };
}

function lines({ before, after, tested, changed, accuracy_before: old, accuracy_after: now, tested_on: on }) {
  const answer = ({ label, probability }) => `${label} (${percent(probability)})`;
  const test = old && `On ${tested} ${on}: ${changed} ${changed === 1 ? "answer" : "answers"} changed, accuracy ${proportion(old)} before, ${proportion(now)} now.`;
  return [h("p", { class: "fact" }, `Before: ${answer(before)}. Now: ${answer(after)}.`), test && h("p", {}, test)].filter(Boolean);
}
