// ---- pointing: what is pointed at, or held by a click, is seen everywhere ----

const MARKED = /^(legend|axis)-(symbol|label)$/;
const REACHED = 40; // names of a chart that the keyboard reaches at most
const marks = new Map(); // of each view: its marks, and what they are about
let held = null, over = null;

/** What data are about: a flow from a source to a target, or a member; a member's part from a source is a flow. */
function about(data) {
  const text = (key) => data && Object.hasOwn(data, key) && data[key] !== null && data[key] !== "" ? String(plain(data[key])) : undefined;
  const [source, target, member] = [text("source"), text("target") ?? text("member"), text("member")];
  if (source !== undefined && target !== undefined) return { source, target };
  return member === undefined ? null : { member };
}

/** The names that a chart knows: what its legends and axes say of them can be pointed at too. */
function known(chart) {
  const rows = Object.values(specs[chart].datasets ?? {}).flat();
  return new Set(rows.flatMap((row) => ["member", "source", "target"].filter((key) => Object.hasOwn(row, key)).map((key) => String(plain(row[key])))));
}

/** Find the marks of a view that has just been drawn, and let the keyboard reach its names. */
function reach(view) {
  const names = known(view.dataset.chart), found = [], reached = new Map();
  for (const element of all("svg *", view)) {
    const item = element.__data__, role = item?.mark?.role;
    if (!role || element.tagName === "g") continue;
    const value = MARKED.test(role) ? String(plain(item.datum.value)) : undefined;
    const one = role === "mark" ? about(item.datum) : names.has(value) ? { member: value } : null;
    if (!one) continue;
    found.push([element, one]);
    element.style.setProperty("--own", element.getAttribute("opacity") ?? 1);
    if (element.tagName === "text" && MARKED.test(role) && !reached.has(value)) reached.set(value, element);
  }
  marks.set(view, found);
  if (reached.size <= REACHED) for (const [name, element] of reached) press(element, name);
}

/** Something drawn that acts as a button; what is written on it is part of its name, for who says the name to press it. */
function press(element, name) {
  const seen = (element.matches("text") ? [element] : all("text", element)).map((text) => text.textContent).join("");
  const label = name.includes(seen) ? name : `${seen}, ${name}`;
  for (const [key, value] of Object.entries({ tabindex: "0", role: "button", "aria-label": label, "aria-pressed": "false" })) element.setAttribute(key, value);
  for (let up = element.closest(".view g"); up; up = up.parentNode.closest(".view g")) {
    for (const key of ["aria-hidden", "role", "aria-label", "aria-roledescription"]) up.removeAttribute(key); // the group would hide it
  }
}

function pointed(target) {
  const view = target?.closest?.(".view");
  if (view) return marks.get(view)?.find(([element]) => element === target)?.[1] ?? null;
  return about(target?.closest?.("[data-member],[data-source]")?.dataset);
}

/** Whether what is about `one` belongs to what is pointed at: to a member its flows, to a flow its members. */
function belongs(one, what) {
  if (what.member !== undefined) return one.member === what.member || one.source === what.member || one.target === what.member;
  if (one.source !== undefined) return one.source === what.source && one.target === what.target;
  return one.member === what.source || one.member === what.target;
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** What is said of something: its sentence, else the drawing's titles of it, else its name. */
function saying(what) {
  const name = what.member ?? `${what.source} → ${what.target}`;
  if (what.member !== undefined) return told.get(name) ?? name;
  const titles = all("svg [data-source] > title").filter((title) => same(about(title.parentNode.dataset), what)).map((title) => title.textContent);
  return told.get(name) ?? ([...new Set(titles)].join("; ") || name);
}

/** Light what belongs, and set back what stands beside it; where nothing belongs, all stays as it is. */
function highlight() {
  const what = over ?? held;
  const groups = [...marks.values()];
  for (const box of all(".network svg,tbody,.grid,main")) {
    const within = all("[data-member],[data-source]", box).filter((element) => !element.matches("button,.slide") && element.parentNode.closest(".network svg,tbody,.grid,main") === box);
    groups.push(within.map((element) => [element, about(element.dataset)]));
  }
  for (const group of groups) {
    const lit = group.map(([, one]) => what !== null && one !== null && belongs(one, what));
    const any = lit.includes(true);
    group.forEach(([element], i) => { element.classList.toggle("lit", lit[i]); element.classList.toggle("dim", any && !lit[i]); });
  }
  const bar = document.getElementById("pointed"), words = held === null ? "" : saying(held);
  if (bar.firstElementChild.textContent !== words) bar.firstElementChild.textContent = words;
  bar.classList.toggle("on", held !== null);
  bar.lastElementChild.hidden = held === null;
  for (const element of all("[aria-pressed]")) element.setAttribute("aria-pressed", String(held !== null && same(pointed(element), held)));
}

const point = (what) => { if (!same(over, what)) { over = what; highlight(); } };
const hold = (what) => { held = same(held, what) ? null : what; highlight(); };
const drawing = (element) => element.closest?.("svg [tabindex]");

for (const element of all(".network svg [tabindex]")) press(element, element.getAttribute("aria-label"));
for (const element of all("button.point")) element.setAttribute("aria-pressed", "false");
document.addEventListener("pointerover", (event) => point(pointed(event.target)));
document.addEventListener("focusin", (event) => point(pointed(event.target)));
document.addEventListener("focusout", () => point(null));
document.addEventListener("click", (event) => {
  if (event.target.closest("#pointed button")) return hold(held);
  const what = pointed(event.target);
  if (what && !event.target.closest("summary,select,input,.download")) hold(what);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { over = null; if (held !== null) hold(held); else highlight(); }
  const what = drawing(event.target) ? pointed(event.target) : null;
  if (what && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); hold(what); }
});
