// The state of a page is in the address: #/explore?run=mnist-r3&seed=7

let shown = "";

export function read() {
  shown = location.hash;
  const [page, query] = location.hash.slice(2).split("?");
  return { page: page || "runs", parameters: new URLSearchParams(query ?? "") };
}

export function address(page, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) if (each !== "" && each !== null && each !== undefined) query.append(name, each);
  }
  const text = query.toString();
  return text ? `#/${page}?${text}` : `#/${page}`;
}

// Write the state without an entry in the history, as sliders do. A page that is being left writes nothing: the address
// changes before the page does.
export function keep(page, parameters) {
  if (location.hash !== shown || read().page !== page) return;
  history.replaceState(null, "", address(page, parameters));
  shown = location.hash;
}
