// ---- charts: drawn where they are seen, as wide as there is room, in the look of the reader's system ----

const WIDEST = 1.7, NARROW = 560, SMALLEST = 0.82; // of its own size: how far a chart grows, and how far it is shrunk
const GAP = 64, AXIS = 46;                         // between panels, and beside each
const drawn = new Map();                           // views, and what Vega made of them
const pencil = document.createElement("canvas").getContext("2d");

/** Text in lines of so many pixels; what is in lines already stays so. */
function wrapped(text, room, font) {
  pencil.font = font;
  return [text ?? []].flat().flatMap((line) => {
    const lines = [""];
    for (const word of String(line).split(" ")) {
      const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
      if (pencil.measureText(longer).width <= room || !lines.at(-1)) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  });
}

/** All parts of a specification that hold others or marks, the outer ones first. */
function* parts(spec) {
  yield spec;
  for (const inner of [spec.spec, ...["layer", "hconcat", "vconcat", "concat"].flatMap((key) => spec[key] ?? [])]) if (inner) yield* parts(inner);
}

const continuous = (spec) => [...parts(spec)].some(({ encoding: { x } = {} }) => x && (x.datum !== undefined || ["quantitative", "temporal"].includes(x.type)));
const own = (spec) => typeof spec.width === "number" ? spec.width : spec.width === undefined && continuous(spec) ? looks.light.view.continuousWidth : 0;

/** How wide the plots of a specification are side by side, without their axes: what a factor changes. */
function stretch(spec) {
  if (spec.spec) return (spec.columns ?? 1) * (stretch(spec.spec) || own(spec.spec));
  const inner = (key) => (spec[key] ?? []).map(stretch);
  if (spec.hconcat) return inner("hconcat").reduce((a, b) => a + b, 0);
  if (spec.concat) return (spec.columns ?? spec.concat.length) * Math.max(0, ...inner("concat"));
  return spec.vconcat ? Math.max(0, ...inner("vconcat")) : own(spec);
}

/** A copy with as many panels side by side as there is room for; of those that do not fill a row, rows are alike. */
function columned(spec, room) {
  const copy = structuredClone(spec);
  for (const part of parts(copy)) {
    if (part.hconcat) { part.concat = part.hconcat; delete part.hconcat; part.columns = part.concat.length; }
    const count = part.facet ? part.facet.sort?.length ?? part.columns : part.concat?.length;
    if (!count) continue;
    const width = Math.max(...(part.spec ? [part.spec] : part.concat).map(own));
    const most = Math.max(1, Math.min(count, width ? Math.floor((room + GAP) / (0.8 * width + GAP + AXIS)) : room < NARROW ? 1 : part.columns ?? count));
    part.columns = Math.ceil(count / Math.ceil(count / most));
  }
  return copy;
}

/** A copy with its widths scaled, and its words in the lines that there is room for. */
function fitted(spec, factor, room) {
  const copy = structuredClone(spec), narrow = room < NARROW, { font } = looks.light;
  for (const part of parts(copy)) {
    if (typeof part.width === "number") part.width = Math.max(90, Math.round(part.width * factor));
    if (part.title) {
      const title = typeof part.title === "object" && !Array.isArray(part.title) ? part.title : { text: part.title };
      part.title = { ...title, text: wrapped(title.text, room - 20, `bold 13px ${font}`), subtitle: wrapped(title.subtitle, room - 20, `11px ${font}`) };
    }
    for (const one of part.params ?? []) if (one.name === "letters") one.value = Math.floor(one.value * factor); // that a bar has room for
    for (const one of part.params ?? []) if (one.bind === "legend") { delete one.bind; one.select = { ...one.select, on: "never", clear: false }; } // the page has pointing of its own
    if (!narrow) continue;
    for (const [channel, code] of Object.entries(part.encoding ?? {})) {
      if (code.legend) Object.assign(code.legend, { orient: "bottom", labelLimit: 130, gradientLength: 0.6 * room }, code.legend.columns ? { columns: Math.floor(room / 150) } : {});
      const title = code.axis?.title ?? code.title;
      if (channel === "x" && title) { const lines = wrapped(title, 0.62 * room, `11px ${font}`); if (code.axis?.title) code.axis.title = lines; else code.title = lines; }
      if (code.axis?.labelLimit) code.axis.labelLimit = Math.min(code.axis.labelLimit, 0.32 * room);
      if (channel === "y" && code.axis?.labelExpr === looks.rows.wide) code.axis.labelExpr = looks.rows.narrow;
    }
  }
  return copy;
}

function lookOf(factor, narrow) {
  const config = structuredClone(looks[dark.matches ? "dark" : "light"]);
  config.view.continuousWidth = Math.max(140, Math.round(config.view.continuousWidth * factor));
  if (narrow) { Object.assign(config.legend, { orient: "bottom", labelLimit: 130 }); config.axis.labelLimit = 110; config.header.labelLimit = 300; config.padding = 2; }
  return config;
}

async function draw(view) {
  const room = view.clientWidth;
  const spec = columned(specs[view.dataset.chart], room), wide = stretch(spec);
  let factor = wide ? Math.min(WIDEST, Math.max(0.2, (room - 110) / wide)) : 1;
  try {
    for (let attempt = 0; attempt < 4; attempt += 1) {
      drawn.get(view)?.finalize();
      view.replaceChildren();
      drawn.set(view, await vegaEmbed(view, fitted(spec, factor, room), {
        mode: "vega-lite", renderer: "svg", config: lookOf(factor, room < NARROW), tooltip: true, actions: false,
      }));
      const spare = room - Number(view.querySelector("svg").getAttribute("width"));
      const next = wide ? Math.min(WIDEST, Math.max(0.2, factor + (spare - 1) / wide)) : factor;
      if ((spare >= 0 && spare < 16) || Math.abs(next - factor) < 0.005) break;
      factor = next;
    }
    const svg = view.querySelector("svg");
    for (const empty of svg.querySelectorAll("g[role]:empty")) empty.removeAttribute("role"); // a layer of no marks is no picture
    svg.style.minWidth = `${SMALLEST * Number(svg.getAttribute("width"))}px`;
  } catch (error) {
    view.replaceChildren(made("p", `This chart could not be drawn (${error.message}); its numbers are below.`, { className: "soft" }));
  }
  if (view.scrollWidth > view.clientWidth + 1) Object.assign(view, { tabIndex: 0 }); else view.removeAttribute("tabindex");
  view.dataset.drawn = `${room} ${dark.matches}`;
  reach(view);
}

const stale = (view) => view.clientWidth && view.dataset.drawn !== `${view.clientWidth} ${dark.matches}`;
let turn = Promise.resolve();

/** Draw all charts that are seen and not as they should be; one after the other, whoever asks. */
function redraw() {
  turn = turn.then(async () => {
    document.documentElement.dataset.look = dark.matches ? "dark" : "light";
    for (const view of all(".view")) if (stale(view)) await draw(view);
    highlight();
  });
  return turn;
}

dark.addEventListener("change", redraw);
let waiting;
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 150); });
