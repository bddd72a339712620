// Numbers of 16 or 32 bits, from the text in which a page has them.

// Return the numbers of base64 text, which holds little-endian float16 or float32 numbers.
export function numbersOf(text, half) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (!half) return new Float32Array(bytes.buffer);
  return Float32Array.from(new Uint16Array(bytes.buffer), fromHalf);
}

// Return the number that 16 bits stand for (IEEE 754 binary16).
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
}
