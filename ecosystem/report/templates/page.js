const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const made = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);

/** What was packed as gzip in base64. */
async function unpacked(letters) {
  const packed = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// Vega looks texts up in plain objects, where it finds "constructor" though nobody has put it there: such names get a space of no width.
const NOTHING = "\u200b";
const guarded = (key, value) => typeof value === "string" && value in {} ? value + NOTHING : value;
const plain = (value) => typeof value === "string" && value.endsWith(NOTHING) && value.slice(0, -1) in {} ? value.slice(0, -1) : value;

const data = document.getElementById("data");
const page = JSON.parse(data.type === "text/plain" ? await unpacked(data.textContent) : data.textContent);
const { looks } = page, specs = JSON.parse(JSON.stringify(page.specs), guarded), told = new Map(Object.entries(page.told));
const dark = matchMedia("(prefers-color-scheme: dark)");
