// The page: one module for each of its pages, chosen by the address.

import { post, takeToken } from "./api.js";
import { attempt, h, say } from "./dom.js";
import { address, read } from "./address.js";
import * as attack from "./pages/attack.js";
import * as concepts from "./pages/concepts.js";
import * as explore from "./pages/explore.js";
import * as label from "./pages/label.js";
import * as runs from "./pages/runs.js";

// Each module exports `title` and `show(main, parameters, signal)`; `signal` aborts when the page is left.
const PAGES = { runs, explore, attack, label, concepts };

let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { page, parameters } = read();
  const name = page in PAGES ? page : "runs";
  document.title = `${PAGES[name].title} · Sparring studio`;
  for (const link of document.querySelectorAll("#pages a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = document.getElementById("main");
  main.replaceChildren();
  say("");
  await attempt(() => PAGES[name].show(main, parameters, leaving.signal));
}

async function start() {
  takeToken();
  const links = Object.entries(PAGES).map(([name, { title }]) =>
    h("li", {}, h("a", { href: address(name), "data-page": name }, title)),
  );
  document.getElementById("pages").append(...links);
  window.addEventListener("hashchange", show);
  if (await attempt(() => post("/api/session"))) await show();
}

start();
