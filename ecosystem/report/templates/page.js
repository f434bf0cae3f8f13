const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const made = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);

/** What was packed as gzip in base64. */
async function unpacked(letters) {
  const packed = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const data = document.getElementById("data");
const { specs, looks, told: sentences } = JSON.parse(data.type === "text/plain" ? await unpacked(data.textContent) : data.textContent);
const told = new Map(Object.entries(sentences));
const dark = matchMedia("(prefers-color-scheme: dark)");
