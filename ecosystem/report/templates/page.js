"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const { specs, looks, told } = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const made = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });

  // ---- charts: drawn where they are seen, as wide as there is room, in the look of the reader's system ----

  const NESTED = ["layer", "hconcat", "vconcat", "concat"];

  /** A copy of a specification with its widths scaled; on a phone panels stand below each other. */
  function fitted(spec, factor, narrow) {
    const copy = structuredClone(spec);
    const walk = (part) => {
      if (typeof part.width === "number") part.width = Math.max(90, Math.round(part.width * factor));
      if (narrow && part.columns > 1) part.columns = 1;
      if (part.spec) walk(part.spec);
      for (const key of NESTED) for (const inner of part[key] ?? []) walk(inner);
    };
    walk(copy);
    return copy;
  }

  function lookOf(factor) {
    const config = structuredClone(looks[dark.matches ? "dark" : "light"]);
    config.view.continuousWidth = Math.max(140, Math.round(config.view.continuousWidth * factor));
    return config;
  }

  async function draw(view) {
    const spec = specs[view.dataset.chart], room = view.clientWidth;
    if (!spec || !room) return;
    view.dataset.drawn = `${room} ${dark.matches}`;
    const narrow = room < 560;
    let factor = 1;
    try {
      for (let attempt = 0; attempt < 3; attempt += 1) {
        view.replaceChildren();
        await vegaEmbed(view, fitted(spec, factor, narrow), {
          mode: "vega-lite", renderer: "svg", config: lookOf(factor), tooltip: true,
          actions: { export: true, source: false, compiled: false, editor: false },
        });
        const excess = Number(view.querySelector("svg")?.getAttribute("width")) - room;
        if (!(excess > 1)) break;
        factor *= Math.max(0.3, (room - 90) / (room - 90 + excess));
      }
    } catch (error) {
      view.replaceChildren(Object.assign(made("p", `This chart could not be drawn (${error.message}); its numbers are below.`), { className: "soft" }));
    }
    highlight();
  }

  const stale = (view) => view.dataset.drawn !== `${view.clientWidth} ${dark.matches}`;
  const redraw = async () => { for (const view of all(".view")) if (view.clientWidth && stale(view)) await draw(view); };

  // ---- the numbers of a chart: a table made of its data, and a download ----

  const csv = (columns, rows) => [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))]
    .map((line) => line.map((value) => /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value).join(",")).join("\n") + "\n";
  const digits = (value) => typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value ?? "–");

  function save(name, blob) {
    const link = Object.assign(made("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function numbers(details) {
    if (details.querySelector("table")) return;
    const sets = Object.values(specs[details.dataset.chart].datasets ?? {});
    const rows = sets.sort((a, b) => b.length - a.length)[0] ?? [];
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => !name.startsWith("_"));
    const table = made("table"), head = made("tr"), body = made("tbody");
    head.append(...columns.map((name) => Object.assign(made("th", name.replaceAll("_", " ")), { scope: "col" })));
    body.append(...rows.slice(0, 100).map((row) => {
      const line = made("tr");
      line.append(...columns.map((name) => made("td", digits(row[name]))));
      return line;
    }));
    table.append(made("thead"), body);
    table.tHead.append(head);
    const box = Object.assign(made("div"), { className: "rows", tabIndex: 0 });
    box.append(table);
    const button = Object.assign(made("button", `Download all ${rows.length} rows (CSV)`), { type: "button", className: "download" });
    button.addEventListener("click", () => save(`${details.dataset.chart}.csv`, new Blob([csv(columns, rows)], { type: "text/csv" })));
    details.append(box, button);
  }

  async function unpack(button) {
    const name = button.dataset.file;
    const packed = Uint8Array.from(atob(document.getElementById(`whole-${name}`).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    save(`${name}.csv`, await new Response(stream).blob());
  }

  // ---- pointing: what is pointed at, or held by a click, is seen everywhere ----

  let held = null, over = null;

  /** What an element is about: a member, or a flow from a source to a target. */
  function about(data) {
    if (!data) return null;
    if (data.source && data.target) return { source: String(data.source), target: String(data.target) };
    return data.member === undefined || data.member === null || data.member === "" ? null : { member: String(data.member) };
  }

  function pointed(target) {
    const mark = target?.__data__?.datum && target.closest?.(".view") ? about(target.__data__.datum) : null;
    return mark ?? about(target?.closest?.("[data-member],[data-source]")?.dataset);
  }

  /** Whether what is about `one` belongs to what is pointed at. */
  function belongs(one, what) {
    if (what.member !== undefined) return one.member === what.member || one.source === what.member || one.target === what.member;
    if (one.source !== undefined) return one.source === what.source && one.target === what.target;
    return one.member === what.source || one.member === what.target;
  }

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const named = (what) => what.member ?? `${what.source} → ${what.target}`;

  function highlight() {
    const what = over ?? held;
    for (const element of all("[data-member],[data-source]")) {
      if (element.matches("button,.slide")) continue;
      const mine = what !== null && belongs(about(element.dataset) ?? {}, what);
      element.classList.toggle("lit", mine);
      element.classList.toggle("dim", what !== null && !mine && !element.matches("tr"));
    }
    for (const mark of all(".view svg *")) {
      const one = mark.__data__?.datum && mark.__data__.mark?.role === "mark" ? about(mark.__data__.datum) : null;
      if (one) mark.classList.toggle("dim", what !== null && !belongs(one, what));
    }
    const bar = document.getElementById("pointed");
    bar.hidden = held === null;
    if (held !== null) bar.firstElementChild.textContent = told[held.member] ?? named(held);
  }

  const point = (what) => { if (!same(over, what)) { over = what; highlight(); } };
  const hold = (what) => { held = same(held, what) ? null : what; highlight(); };

  document.addEventListener("pointerover", (event) => point(pointed(event.target)));
  document.addEventListener("focusin", (event) => point(pointed(event.target)));
  document.addEventListener("focusout", () => point(null));
  document.addEventListener("click", (event) => {
    if (event.target.closest("#pointed button")) return hold(held);
    const button = event.target.closest("button.download[data-file]");
    if (button) return unpack(button);
    const what = pointed(event.target);
    if (what && !event.target.closest("summary,select,input")) hold(what);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held !== null) hold(held);
    const what = event.target.closest?.("svg [tabindex]") ? pointed(event.target) : null;
    if (what && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); hold(what); }
  });

  // ---- slides: one is seen at a time; those of a group move together ----

  function slide(box, place) {
    const slides = box.querySelectorAll(":scope > .slide");
    slides.forEach((one, i) => { one.hidden = i !== place; });
    const control = box.querySelector(":scope > .control");
    const name = slides[place].dataset.name;
    for (const input of all("input,select", control)) {
      input.value = place;
      input.setAttribute("aria-valuetext", name);
    }
    for (const output of all("output", control)) output.textContent = name;
    return about(slides[place].dataset);
  }

  for (const box of all(".slides")) {
    const control = box.querySelector(":scope > .control");
    if (!control) continue;
    control.hidden = false;
    slide(box, Number(box.dataset.first));
    control.addEventListener("input", (event) => {
      const place = Number(event.target.value), name = box.querySelectorAll(":scope > .slide")[place].dataset.name;
      for (const other of all(`.slides[data-group="${CSS.escape(box.dataset.group)}"]`)) {
        const found = [...other.querySelectorAll(":scope > .slide")].findIndex((one) => one.dataset.name === name);
        if (found >= 0) { held = slide(other, found) ?? (other.querySelector("select") ? null : held); }
      }
      highlight();
      redraw();
    });
  }

  for (const details of all("details.numbers")) details.addEventListener("toggle", () => details.open && numbers(details));
  dark.addEventListener("change", redraw);
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 200); });
  redraw().then(() => { document.documentElement.dataset.ready = "yes"; });
})();
