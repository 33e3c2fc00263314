// Elements are made here and nowhere else. What comes from the tests becomes text nodes and plain attributes, never markup.
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const titled = (tag, attributes, title) => draw(tag, attributes, draw("title", {}, title));

const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

const id = (text) => el("code", { class: "id" }, text);

function picture(width, height, label, ...children) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
}

async function copy(text, button) {
  const before = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page from a plain http server has no clipboard; the older way works from a click.
    const area = el("textarea", { readonly: true }, text);
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = before; }, 1600);
}

const copyButton = (label, text) =>
  el("button", { type: "button", "aria-live": "polite", onclick: (event) => copy(text(), event.currentTarget) }, label);

const block = (text, label, kind) => [
  el("div", { class: "copied" }, el("span", {}, label), copyButton("Copy", () => text)),
  el("pre", { class: kind, tabindex: 0, "aria-label": label }, text),
];
