// Outcomes differ in shape as well as in colour, for those who cannot tell the colours apart.
const OUTCOMES = {
  ".": { name: "passed", kind: "passed" },
  F: { name: "failed", kind: "failed" },
  E: { name: "error", kind: "error" },
  r: { name: "passed on a retry", kind: "retried" },
  s: { name: "skipped", kind: "skipped" },
  " ": { name: "did not run", kind: "absent" },
};

const outcomeOf = (test, run) => OUTCOMES[test.outcomes[run] ?? " "];
const failedIn = (sign) => sign === "F" || sign === "E" || sign === "r";

// The rectangles that stand for an outcome in a cell of this size: [x, y, width, height] each.
function shapes(kind, x, y, width, height) {
  if (kind === "retried") return [[x, y + height / 2, width, height / 2]];
  if (kind === "skipped") return [[x, y + height * 0.42, width, Math.max(1, height * 0.16)]];
  if (kind === "error") {
    const bar = height * 0.38;
    return [[x, y, width, bar], [x, y + height - bar, width, bar]];
  }
  return kind === "absent" ? [] : [[x, y, width, height]];
}

const rect = ([x, y, width, height], kind) => draw("rect", { class: kind, x, y, width, height });

function legend(signs) {
  return signs.map((sign) => {
    const { name, kind } = OUTCOMES[sign];
    const back = kind === "retried" ? [rect([0, 0, 14, 14], "passed")] : [];
    return el("span", {}, draw("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" },
      draw("rect", { class: "absent", x: 0.5, y: 0.5, width: 13, height: 13 }),
      back, shapes(kind, 0, 0, 14, 14).map((shape) => rect(shape, kind))), name);
  });
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["surface", "raised", "ink", "dim", "grid", "accent", "passed", "failed", "error", "retried", "skipped"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
