// The matrix leads to its cells: training curves, Dice by structure, cases from the worst to the best.

const known = dataOf("cell-data");
const MOST_RUNS_IN_WORDS = 3;
const cellAt = new Map(known.cells.map((cell) => [cell.place, cell]));
const labelOf = (cell) => known.scenarios[cell.scenario].label;
const paired = (run, name) => (run.step ?? []).map((step, place) => [step, run[name]?.[place] ?? null]);
const sentence = (cell) => `${cell.arm}, variant ${cell.variant}, ${labelOf(cell)}, n = ${cell.n}`;

function lossChart(cell) {
  const { colour } = known.scenarios[cell.scenario];
  const lines = cell.runs.flatMap((run) => [
    { points: paired(run, "train_loss"), colour, width: 1.4, dash: "5 3", opacity: 0.75 },
    { points: paired(run, "val_loss"), colour, width: 2, mark: run.best_step },
  ]);
  const words = `Loss against optimiser steps, ${sentence(cell)}, ${plural(cell.runs.length, "run")}: training and validation.`;
  const about = legend([["validation", colour], ["training", colour, "5 3", 1.6]]);
  return make("figure", {}, lineChart(words, "Optimiser steps", "Loss", lines), about);
}

function diceChart(cell) {
  const beside = known.cells.filter((other) => other.arm === cell.arm && other.variant === cell.variant && other.n === cell.n);
  beside.sort((a, b) => (a === cell) - (b === cell)); // this one is drawn last, on top
  const lines = beside.flatMap((other) => other.runs.map((run) => ({
    points: paired(run, "val_dice"),
    colour: known.scenarios[other.scenario].colour,
    width: other === cell ? 2.4 : 1.2,
    opacity: other === cell ? 1 : 0.7,
    dash: other === cell ? "" : "2 2",
    mark: other === cell ? run.best_step : null,
  })));
  const words = `Validation Dice against optimiser steps, ${sentence(cell)}, with the other inputs at the same size.`;
  const about = legend(beside.toReversed().map((other) => [labelOf(other), known.scenarios[other.scenario].colour,
    other === cell ? "" : "2 2", other === cell ? 3 : 1.6]));
  return make("figure", {}, lineChart(words, "Optimiser steps", "Validation Dice", lines, [0, 1]), about);
}

function runWords(run) {
  const parts = [`Run ${run.replicate}`];
  if (run.best_step !== null) parts.push(`best weights at step ${run.best_step.toLocaleString("en")}`);
  if (run.best_val_dice !== null) parts.push(`validation Dice ${run.best_val_dice.toFixed(3)}`);
  if (run.hours !== null) parts.push(`after ${run.hours.toPrecision(2)} h`);
  if (run.stopped) parts.push(`stopped by ${run.stopped}`);
  return parts.join(", ");
}

function runsWords(runs) {
  if (runs.length <= MOST_RUNS_IN_WORDS) return `${runs.map(runWords).join(". ")}.`;
  return `${plural(runs.length, "run")}; each stands under Trainings.`;
}

function table(label, heads, rows) {
  const made = make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", { class: "short" }, cell))))));
  const box = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, made);
  equip(made);
  return box;
}

function meter(value) {
  if (value === null) return "–";
  const bar = make("span", { class: "meter", "aria-hidden": "true" });
  bar.style.setProperty("--share", `${100 * value}%`);
  return make("span", {}, bar, dice(value));
}

function caseRows(cell) {
  return cell.cases.map(([name, mean, values]) => {
    const look = viewable(cell.arm, name);
    const first = look === null ? name : make("a", { href: `#viewer/${look}` }, name);
    return [first, meter(mean), ...values.map(dice)];
  });
}

function show(cell) {
  const { structures } = known.arms[cell.arm];
  const kind = known.arms[cell.arm].synthetic ? " (SYNTHETIC data)" : "";
  const scores = cell.structures.map(([mean, sd], place) => [structures[place], meter(mean), dice(sd)]);
  byId("cell").replaceChildren(
    make("h3", { tabindex: -1, id: "cell-title" }, sentence(cell) + kind),
    make("div", { class: "pair" }, lossChart(cell), diceChart(cell)),
    make("p", { class: "small" }, `The dot marks the weights that were kept. ${runsWords(cell.runs)}`),
    make("div", { class: "pair uneven" },
      make("div", {}, make("h4", {}, "Structures"), table("Dice by structure", ["Structure", "Mean Dice", "SD over cases"], scores)),
      make("div", {}, make("h4", {}, "Test cases, the worst first"),
        table("Dice by case", ["Case", "Mean Dice", ...structures], caseRows(cell)),
        make("p", { class: "small" }, cell.runs.length > 1 ? "Means over the runs that tested the case. " : "",
          "A case with a link can be looked at in the viewer, at the largest size."))));
  for (const link of document.querySelectorAll(".matrix a")) {
    if (link.hash === `#cell/${cell.place}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

// Arrow keys go from square to square of a matrix.
function walk(event) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  const cell = event.target.closest("td");
  if (!cell || (!dx && !dy)) return;
  const rows = [...cell.closest("tbody").rows];
  const fromRight = cell.parentElement.cells.length - cell.cellIndex;
  const row = rows[rows.indexOf(cell.parentElement) + dy];
  const next = row?.cells[row.cells.length - fromRight + dx]?.querySelector("a");
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

for (const matrix of document.querySelectorAll(".matrix")) matrix.addEventListener("keydown", walk);
