// The viewer: three planes of a packed case on plain canvases, with contours that are switched on and off.

const viewer = dataOf("viewer-data");
const [TRUTH, MASK] = [0, 1]; // the first layers; the scenarios follow
const DASHES = [[], [4, 4], [], [8, 5], [2.5, 3], [9, 3, 2, 3], [1, 3], [12, 4]];
const dashOf = (layer) => DASHES[layer % DASHES.length];
const WINDOWS = { "soft tissue": [40, 400], brain: [40, 100], bone: [500, 1800], lung: [-600, 1500] };
const state = { place: -1, volume: null, at: [0, 0, 0], centre: 0, width: 400, hidden: new Set(), structure: 0, cross: true };
const sheet = document.createElement("canvas"); // a slice at its own resolution

const viewable = (arm, name) => {
  const place = viewer.cases.findIndex((about) => about.arm === arm && about.case === name);
  return place < 0 ? null : place;
};

async function unpack(place) {
  const about = viewer.cases[place];
  const bytes = Uint8Array.from(atob(byId(`volume-${place}`).textContent.trim()), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const all = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = about.shape[0] * about.shape[1] * about.shape[2];
  const part = (index) => all.subarray(index * size, (index + 1) * size);
  return { ...about, ct: part(0), labels: about.layers.map((_, index) => part(index + 1)) };
}

// The window as a table from CT step to grey (opaque, four bytes a pixel).
function greys() {
  const low = state.centre - state.width / 2;
  const shades = viewer.levels_hu.map((hu) => Math.max(0, Math.min(255, Math.round(((hu - low) / state.width) * 255))));
  return Uint32Array.from(shades, (shade) => (0xff000000 | (shade * 0x010101)) >>> 0);
}

function paintCt(context, slice, width, height) {
  const image = new ImageData(slice.columns, slice.rows);
  const table = greys();
  new Uint32Array(image.data.buffer).set(Uint32Array.from(slice.pixels, (step) => table[step]));
  [sheet.width, sheet.height] = [slice.columns, slice.rows];
  sheet.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(sheet, 0, 0, width, height);
}

// All dark rims first, so that none hides a line; then the lines, the truth widest and lowest.
function paintContours(context, plane, index, scaleX, scaleY, ratio) {
  const { volume } = state;
  const lines = volume.layers.flatMap(({ colour }, layer) => {
    if (state.hidden.has(layer)) return [];
    const slice = sliceOf(volume.labels[layer], volume.shape, plane, index);
    const wanted = layer === MASK ? [1] : state.structure ? [state.structure] : volume.structures.map((_, place) => place + 1);
    return wanted.map((value) => ({ path: outlineOf(slice, value, scaleX, scaleY), colour, layer }));
  });
  [context.strokeStyle, context.lineWidth] = ["rgb(10 14 18 / 60%)", 4.2 * ratio];
  for (const { path } of lines) context.stroke(path);
  for (const { path, colour, layer } of lines) {
    context.setLineDash(dashOf(layer).map((length) => length * ratio));
    [context.strokeStyle, context.lineWidth] = [colour, (layer === TRUTH ? 2.6 : 1.8) * ratio];
    context.stroke(path);
  }
  context.setLineDash([]);
}

function paintMarks(context, plane, width, height, scaleX, scaleY, ratio) {
  const { shape, spacing_mm: spacing } = state.volume;
  if (state.cross) {
    const row = plane.flipped ? shape[plane.rows] - 1 - state.at[plane.rows] : state.at[plane.rows];
    [context.strokeStyle, context.lineWidth] = ["rgb(255 235 120 / 55%)", ratio];
    context.beginPath();
    context.moveTo((state.at[plane.columns] + 0.5) * scaleX, 0);
    context.lineTo((state.at[plane.columns] + 0.5) * scaleX, height);
    context.moveTo(0, (row + 0.5) * scaleY);
    context.lineTo(width, (row + 0.5) * scaleY);
    context.stroke();
  }
  const [left, right, top, bottom] = plane.letters;
  context.font = `${12 * ratio}px sans-serif`;
  [context.fillStyle, context.strokeStyle, context.lineWidth] = ["#fff", "#101418", 3 * ratio];
  const write = (words, x, y, align) => {
    context.textAlign = align;
    context.strokeText(words, x, y);
    context.fillText(words, x, y);
  };
  write(left, 6 * ratio, height / 2, "left");
  write(right, width - 6 * ratio, height / 2, "right");
  write(top, width / 2, 15 * ratio, "center");
  write(bottom, width / 2, height - 6 * ratio, "center");
  const bar = (20 / spacing[plane.columns]) * scaleX; // 20 mm
  context.fillRect(8 * ratio, height - 10 * ratio, bar, 2.5 * ratio);
  write("20 mm", 8 * ratio, height - 15 * ratio, "left");
}

function paint(name) {
  const { volume } = state;
  const plane = PLANES[name];
  const canvas = byId(`plane-${name}`);
  const [rows, columns] = [volume.shape[plane.rows], volume.shape[plane.columns]];
  const aspect = (columns * volume.spacing_mm[plane.columns]) / (rows * volume.spacing_mm[plane.rows]);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(Math.max(canvas.clientWidth, 160) * ratio);
  canvas.height = Math.round(canvas.width / aspect);
  const context = canvas.getContext("2d");
  const [scaleX, scaleY] = [canvas.width / columns, canvas.height / rows];
  const index = state.at[plane.axis];
  paintCt(context, sliceOf(volume.ct, volume.shape, plane, index), canvas.width, canvas.height);
  paintContours(context, plane, index, scaleX, scaleY, ratio);
  paintMarks(context, plane, canvas.width, canvas.height, scaleX, scaleY, ratio);
  const words = `${name} slice ${index + 1} of ${volume.shape[plane.axis]}`;
  canvas.setAttribute("aria-label", `${volume.arm}, ${volume.case}, ${words}, with contours of ${shownLayers().join(", ") || "nothing"}`);
  byId(`where-${name}`).textContent = words;
  byId(`slide-${name}`).max = volume.shape[plane.axis] - 1;
  byId(`slide-${name}`).value = index;
}

const shownLayers = () => state.volume.layers.filter((_, layer) => !state.hidden.has(layer)).map((layer) => layer.name);

function paintAll() {
  if (!state.volume) return;
  for (const name of Object.keys(PLANES)) paint(name);
}

function readOut([z, y, x]) {
  const { volume } = state;
  const [, rows, columns] = volume.shape;
  const voxel = (z * rows + y) * columns + x;
  const found = volume.layers.map((layer, index) => {
    const value = volume.labels[index][voxel];
    return value ? `${layer.name}${index === MASK ? "" : ": " + (volume.structures[value - 1] ?? value)}` : null;
  });
  byId("readout").textContent = [`${viewer.levels_hu[volume.ct[voxel]]} HU`, ...found.filter(Boolean)].join(" · ");
}

function goTo(axis, index) {
  state.at[axis] = Math.max(0, Math.min(state.volume.shape[axis] - 1, index));
  paintAll();
  readOut(state.at);
}

function voxelUnder(event, plane) {
  const box = event.target.getBoundingClientRect();
  const { shape } = state.volume;
  const within = (share, length) => Math.max(0, Math.min(length - 1, Math.floor(share * length)));
  const row = within((event.clientY - box.top) / box.height, shape[plane.rows]);
  const place = [...state.at];
  place[plane.rows] = plane.flipped ? shape[plane.rows] - 1 - row : row;
  place[plane.columns] = within((event.clientX - box.left) / box.width, shape[plane.columns]);
  return place;
}

function setWindow(centre, width) {
  state.centre = Math.round(centre);
  state.width = Math.max(1, Math.round(width));
  byId("centre").value = state.centre;
  byId("width").value = state.width;
  const ends = [state.centre - state.width / 2, state.centre + state.width / 2];
  byId("window-words").textContent = `${ends.join(" to ")} HU`.replaceAll("-", "−");
  paintAll();
}

// Drag with the right button: left and right the width, up and down the centre, as on a workstation.
function drag(event, plane) {
  if (event.buttons === 2) setWindow(state.centre - event.movementY * 2, state.width + event.movementX * 4);
  else if (event.buttons === 1) { state.at = voxelUnder(event, plane); paintAll(); }
  readOut(voxelUnder(event, plane));
}

const STEPS = { ArrowUp: 1, ArrowDown: -1, ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 };
function listen(name, plane) {
  const canvas = byId(`plane-${name}`);
  canvas.addEventListener("mousedown", (event) => { canvas.focus(); drag(event, plane); });
  canvas.addEventListener("mousemove", (event) => drag(event, plane));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return; // the page scrolls until a plane is clicked
    event.preventDefault();
    goTo(plane.axis, state.at[plane.axis] - Math.sign(event.deltaY));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    goTo(plane.axis, state.at[plane.axis] + STEPS[event.key]);
  });
  byId(`slide-${name}`).addEventListener("input", (event) => goTo(plane.axis, Number(event.target.value)));
  byId(`large-${name}`).addEventListener("click", () => { byId("planes").dataset.main = name; paintAll(); });
}

