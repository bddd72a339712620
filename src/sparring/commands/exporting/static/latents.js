// Noise by seed: the numbers that `sparring sample --seed SEED` draws for its first sample.
//
// PyTorch's CPU generator is the Mersenne twister (Matsumoto and Nishimura 1998), seeded with the lower 32 bits of a hash
// of the seed (`engine/seeds.py`); normal numbers are made from it by Box and Muller's transform (1958).

import { normalCdf } from "./operations.js";

const MASK = (1n << 64n) - 1n;

// Return a 63-bit seed for a sequence of integers (SplitMix64), a BigInt.
export function mix(...numbers) {
  let state = 0x243f6a8885a308d3n;
  for (const number of numbers) {
    state = ((state ^ (BigInt(number) & MASK)) * 0x9e3779b97f4a7c15n + 0x9e3779b97f4a7c15n) & MASK;
    state = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    state = ((state ^ (state >> 27n)) * 0x94d049bb133111ebn) & MASK;
    state ^= state >> 31n;
  }
  return state >> 1n;
}

// Return a function that draws integers below 2^32.
export function twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let k = 1; k < 624; k += 1) state[k] = Math.imul(1812433253, state[k - 1] ^ (state[k - 1] >>> 30)) + k;
  let next = 624;
  return () => {
    if (next === 624) {
      for (let k = 0; k < 624; k += 1) {
        const y = (state[k] & 0x80000000) | (state[(k + 1) % 624] & 0x7fffffff);
        state[k] = state[(k + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let y = state[next];
    next += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

// Return the noise of a seed: `size` standard normal numbers, as torch.randn draws them.
export function noiseOf(seed, size) {
  const draw = twister(Number(mix(seed, 0) & 0xffffffffn));
  return size < 16 ? fewNormals(draw, size) : manyNormals(draw, size);
}

// Fill blocks of 16; what is left over is covered by a last block that is drawn anew.
function manyNormals(draw, size) {
  const uniform = () => (draw() & 0xffffff) / 2 ** 24;
  const z = Float32Array.from({ length: size }, uniform);
  const transform = (start) => {
    for (let k = start; k < start + 8; k += 1) {
      const radius = Math.sqrt(-2 * Math.log(1 - z[k]));
      const angle = 2 * Math.PI * z[k + 8];
      z[k] = radius * Math.cos(angle);
      z[k + 8] = radius * Math.sin(angle);
    }
  };
  for (let start = 0; start + 16 <= size; start += 16) transform(start);
  if (size % 16) {
    for (let k = size - 16; k < size; k += 1) z[k] = uniform();
    transform(size - 16);
  }
  return z;
}

// Draw numbers in pairs, from uniform ones of 53 bits.
function fewNormals(draw, size) {
  const uniform = () => {
    const high = draw();
    return ((high & 0x1fffff) * 2 ** 32 + draw()) / 2 ** 53;
  };
  const z = new Float32Array(size);
  for (let k = 0; k < size; k += 2) {
    const angle = 2 * Math.PI * uniform();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
    z[k] = radius * Math.cos(angle);
    if (k + 1 < size) z[k + 1] = radius * Math.sin(angle);
  }
  return z;
}

// Interpolate along the arc between two vectors (Shoemake 1985), or along a line where there is none.
export function slerp(a, b, at) {
  const inner = (x, y) => x.reduce((sum, value, k) => sum + value * y[k], 0);
  const cosine = inner(a, b) / Math.max(Math.sqrt(inner(a, a) * inner(b, b)), 1e-12);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  const [from, to] = sine < 1e-4 ? [1 - at, at] : [Math.sin((1 - at) * angle) / sine, Math.sin(at * angle) / sine];
  return a.map((value, k) => from * value + to * b[k]);
}

// Map normal noise to the normal distribution cut off at +-limit, each number keeping its rank (`models/generator.py`).
export function truncated(z, limit) {
  const inside = 2 * normalCdf(limit) - 1;
  return z.map((value) => Math.max(-limit, Math.min(limit, Math.SQRT2 * inverseErf((2 * normalCdf(value) - 1) * inside))));
}

// Return the inverse of the error function (Giles 2012, "Approximating the erfinv function", single precision).
function inverseErf(x) {
  let w = -Math.log((1 - x) * (1 + x));
  const near = [2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941];
  const far = [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682];
  const coefficients = w < 5 ? near : far;
  w = w < 5 ? w - 2.5 : Math.sqrt(w) - 3;
  return x * coefficients.reduce((sum, coefficient) => sum * w + coefficient, 0);
}
