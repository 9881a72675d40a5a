// What the pages are made of: their data, numbers, elements. Everything that came from outside reaches a page as text
// nodes and attribute values only, never as markup.
"use strict";

// The data of the page; null, and said there, when it cannot be read. A large one comes packed (page.cpp): Base64 of gzip.
const readData = async () => {
  const element = document.getElementById("data");
  const text = async () => {
    if (element.type === "application/json") return element.textContent;
    const packed = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  try {
    return JSON.parse(await text());
  } catch (problem) {
    document.getElementById("page").textContent =
      `The data of this page cannot be read here (${problem.message}); run.json beside it has the same.`;
    return null;
  }
};

const number = (value) => Number(value || 0);
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const duration = (us) => {
  if (us < 1e3) return `${us} µs`;
  if (us < 1e6) return `${+(us / 1e3).toPrecision(3)} ms`;
  if (us < 60e6) return `${+(us / 1e6).toPrecision(3)} s`;
  const minutes = Math.floor(us / 60e6);
  if (minutes < 60) return `${minutes} min ${Math.floor(us / 1e6) % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};
const instant = (us) => (us < 1e6 ? `${(us / 1e3).toFixed(3)} ms` : `${(us / 1e6).toFixed(3)} s`);

const fill = (element, attributes, children) => {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child);
  }
  return element;
};
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);


const command = (text) => {
  if (!text) return null;
  const code = h("code", {}, text);
  const button = h("button", { type: "button", title: "Copy the command", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  } }, "copy");
  return h("div", { class: "command" }, code, button);
};

const emblem = () => s("svg", { width: 42, height: 42, viewBox: "0 0 42 42", "aria-hidden": "true" },
  s("path", { d: "M8 12 L19 4 L33 8 L38 21 L32 34 L17 38 L5 29 Z", fill: "#2b3038", stroke: "#59616d", "stroke-width": 1 }),
  s("path", { d: "M8 12 L19 4 L22 17 L5 29 Z", fill: "#3a414b" }),
  s("path", { d: "M12 27 C18 25 24 19 31 14", stroke: "#e0b85c", "stroke-width": 3, "stroke-linecap": "round", fill: "none" }));
