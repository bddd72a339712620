// The forward pass of a network: a list of typed operations with fixed shapes, on typed arrays.
//
// `commands/exporting/program.py` writes the list and defines each operation by PyTorch. Shapes are known beforehand, so
// each operation prepares its tables and its output once, and returns the function that computes the output.

// Return { run } of a program: `run` maps arrays of numbers, one for each input, to the output, which the next run reuses.
export function compile(entries, constants) {
  const values = [];
  const inputs = [];
  const steps = [];
  for (const entry of entries) {
    const size = sizeOf(entry.shape);
    const value = { shape: entry.shape, data: null };
    if ("value" in entry) value.data = Float32Array.of(entry.value);
    else if ("offset" in entry) value.data = constants.subarray(entry.offset, entry.offset + size);
    else if (entry.op === "reshape") value.data = values[entry.inputs[0]].data;
    else {
      value.data = new Float32Array(size);
      if (entry.op === "input") inputs.push(value.data);
      else steps.push(OPERATIONS[entry.op](value, entry.inputs.map((k) => values[k]), entry));
    }
    values.push(value);
  }
  const output = values.at(-1).data;
  return {
    run(given) {
      given.forEach((numbers, k) => inputs[k].set(numbers));
      for (const step of steps) step();
      return output;
    },
  };
}

const FUNCTIONS = {
  relu: (x) => (x > 0 ? x : 0),
  leaky_relu: (x, slope) => (x > 0 ? x : slope * x),
  elu: (x, alpha, scale, inner) => scale * (x > 0 ? x : alpha * Math.expm1(inner * x)),
  gelu: (x) => x * normalCdf(x),
  silu: (x) => x / (1 + Math.exp(-x)),
  tanh: (x) => Math.tanh(x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x, beta, threshold) => (x * beta > threshold ? x : Math.log1p(Math.exp(x * beta)) / beta),
  normal_cdf: (x) => normalCdf(x),
  exp: (x) => Math.exp(x),
  log: (x) => Math.log(x),
  sqrt: (x) => Math.sqrt(x),
  clamp: (x, low, high) => Math.min(Math.max(x, low), high),
};
const COMBINATIONS = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  less: (a, b) => Number(a < b),
  at_least: (a, b) => Number(a >= b),
  equal: (a, b) => Number(a === b),
};
const REDUCTIONS = {
  mean: [0, (sum, x) => sum + x, (sum, count) => sum / count],
  sum: [0, (sum, x) => sum + x, (sum) => sum],
  max: [-Infinity, (most, x) => (x > most ? x : most), (most) => most],
};

