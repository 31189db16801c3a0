// Every table sorts by the heading that is pressed and copies as CSV or LaTeX.

const textOf = (cell) => cell.textContent.replace(/\s+/g, " ").trim();
const headingsOf = (table) => [...table.tHead.rows[table.tHead.rows.length - 1].cells];
const isRow = (row) => !row.classList.contains("group");

function sortKey(text) {
  const number = parseFloat(text.replaceAll("−", "-").replace(/[,  ](?=\d{3})/g, "").replace(/^[<>≈\s]+/, ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

function compare(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  return typeof a === "number" ? -1 : 1; // numbers before words, and words such as a dash stay last
}

function sortBy(table, place, heading) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of headingsOf(table)) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.classList.add("sorted");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter(isRow).map((row) => [sortKey(textOf(row.cells[place])), row]);
    rows.sort(([a], [b]) => (down && typeof a === typeof b ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  }
}

// Columns in full: a heading that spans others stands before each of theirs.
function columnsOf(table) {
  const groups = table.tHead.rows.length > 1 ? [...table.tHead.rows[0].cells] : [];
  const above = groups.flatMap((cell) => Array(cell.colSpan).fill(textOf(cell)));
  return headingsOf(table).map((cell, place) => `${above[place] ?? ""} ${textOf(cell)}`.trim());
}

function gridOf(table) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter(isRow);
  return [columnsOf(table), ...rows.map((row) => [...row.cells].map(textOf))];
}

const csvCell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const asCsv = (grid) => grid.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";

const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "–": "--", "−": "$-$",
  "±": "$\\pm$", "×": "$\\times$", "∞": "$\\infty$", " ": "~", "<": "$<$", ">": "$>$" };
for (const sign of "&%$#_{}") TEX[sign] = `\\${sign}`;
const texCell = (text) => [...text].map((sign) => TEX[sign] ?? sign).join("");

function asLatex([columns, ...rows]) {
  const line = (row) => `${row.map(texCell).join(" & ")} \\\\`;
  const body = ["\\toprule", line(columns), "\\midrule", ...rows.map(line), "\\bottomrule"];
  return [`\\begin{tabular}{${"l".repeat(columns.length)}}`, ...body, "\\end{tabular}", ""].join("\n");
}

function copier(table, name, write) {
  const button = make("button", { type: "button", onclick: async () => {
    await copy(write(gridOf(table)));
    button.textContent = "copied";
    setTimeout(() => { button.textContent = name; }, 1500);
  } }, name);
  button.dataset.copies = name;
  return button;
}

function equip(table) {
  headingsOf(table).forEach((heading, place) => {
    const inner = make("button", { type: "button", class: "sort", onclick: () => sortBy(table, place, heading) });
    inner.append(...heading.childNodes);
    heading.append(inner);
  });
  const tools = make("div", { class: "tools" }, "copy as ", copier(table, "CSV", asCsv), " ", copier(table, "LaTeX", asLatex));
  table.after(tools);
}

for (const table of document.querySelectorAll("table.plain, table.results, table.claims")) equip(table);
