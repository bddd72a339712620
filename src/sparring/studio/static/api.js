// Requests to the server. The token comes in the fragment of the first address and stays in this tab.

const TOKEN = "sparring-token";

export function takeToken() {
  const fragment = location.hash.slice(1);
  if (fragment && !fragment.startsWith("/")) {
    sessionStorage.setItem(TOKEN, fragment);
    history.replaceState(null, "", "#/runs");
  }
}

function headers(type) {
  const all = { "x-sparring-token": sessionStorage.getItem(TOKEN) ?? "" };
  return type ? { ...all, "content-type": type } : all;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: start `sparring studio` again. Trainings go on without it.");
  }
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    message = JSON.parse(text).error ?? text;
  } catch {
    // plain text of the guard
  }
  throw new Error(message);
}

// Return the JSON of a GET; `query` is an object, its lists are repeated parameters.
export async function get(path, query = {}, signal = undefined) {
  return (await request(withQuery(path, query), { headers: headers(), signal })).json();
}

// Return the JSON of a POST of an object.
export async function post(path, body = {}, signal = undefined) {
  return (await postRaw(path, body, signal)).json();
}

// Return the response of a POST of an object, for answers that are no JSON.
export function postRaw(path, body = {}, signal = undefined) {
  return request(path, { method: "POST", headers: headers("application/json"), body: JSON.stringify(body), signal });
}

// Send a file as it is; `query` holds further parameters.
export async function upload(path, file, query = {}) {
  const options = { method: "POST", headers: headers("application/octet-stream"), body: file };
  return (await request(withQuery(path, { name: file.name, ...query }), options)).json();
}

// Call `onEvent` with each object of a stream of server-sent events, until `signal` aborts it.
export async function follow(path, query, onEvent, signal) {
  const response = await request(withQuery(path, query), { headers: headers(), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) onEvent(JSON.parse(part.slice(6)));
  }
}

function withQuery(path, query) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) for (const each of [value].flat()) parameters.append(name, each);
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}
