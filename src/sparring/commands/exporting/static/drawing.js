// A drawing as an example: cut out, scaled and centred by its mass, as `studio/attack/drawing.py` does.

const INK = 0.25;

// Return ink [height, width] from 0 to 1 of ink [tall, wide]. `fill`: longest side, as a fraction of the frame's shorter.
export function centred(ink, tall, wide, fill, height, width) {
  const [top, bottom, left, right] = extentOf(ink, tall, wide);
  const scale = (fill * Math.min(height, width)) / Math.max(bottom - top, right - left);
  const rows = Math.max(1, Math.min(Math.round((bottom - top) * scale), height));
  const columns = Math.max(1, Math.min(Math.round((right - left) * scale), width));
  const small = new Float32Array(rows * columns);
  let [mass, y, x, most] = [0, 0, 0, 0];
  for (let row = 0; row < rows; row += 1) for (let column = 0; column < columns; column += 1) {
    const value = meanOf(ink, wide, top + ((bottom - top) * row) / rows, top + ((bottom - top) * (row + 1)) / rows,
      left + ((right - left) * column) / columns, left + ((right - left) * (column + 1)) / columns);
    small[row * columns + column] = value;
    mass += value;
    y += value * (row + 0.5);
    x += value * (column + 0.5);
    most = Math.max(most, value);
  }
  const down = clipped(Math.round(height / 2 - y / mass), height - rows);
  const across = clipped(Math.round(width / 2 - x / mass), width - columns);
  const frame = new Float32Array(height * width);
  small.forEach((value, k) => { frame[(down + Math.floor(k / columns)) * width + across + (k % columns)] = value / most; });
  return frame;
}

// Return values [C, H, W] in [0, 1] of ink [H, W]: from the level of the paper to that of the ink, both from 0 to 255.
export function inked(frame, { paper, ink }, channels) {
  const values = new Float32Array(channels * frame.length);
  for (let c = 0; c < channels; c += 1) {
    const [light, dark] = [paper[c % paper.length], ink[c % ink.length]];
    frame.forEach((value, k) => { values[c * frame.length + k] = Math.round(light + value * (dark - light)) / 255; });
  }
  return values;
}

function extentOf(ink, tall, wide) {
  const least = INK * ink.reduce((most, value) => Math.max(most, value), 0);
  let [top, bottom, left, right] = [tall, 0, wide, 0];
  ink.forEach((value, k) => {
    if (value <= least) return;
    const [row, column] = [Math.floor(k / wide), k % wide];
    [top, bottom, left, right] = [Math.min(top, row), Math.max(bottom, row + 1), Math.min(left, column), Math.max(right, column + 1)];
  });
  return [top, bottom, left, right];
}

// Return the mean over a box whose sides may cut pixels.
function meanOf(ink, wide, top, bottom, left, right) {
  let [sum, area] = [0, 0];
  for (let row = Math.floor(top); row < bottom; row += 1) for (let column = Math.floor(left); column < right; column += 1) {
    const part = (Math.min(row + 1, bottom) - Math.max(row, top)) * (Math.min(column + 1, right) - Math.max(column, left));
    sum += part * ink[row * wide + column];
    area += part;
  }
  return sum / area;
}

function clipped(value, most) {
  return Math.max(0, Math.min(value, most));
}
