// A line chart as SVG: axes, lines of points, one mark a line where wanted.

const AREA = { width: 520, height: 250, left: 46, right: 12, top: 10, bottom: 36 };

function ticks(low, high, most = 5) {
  const rough = (high - low) / most || 1;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * ten).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

// lines: {points: [[x, y]…] (y may be null), colour, width, dash, opacity, mark: x or null}
function lineChart(words, xName, yName, lines, yLimits = null) {
  const points = lines.flatMap((line) => line.points).filter(([, y]) => y !== null);
  if (!points.length) return make("p", { class: "small" }, `${yName}: no history.`);
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [x0, x1] = [0, Math.max(...xs)];
  const [y0, y1] = yLimits ?? [Math.min(0, ...ys), Math.max(...ys) * 1.05];
  const x = (value) => AREA.left + ((value - x0) / (x1 - x0 || 1)) * (AREA.width - AREA.left - AREA.right);
  const y = (value) => AREA.height - AREA.bottom - ((value - y0) / (y1 - y0 || 1)) * (AREA.height - AREA.top - AREA.bottom);
  const chart = draw("svg", { viewBox: `0 0 ${AREA.width} ${AREA.height}`, role: "img", "aria-label": words, class: "chart" });
  for (const value of ticks(y0, y1)) {
    chart.append(draw("line", { x1: AREA.left, x2: AREA.width - AREA.right, y1: y(value), y2: y(value), class: "grid" }),
      draw("text", { x: AREA.left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  for (const value of ticks(x0, x1)) {
    chart.append(draw("text", { x: x(value), y: AREA.height - AREA.bottom + 16, "text-anchor": "middle" }, value.toLocaleString("en")));
  }
  chart.append(draw("text", { x: (AREA.left + AREA.width) / 2, y: AREA.height - 3, "text-anchor": "middle" }, xName),
    draw("text", { x: 11, y: AREA.height / 2 - 10, "text-anchor": "middle", transform: `rotate(-90 11 ${AREA.height / 2 - 10})` }, yName));
  for (const line of lines) {
    const there = line.points.filter(([, value]) => value !== null);
    const path = there.map(([at, value], place) => `${place ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    chart.append(draw("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": line.width,
      "stroke-dasharray": line.dash ?? "", "stroke-opacity": line.opacity ?? 1 }));
    const best = there.find(([at]) => at === line.mark);
    if (best) chart.append(draw("circle", { cx: x(best[0]), cy: y(best[1]), r: 4.5, fill: line.colour, stroke: "#fff", "stroke-width": 1.5 }));
  }
  return chart;
}

// entries: [words, colour, dash, width]
function legend(entries) {
  return make("ul", { class: "legend" }, ...entries.map(([words, colour, dash, width]) => make("li", {},
    draw("svg", { viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true" },
      draw("line", { x1: 0, x2: 26, y1: 4, y2: 4, stroke: colour, "stroke-width": width ?? 2.5, "stroke-dasharray": dash ?? "" })), words)));
}
