// The worker of an exported page: it gets the program once, then one message for each forward pass.

import { numbersOf } from "./numbers.js";
import { compile } from "./operations.js";

let program = null;
let constants = null;

self.onmessage = ({ data: message }) => {
  if (message.entries) {
    constants = numbersOf(message.weights, message.half);
    program = compile(message.entries, constants);
    return;
  }
  const begun = performance.now();
  const output = program.run(message.inputs).slice();
  self.postMessage({ id: message.id, output, milliseconds: performance.now() - begun }, [output.buffer]);
};
