// ---- the numbers of a chart as a table, and downloads: of numbers, pictures and whole tables ----

/** A cell of a CSV file: numbers with all their digits; a text that a spreadsheet would run as a formula gets an apostrophe. */
function cell(value) {
  if (typeof value !== "string") return String(value ?? "");
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const at = (row, name) => Object.hasOwn(row, name) ? plain(row[name]) : null;
const csv = (columns, rows) => [columns, ...rows.map((row) => columns.map((name) => at(row, name)))].map((line) => line.map(cell).join(",") + "\n").join("");
const digits = (value) => typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value ?? "–");

function save(name, blob) {
  const link = made("a", "", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const button = (text, act) => {
  const element = made("button", text, { type: "button", className: "download" });
  element.addEventListener("click", act);
  return element;
};

/** The tables of a chart's data, the longest first; a row alone only places a mark. */
function tables(chart) {
  const sets = Object.values(specs[chart].datasets ?? {}).sort((a, b) => b.length - a.length);
  return sets.filter((rows, i) => i === 0 || rows.length > 1);
}

function numbers(details) {
  if (details.querySelector(".rows,button")) return;
  const name = details.dataset.chart;
  for (const [i, rows] of tables(name).entries()) {
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((column) => !column.startsWith("_"));
    const table = made("table"), head = made("tr"), body = made("tbody");
    head.append(...columns.map((column) => made("th", column.replaceAll("_", " "), { scope: "col" })));
    body.append(...rows.slice(0, 100).map((row) => {
      const line = made("tr");
      line.append(...columns.map((column) => made("td", digits(at(row, column)))));
      return line;
    }));
    table.append(made("thead"), body);
    table.tHead.append(head);
    const box = made("div", "", { className: "rows", tabIndex: 0, role: "region", ariaLabel: "numbers of the chart" });
    box.append(table);
    const words = rows.length > 100 ? `Download all ${rows.length.toLocaleString("en")} rows (CSV)` : "Download (CSV)";
    details.append(box, button(words, () => save(`${name}${i ? `-${i + 1}` : ""}.csv`, new Blob([csv(columns, rows)], { type: "text/csv" }))));
  }
  for (const type of ["svg", "png"]) {
    details.append(" ", button(`Picture (${type.toUpperCase()})`, async () => {
      const view = drawn.get(document.querySelector(`.view[data-chart="${CSS.escape(name)}"]`))?.view;
      if (view) Object.assign(made("a"), { href: await view.toImageURL(type, 2), download: `${name}.${type}` }).click();
    }));
  }
}

for (const details of all("details.numbers")) details.addEventListener("toggle", () => details.open && numbers(details));
document.addEventListener("click", async (event) => {
  const name = event.target.closest("button.download[data-file]")?.dataset.file;
  if (name) save(`${name}.csv`, new Blob([await unpacked(document.getElementById(`whole-${name}`).textContent)], { type: "text/csv" }));
});