// Each maps (output, inputs, entry) to the function that computes the output.
const OPERATIONS = {
  permute(out, [x], { dims }) {
    const steps = stridesOf(x.shape);
    return gather(out, x, positions(out.shape, dims.map((dim) => steps[dim])));
  },
  slice(out, [x], { dim, start }) {
    const steps = stridesOf(x.shape);
    return gather(out, x, positions(out.shape, steps, start * steps[dim]));
  },
  concat(out, parts, { dim }) {
    const steps = stridesOf(out.shape);
    let start = 0;
    const places = parts.map(({ shape }) => {
      start += shape[dim];
      return positions(shape, steps, (start - shape[dim]) * steps[dim]);
    });
    return () => parts.forEach(({ data }, k) => places[k].forEach((place, n) => { out.data[place] = data[n]; }));
  },
  embedding(out, [y, table]) {
    const size = table.shape[1];
    return () => y.data.forEach((row, k) => out.data.set(table.data.subarray(row * size, (row + 1) * size), k * size));
  },
  linear(out, [x, weight, bias]) {
    const [outputs, inputs] = weight.shape;
    return () => {
      for (let row = 0; row < x.data.length / inputs; row += 1) {
        for (let k = 0; k < outputs; k += 1) {
          out.data[row * outputs + k] = (bias ? bias.data[k] : 0) + dot(weight.data, k * inputs, x.data, row * inputs, inputs);
        }
      }
    };
  },
  matmul(out, [a, b]) {
    const [rows, inner] = a.shape.slice(-2);
    const columns = b.shape.at(-1);
    const [down, across] = [positions([inner], [columns]), positions([columns], [1])];
    return () => {
      for (let k = 0; k < out.data.length / (rows * columns); k += 1) {
        const part = a.data.subarray(k * rows * inner, (k + 1) * rows * inner);
        multiply(part, b.data.subarray(k * inner * columns), down, across,
          out.data.subarray(k * rows * columns, (k + 1) * rows * columns));
      }
    };
  },
  conv(out, [x, weight, bias], { stride, padding }) {
    const [, channels, height, width] = x.shape;
    const [bordered, fill] = withBorder(x, padding);
    const [tall, wide] = [height + 2 * padding[0], width + 2 * padding[1]];
    const down = positions([channels, ...weight.shape.slice(2)], [tall * wide, wide, 1]);
    const across = positions(out.shape.slice(2), [stride[0] * wide, stride[1]]);
    return () => {
      fill();
      multiply(weight.data, bordered, down, across, out.data, bias?.data);
    };
  },
  conv_transpose(out, [x, weight, bias], { stride, padding }) {
    const [, channels, height, width] = x.shape;
    const [, outputs, tall, wide] = weight.shape;
    const size = height * width;
    const matrix = new Float32Array(weight.data.length); // [outputs * tall * wide, channels]
    positions([outputs * tall * wide, channels], [1, outputs * tall * wide]).forEach((place, k) => { matrix[k] = weight.data[place]; });
    const [down, across] = [positions([channels], [size]), positions([size], [1])];
    const spread = new Float32Array(outputs * tall * wide * size);
    const [, , outHeight, outWidth] = out.shape;
    return () => {
      multiply(matrix, x.data, down, across, spread);
      for (let k = 0; k < outputs; k += 1) {
        out.data.fill(bias ? bias.data[k] : 0, k * outHeight * outWidth, (k + 1) * outHeight * outWidth);
      }
      let from = 0;
      for (let k = 0; k < outputs; k += 1) for (let dy = 0; dy < tall; dy += 1) for (let dx = 0; dx < wide; dx += 1) {
        for (let row = 0; row < height; row += 1) {
          const y = row * stride[0] + dy - padding[0];
          if (y < 0 || y >= outHeight) { from += width; continue; }
          const line = (k * outHeight + y) * outWidth;
          for (let column = 0, to = dx - padding[1]; column < width; column += 1, to += stride[1], from += 1) {
            if (to >= 0 && to < outWidth) out.data[line + to] += spread[from];
          }
        }
      }
    };
  },
  normalise(out, [x, scale, shift], { dims, eps }) {
    const size = sizeOf(x.shape.slice(-dims));
    return () => {
      for (let start = 0; start < x.data.length; start += size) {
        let [sum, squares] = [0, 0];
        for (let k = start; k < start + size; k += 1) sum += x.data[k];
        const mean = sum / size;
        for (let k = start; k < start + size; k += 1) squares += (x.data[k] - mean) ** 2;
        const factor = 1 / Math.sqrt(squares / size + eps);
        for (let k = 0; k < size; k += 1) {
          const value = (x.data[start + k] - mean) * factor;
          out.data[start + k] = scale ? value * scale.data[k] + shift.data[k] : value;
        }
      }
    };
  },
  softmax(out, [x]) {
    const size = x.shape.at(-1);
    return () => {
      for (let start = 0; start < x.data.length; start += size) {
        let [most, sum] = [-Infinity, 0];
        for (let k = start; k < start + size; k += 1) most = Math.max(most, x.data[k]);
        for (let k = start; k < start + size; k += 1) sum += out.data[k] = Math.exp(x.data[k] - most);
        for (let k = start; k < start + size; k += 1) out.data[k] /= sum;
      }
    };
  },
  reduce(out, [x], { dims, function: name }) {
    const steps = stridesOf(x.shape);
    const pick = (list, reduced) => list.filter((_, dim) => dims.includes(dim) === reduced);
    const outer = positions(pick(x.shape, false), pick(steps, false));
    return reduction(out, x, outer, positions(pick(x.shape, true), pick(steps, true)), name);
  },
  pool(out, [x], { kernel, stride, function: name }) {
    const [, channels, height, width] = x.shape;
    const starts = positions(out.shape, [0, height * width, stride[0] * width, stride[1]]);
    const inside = positions(kernel, [width, 1]);
    const [tall, wide] = out.shape.slice(2);
    if ((tall - 1) * stride[0] + kernel[0] <= height && (wide - 1) * stride[1] + kernel[1] <= width) {
      return reduction(out, x, starts, inside, name);
    }
    const [y, x0] = [positions([channels, tall, wide], [0, stride[0], 0]), positions([channels, tall, wide], [0, 0, stride[1]])];
    return () => starts.forEach((start, k) => { // the last windows exceed the image
      let most = -Infinity;
      for (let dy = 0; dy < kernel[0] && y[k] + dy < height; dy += 1) {
        for (let dx = 0; dx < kernel[1] && x0[k] + dx < width; dx += 1) most = Math.max(most, x.data[start + dy * width + dx]);
      }
      out.data[k] = most;
    });
  },
  resize(out, [x], { mode }) {
    const [, channels, height, width] = x.shape;
    const [tall, wide] = out.shape.slice(2);
    if (mode === "nearest") {
      const rows = scaled(tall, height).map((row) => row * width);
      const columns = scaled(wide, width);
      const places = new Int32Array(out.data.length);
      let k = 0;
      for (let c = 0; c < channels; c += 1) for (const row of rows) for (const column of columns) {
        places[k] = c * height * width + row + column;
        k += 1;
      }
      return gather(out, x, places);
    }
    const [rows, columns] = [weighted(tall, height), weighted(wide, width)];
    return () => {
      let k = 0;
      for (let start = 0; start < x.data.length; start += height * width) {
        for (const [top, bottom, low] of rows) for (const [left, right, near] of columns) {
          const [upper, lower] = [start + top * width, start + bottom * width];
          const above = x.data[upper + left] * (1 - near) + x.data[upper + right] * near;
          out.data[k] = above * (1 - low) + (x.data[lower + left] * (1 - near) + x.data[lower + right] * near) * low;
          k += 1;
        }
      }
    };
  },
  map(out, [x], { function: name, parameters }) {
    const f = FUNCTIONS[name];
    const [a, b, c] = parameters;
    return () => {
      for (let k = 0; k < out.data.length; k += 1) out.data[k] = f(x.data[k], a, b, c);
    };
  },
  combine(out, [a, b], { function: name }) {
    const f = COMBINATIONS[name];
    const [left, right] = [spreadOver(a, out.shape), spreadOver(b, out.shape)];
    return () => {
      for (let k = 0; k < out.data.length; k += 1) out.data[k] = f(a.data[left[k]], b.data[right[k]]);
    };
  },
  where(out, [condition, a, b]) {
    const places = [condition, a, b].map((each) => spreadOver(each, out.shape));
    return () => {
      for (let k = 0; k < out.data.length; k += 1) {
        out.data[k] = condition.data[places[0][k]] ? a.data[places[1][k]] : b.data[places[2][k]];
      }
    };
  },
};

