// Elements of HTML and SVG, made of text that is never read as markup.

const $ = (selector) => document.querySelector(selector);
const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes (of names with a hyphen, and role) and children. */
function element(tag, settings = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An element of SVG with attributes; `text` is its content. */
function shape(tag, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else made.setAttribute(name, value);
  }
  if (parent) parent.append(made);
  return made;
}

/** A name whose direction of writing does not reach beyond it. */
const isolated = (text, tag = "bdi") => element(tag, { textContent: text });

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const range = (n) => Array.from({ length: n }, (_, i) => i);
