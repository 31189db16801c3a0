// Slices of a packed case and outlines in them; no drawing. Volumes are (z, y, x), x to the patient's left, y to the
// back, z up; pictures are in radiological convention, the patient's right on the left.

const PLANES = {
  axial: { axis: 0, rows: 1, columns: 2, flipped: false, letters: ["R", "L", "A", "P"] },
  coronal: { axis: 1, rows: 0, columns: 2, flipped: true, letters: ["R", "L", "H", "F"] },
  sagittal: { axis: 2, rows: 0, columns: 1, flipped: true, letters: ["A", "P", "H", "F"] },
};

// A slice as {pixels, rows, columns}; its first row is the top of the picture.
function sliceOf(data, shape, { axis, rows, columns, flipped }, index) {
  const strides = [shape[1] * shape[2], shape[2], 1];
  const pixels = new Uint8Array(shape[rows] * shape[columns]);
  let to = 0;
  for (let row = 0; row < shape[rows]; row += 1) {
    let from = index * strides[axis] + (flipped ? shape[rows] - 1 - row : row) * strides[rows];
    for (let column = 0; column < shape[columns]; column += 1, from += strides[columns]) pixels[to++] = data[from];
  }
  return { pixels, rows: shape[rows], columns: shape[columns] };
}

// Rows and columns of the slice between which a value lies, or null where it does not occur.
function boundsOf({ pixels, columns }, value) {
  const bounds = { top: Infinity, bottom: -1, left: Infinity, right: -1 };
  for (let at = pixels.indexOf(value); at >= 0; at = pixels.indexOf(value, at + 1)) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    bounds.top = Math.min(bounds.top, row);
    bounds.bottom = row;
    bounds.left = Math.min(bounds.left, column);
    bounds.right = Math.max(bounds.right, column);
  }
  return bounds.bottom < 0 ? null : bounds;
}

// Marching squares between voxel centres: of the corners inside (8 top left, 4 top right, 2 bottom right, 1 bottom left)
// the ways from edge to edge (t, r, b, l), with the inside on the right.
const WAYS = { 1: ["lb"], 2: ["br"], 3: ["lr"], 4: ["rt"], 5: ["lt", "rb"], 6: ["bt"], 7: ["lt"], 8: ["tl"], 9: ["tb"],
  10: ["tr", "bl"], 11: ["tr"], 12: ["rl"], 13: ["rb"], 14: ["bl"] };
const EDGE = { t: [2, 1], r: [3, 2], b: [2, 3], l: [1, 2] }; // middle of the edge, in half voxels from the corner

// Where each step of a value's outline leads, points as row * SPAN + column in half voxels.
const SPAN = 65536;
function stepsOf(slice, value) {
  const steps = new Map();
  const bounds = boundsOf(slice, value);
  if (!bounds) return steps;
  const { pixels, rows, columns } = slice;
  const inside = (row, column) => row >= 0 && column >= 0 && row < rows && column < columns && pixels[row * columns + column] === value;
  for (let row = bounds.top - 1; row <= bounds.bottom; row += 1) {
    for (let column = bounds.left - 1; column <= bounds.right; column += 1) {
      const code = 8 * inside(row, column) + 4 * inside(row, column + 1) + 2 * inside(row + 1, column + 1) + inside(row + 1, column);
      for (const [from, to] of WAYS[code] ?? []) {
        const [start, end] = [from, to].map((edge) => (2 * row + EDGE[edge][1]) * SPAN + 2 * column + EDGE[edge][0]);
        steps.set(start, end);
      }
    }
  }
  return steps;
}

// The outline of one value as closed lines, `scaleX` and `scaleY` pixels a voxel.
function outlineOf(slice, value, scaleX, scaleY) {
  const path = new Path2D();
  const steps = stepsOf(slice, value);
  for (const first of steps.keys()) {
    let [at, draw] = [first, "moveTo"];
    while (steps.has(at)) {
      path[draw](((at % SPAN) / 2) * scaleX, (Math.floor(at / SPAN) / 2) * scaleY);
      const next = steps.get(at);
      steps.delete(at);
      [at, draw] = [next, "lineTo"];
    }
    path.closePath();
  }
  return path;
}