// Compute out [M, N] = weights [M, K] x B (+ bias [M]), where B[k, n] = source[down[k] + across[n]].
//
// Four columns of B are packed at a time, and sums of 4 x 4 outputs stay in registers. Rows beyond the last repeat it.
export function multiply(weights, source, down, across, out, bias = null) {
  const [inner, columns] = [down.length, across.length];
  const rows = out.length / columns;
  const packed = new Float32Array(4 * inner);
  for (let j = 0; j < columns; j += 4) {
    const [n0, n1, n2, n3] = [0, 1, 2, 3].map((k) => across[Math.min(j + k, columns - 1)]);
    for (let k = 0; k < inner; k += 1) {
      const place = down[k];
      packed[4 * k] = source[place + n0];
      packed[4 * k + 1] = source[place + n1];
      packed[4 * k + 2] = source[place + n2];
      packed[4 * k + 3] = source[place + n3];
    }
    for (let i = 0; i < rows; i += 4) {
      const [i1, i2, i3] = [Math.min(i + 1, rows - 1), Math.min(i + 2, rows - 1), Math.min(i + 3, rows - 1)];
      const [a0, a1, a2, a3] = [i * inner, i1 * inner, i2 * inner, i3 * inner];
      let [c00, c01, c02, c03, c10, c11, c12, c13] = [0, 0, 0, 0, 0, 0, 0, 0];
      let [c20, c21, c22, c23, c30, c31, c32, c33] = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let k = 0, b = 0; k < inner; k += 1, b += 4) {
        const b0 = packed[b], b1 = packed[b + 1], b2 = packed[b + 2], b3 = packed[b + 3];
        const w0 = weights[a0 + k], w1 = weights[a1 + k], w2 = weights[a2 + k], w3 = weights[a3 + k];
        c00 += w0 * b0; c01 += w0 * b1; c02 += w0 * b2; c03 += w0 * b3;
        c10 += w1 * b0; c11 += w1 * b1; c12 += w1 * b2; c13 += w1 * b3;
        c20 += w2 * b0; c21 += w2 * b1; c22 += w2 * b2; c23 += w2 * b3;
        c30 += w3 * b0; c31 += w3 * b1; c32 += w3 * b2; c33 += w3 * b3;
      }
      const last = Math.min(4, columns - j);
      put(out, i * columns + j, last, bias ? bias[i] : 0, c00, c01, c02, c03);
      put(out, i1 * columns + j, last, bias ? bias[i1] : 0, c10, c11, c12, c13);
      put(out, i2 * columns + j, last, bias ? bias[i2] : 0, c20, c21, c22, c23);
      put(out, i3 * columns + j, last, bias ? bias[i3] : 0, c30, c31, c32, c33);
    }
  }
}

