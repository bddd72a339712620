// The network of an exported page, in a worker of its own; what it needs lies in the page as text.

export const facts = JSON.parse(document.getElementById("facts").textContent);

const answers = new Map();
let worker = null;
let count = 0;

// Start the worker from the text in the page. An error that stops it is passed to `fail`.
export function start(fail) {
  const code = document.getElementById("worker").textContent;
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => {
    answers.get(data.id)(data);
    answers.delete(data.id);
  };
  worker.onerror = (event) => fail(new Error(`the network stopped: ${event.message}`));
  const entries = JSON.parse(document.getElementById("program").textContent);
  worker.postMessage({ entries, weights: document.getElementById("weights").textContent.trim(), half: facts.half });
}

// Return { output, milliseconds } of one example, whose inputs are arrays of numbers.
export function forward(inputs) {
  count += 1;
  return new Promise((resolve) => {
    answers.set(count, resolve);
    worker.postMessage({ id: count, inputs });
  });
}

// Return the pixels, RGBA bytes, of an output [C, H, W] with values in [0, 1].
export function pixelsOf(output) {
  const [channels, height, width] = facts.shape;
  const size = height * width;
  const pixels = new Uint8ClampedArray(4 * size).fill(255);
  for (let k = 0; k < size; k += 1) {
    for (let c = 0; c < 3; c += 1) pixels[4 * k + c] = Math.round(255 * output[(channels < 3 ? 0 : c) * size + k]);
  }
  return new ImageData(pixels, width, height);
}
