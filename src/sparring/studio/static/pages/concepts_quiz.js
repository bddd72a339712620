// The person's version of the test: which of four pictures does a sentence describe?

import { post } from "../api.js";
import { attempt, h } from "../dom.js";
import { captioned, choosable } from "./explore_samples.js";

export function quiz(page) {
  const { state } = page;
  const place = h("div", {});
  const score = h("p", { role: "status" });
  const sittings = { true: "", false: "" };
  const control = h("input", { type: "checkbox", checked: state.control === "1", onchange: () => {
    state.control = control.checked ? "1" : "";
    page.save();
  } });
  const next = () => attempt(async () => {
    const permuted = control.checked;
    const body = { run: state.run, control: permuted, sitting: sittings[permuted] };
    const question = await post("/api/question", body, page.signal);
    sittings[permuted] = question.sitting;
    place.replaceChildren(...questionParts(page, question, score, permuted, next));
    place.querySelector("button")?.focus();
  });
  return h("section", { "aria-labelledby": "test" }, h("h2", { id: "test" }, "Do the sentences help a person?"),
    h("p", { class: "soft" }, "You see a sample and a sentence. Which of the four does the sentence lead to? All four are two steps of a handle away. "
      + "Without the sentence one in four answers is right by chance; 50 answers give about 14 points either way."),
    h("div", { class: "row" }, h("button", { type: "button", onclick: next }, "Ask me"),
      h("label", { class: "check" }, control, "control: sentences of other handles")), place, score);
}

function questionParts(page, question, score, permuted, next) {
  const options = question.options.map((view, k) =>
    choosable(view, `option ${k + 1}`, `option ${k + 1}`, { onclick: () => answer(k) }));
  const word = h("p", { class: "answer" });
  const more = h("button", { type: "button", hidden: true, onclick: next }, "Next question");
  const answer = (choice) => attempt(async () => {
    const result = await post("/api/answer", { question: question.question, choice }, page.signal);
    options.forEach((option, k) => {
      const button = option.querySelector("button");
      button.disabled = true;
      if (k === result.answer) button.setAttribute("aria-pressed", "true");
    });
    word.textContent = result.right ? "Right." : `The sentence leads to option ${result.answer + 1}.`;
    const [value, low, high] = ["value", "low", "high"].map((name) => `${(100 * result[name]).toFixed(0)} %`);
    const kind = permuted ? "control" : "sentences";
    score.textContent = `${kind}: ${result.hits} of ${result.count} right, ${value} (${low} to ${high}); chance ${100 * result.chance} %.`;
    more.hidden = false;
    more.focus();
  });
  return [h("blockquote", {}, question.sentence),
    h("div", { class: "quiz" }, captioned(question.before, "the sample", "the sample"), options), word, more];
}