function put(out, start, count, bias, c0, c1, c2, c3) {
  out[start] = c0 + bias;
  if (count > 1) out[start + 1] = c1 + bias;
  if (count > 2) out[start + 2] = c2 + bias;
  if (count > 3) out[start + 3] = c3 + bias;
}

function dot(a, i, b, j, count) {
  let sum = 0;
  for (let k = 0; k < count; k += 1) sum += a[i + k] * b[j + k];
  return sum;
}

// Return the places of all elements of a shape, in order, where a step along dimension d moves by steps[d].
export function positions(shape, steps, start = 0) {
  const places = new Int32Array(sizeOf(shape));
  places[0] = start;
  let known = 1;
  for (let dim = shape.length - 1; dim >= 0; dim -= 1) {
    const block = known;
    for (let k = 1; k < shape[dim]; k += 1) {
      for (let n = 0; n < block; n += 1) places[known++] = places[n] + k * steps[dim];
    }
  }
  return places;
}

function stridesOf(shape) {
  const steps = new Array(shape.length).fill(1);
  for (let dim = shape.length - 2; dim >= 0; dim -= 1) steps[dim] = steps[dim + 1] * shape[dim + 1];
  return steps;
}

function sizeOf(shape) {
  return shape.reduce((product, side) => product * side, 1);
}

// Return the place in `x` of each element of a shape that it is broadcast to.
function spreadOver(x, shape) {
  const missing = shape.length - x.shape.length;
  const own = stridesOf(x.shape);
  return positions(shape, shape.map((_, dim) => (dim < missing || x.shape[dim - missing] === 1 ? 0 : own[dim - missing])));
}

function gather(out, x, places) {
  return () => {
    for (let k = 0; k < places.length; k += 1) out.data[k] = x.data[places[k]];
  };
}

// Return the function that reduces, for each place of `outer`, the values at `outer + inner`.
function reduction(out, x, outer, inner, name) {
  const [first, next, last] = REDUCTIONS[name];
  return () => {
    for (let k = 0; k < outer.length; k += 1) {
      let value = first;
      for (let n = 0; n < inner.length; n += 1) value = next(value, x.data[outer[k] + inner[n]]);
      out.data[k] = last(value, inner.length);
    }
  };
}

// Return an array of the image with a border of zeros, and the function that fills it.
function withBorder(x, [vertical, horizontal]) {
  if (!vertical && !horizontal) return [x.data, () => {}];
  const [, channels, height, width] = x.shape;
  const [tall, wide] = [height + 2 * vertical, width + 2 * horizontal];
  const bordered = new Float32Array(channels * tall * wide);
  return [bordered, () => {
    for (let row = 0; row < channels * height; row += 1) {
      const to = (Math.floor(row / height) * tall + (row % height) + vertical) * wide + horizontal;
      bordered.set(x.data.subarray(row * width, (row + 1) * width), to);
    }
  }];
}

// Return the source index of each target index: the nearest one, as PyTorch rounds it.
function scaled(target, source) {
  const scale = Math.fround(source / target);
  return Array.from({ length: target }, (_, k) => Math.min(Math.floor(Math.fround(k * scale)), source - 1));
}

// Return [lower index, upper index, weight of the upper] of each target index, pixel centres aligned.
function weighted(target, source) {
  return Array.from({ length: target }, (_, k) => {
    const place = Math.max(((k + 0.5) * source) / target - 0.5, 0);
    const low = Math.min(Math.floor(place), source - 1);
    return [low, Math.min(low + 1, source - 1), place - low];
  });
}

// Return the probability that a standard normal number is below x (Abramowitz and Stegun 1964, 7.1.26: error 1.5e-7).
export function normalCdf(x) {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const upper = 0.5 * tail * Math.exp(-z * z);
  return x > 0 ? 1 - upper : upper;
}
