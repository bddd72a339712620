// Numbers and times as texts.

export function count(value) {
  return value.toLocaleString("en");
}

// Three digits, as in 0.00123 and 1.23e-5.
export function number(value) {
  if (value === null || value === undefined) return "not a number";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
  return size >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

// A proportion with its interval.
export function proportion(value) {
  return score({ ...value, percent: true });
}

// A score with its interval.
export function score({ value, low, high, percent: proportion }) {
  const text = proportion ? percent : number;
  return low === null || high === null ? text(value) : `${text(value)} (${text(low).replace(/ %$/, "")} to ${text(high)})`;
}

export function bytes(value) {
  return value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${(value / 1e6).toFixed(1)} MB`;
}
