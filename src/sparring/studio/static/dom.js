// Elements, made of text alone: names in a run folder may be a stranger's, so nothing is ever parsed as HTML.

// Return an element: h("button", { type: "button", onclick: f }, "Stop"). A property that is null is left out.
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Return a form field with its label.
export function field(label, control, hint = "") {
  const text = hint ? h("span", { class: "hint" }, hint) : null;
  return h("label", { class: "field" }, h("span", {}, label), control, text);
}

// Show a message to everyone, screen readers among them.
export function say(message, wrong = false) {
  const status = document.getElementById("status");
  status.textContent = message;
  status.classList.toggle("wrong", wrong);
}

// Run what may fail, and show its message.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    report(error);
    return undefined;
  }
}

// Show the message of an error; of a request that was aborted there is none.
export function report(error) {
  if (error.name !== "AbortError") say(error.message, true);
}

// Offer the bytes of a response as a file.
export async function offer(response, name) {
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// Replace a picture without a flash: the new one is decoded first.
export async function swap(image, url, description) {
  if (image.dataset.url === url) return;
  image.dataset.url = url;
  const next = new Image();
  next.src = url;
  try {
    await next.decode();
  } catch {
    return;
  }
  if (image.dataset.url !== url) return;
  image.src = url;
  image.alt = description;
}