function toggle(layer) {
  if (!state.hidden.delete(layer)) state.hidden.add(layer);
  byId(`layer-${layer}`).checked = !state.hidden.has(layer);
  paintAll();
}

function layerSwitches(volume) {
  return volume.layers.map(({ name, colour }, layer) => {
    const dash = dashOf(layer).join(" ");
    return make("label", { class: "switch" },
      make("input", { type: "checkbox", id: `layer-${layer}`, checked: !state.hidden.has(layer), onchange: () => toggle(layer) }),
      draw("svg", { viewBox: "0 0 30 10", width: 30, height: 10, "aria-hidden": "true" },
        draw("rect", { width: 30, height: 10, rx: 2, fill: "#20272e" }),
        draw("line", { x1: 3, x2: 27, y1: 5, y2: 5, stroke: colour, "stroke-width": 2.4, "stroke-dasharray": dash })),
      name, make("kbd", {}, String(layer + 1)));
  });
}

function scoresOf(volume) {
  const rows = Object.entries(volume.dice).map(([name, values]) => [name, ...values.map(dice)]);
  return table("Dice of this case", ["Dice of this case", ...volume.structures], rows);
}

async function open(place) {
  if (place !== state.place) {
    state.place = place;
    const volume = await unpack(place);
    if (state.place !== place) return; // another case was asked for meanwhile
    Object.assign(state, { volume, at: [...volume.start], structure: 0 });
    byId("planes").dataset.ready = "";
    byId("case").value = place;
    byId("layers").replaceChildren(...layerSwitches(volume));
    byId("structure").replaceChildren(...["all structures", ...volume.structures].map((name, value) => make("option", { value }, name)));
    byId("case-scores").replaceChildren(scoresOf(volume));
    byId("viewer-kind").textContent = volume.synthetic ? "SYNTHETIC data" : "";
    setWindow((volume.clip_hu[0] + volume.clip_hu[1]) / 2, volume.clip_hu[1] - volume.clip_hu[0]);
    readOut(state.at);
  }
}

