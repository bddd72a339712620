// Run the programs and draw the noise that a JSON file asks for, as an exported page does; print the results as JSON.

import { readFileSync } from "node:fs";

const pages = new URL("../../../src/sparring/commands/exporting/static/", import.meta.url);
const { numbersOf } = await import(new URL("numbers.js", pages));
const { compile } = await import(new URL("operations.js", pages));
const { noiseOf, truncated } = await import(new URL("latents.js", pages));

const { programs, noise } = JSON.parse(readFileSync(process.argv[2]));
const outputs = programs.map(({ entries, weights, half, inputs }) => {
  const program = compile(entries, numbersOf(weights, half));
  program.run(inputs.map((numbers) => numbers.map(() => 1))); // what one run leaves behind is not seen by the next
  return Array.from(program.run(inputs));
});
const drawn = noise.map(({ seed, size, limit }) => {
  const z = noiseOf(seed, size);
  return Array.from(limit === null ? z : truncated(z, limit));
});
console.log(JSON.stringify({ outputs, noise: drawn }));