function startViewer() {
  byId("case").replaceChildren(...viewer.cases.map((about, place) => make("option", { value: place }, `${about.arm}: ${about.case}`)));
  byId("case").addEventListener("change", (event) => open(Number(event.target.value)));
  byId("structure").addEventListener("change", (event) => { state.structure = Number(event.target.value); paintAll(); });
  byId("centre").addEventListener("input", (event) => setWindow(Number(event.target.value), state.width));
  byId("width").addEventListener("input", (event) => setWindow(state.centre, Number(event.target.value)));
  byId("cross").addEventListener("change", (event) => { state.cross = event.target.checked; paintAll(); });
  for (const [name, limits] of Object.entries(WINDOWS)) {
    byId("windows").append(make("button", { type: "button", onclick: () => setWindow(...limits) }, name), " ");
  }
  for (const [name, plane] of Object.entries(PLANES)) listen(name, plane);
  byId("viewer").addEventListener("keydown", (event) => {
    const layer = Number(event.key) - 1;
    if (state.volume && state.volume.layers[layer] && event.target.type !== "number") toggle(layer);
  });
  new ResizeObserver(paintAll).observe(byId("planes"));
  const near = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    near.disconnect();
    if (state.place < 0) open(0);
  }, { rootMargin: "600px" });
  near.observe(byId("viewer"));
}

// Addresses: #cell/brain/modern/ct/4 and #viewer/0; every other one is an anchor of the page.
function route() {
  const [kind, ...rest] = decodeURIComponent(location.hash.slice(1)).split("/");
  const cell = kind === "cell" ? cellAt.get(rest.join("/")) : null;
  if (cell) {
    show(cell);
    byId("cell").scrollIntoView({ block: "nearest" });
    byId("cell-title").focus({ preventScroll: true });
  } else if (kind === "viewer" && viewer.cases[rest[0]]) {
    byId("viewer").scrollIntoView();
    open(Number(rest[0]));
  }
}

if (viewer.cases.length) startViewer();
if (known.cells.length) show(known.cells.findLast((cell) => cell.arm === known.cells[0].arm && cell.variant === known.cells[0].variant));
window.addEventListener("hashchange", route);
window.addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
document.addEventListener("click", (event) => { // the address that is there already does not change
  if (event.target.closest?.("a")?.hash === location.hash) route();
});
route();
