// The pictures on a test's own page: its timeline, its durations, and who ran before it.
const pictureWidth = () => Math.max(280, byId("detail").clientWidth || 900);

// [place of the run, sign] of each run in which the test stands, in the order of the durations.
const life = (test) => [...test.outcomes].flatMap((sign, run) => (sign === " " ? [] : [[run, sign]]));

const seconds = (value) =>
  value < 1 ? `${Math.round(value * 1000)} ms` : value < 100 ? `${value.toPrecision(3)} s` : `${Math.round(value)} s`;

function timeline(test, detail) {
  const width = pictureWidth(), cell = 11, high = 22, gap = 6;
  const marks = [];
  let x = 0, y = 0, before = null;
  life(test).forEach(([run, sign], place) => {
    const commit = runs[run].commit ?? null;
    if (place && commit !== before) x += 4; // a little room where the commit changes
    before = commit;
    if (x + cell > width) { x = 0; y += high + gap; }
    const { name, kind } = OUTCOMES[sign];
    const took = detail.durations[place] === null ? "" : `, ${seconds(detail.durations[place])}`;
    const said = detail.said[place] === undefined ? "" : `\n${text(detail.said[place])}`;
    const back = kind === "retried" ? [rect([x, y, cell - 2, high], "passed")] : [];
    marks.push(draw("g", {}, draw("title", {}, `${name} in ${runName(run)}${took}${said}`),
      draw("rect", { class: "absent", x: x + 0.5, y: y + 0.5, width: cell - 3, height: high - 1 }), back,
      shapes(kind, x, y, cell - 2, high).map((shape) => rect(shape, kind))));
    x += cell;
  });
  const signs = new Set(test.outcomes.replaceAll(" ", ""));
  return el("div", { class: "cells" },
    el("p", { class: "legend" }, legend([".", "F", "E", "r", "s"].filter((sign) => signs.has(sign))),
      el("span", {}, "oldest run first; a gap where the commit changes")),
    picture(width, y + high, `Timeline, oldest run first: failed in ${test.of}`, marks));
}

function durations(test, detail) {
  const groups = { passed: [], failed: [] };
  life(test).forEach(([run, sign], place) => {
    const value = detail.durations[place];
    if (value !== null && (sign === "." || sign === "F" || sign === "E")) groups[sign === "." ? "passed" : "failed"].push([value, run]);
  });
  const all = [...groups.passed, ...groups.failed].map(([value]) => Math.max(value, 0.001));
  if (!all.length) return null;
  const width = pictureWidth(), left = 60, right = width - 16, lane = 34, base = lane * 2 + 8;
  const low = Math.log10(Math.min(...all)), high = Math.max(Math.log10(Math.max(...all)), low + 0.5);
  const x = (value) => left + ((right - left) * (Math.log10(Math.max(value, 0.001)) - low)) / (high - low);
  const parts = [];
  for (const [exponent, factor] of [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((e) => [[e, 1], [e, 2], [e, 5]])) {
    const value = factor * 10 ** exponent;
    if (Math.log10(value) < low - 1e-9 || Math.log10(value) > high + 1e-9) continue;
    if (high - low > 1.5 && factor !== 1) continue;
    parts.push(draw("line", { class: "grid", x1: x(value), x2: x(value), y1: 0, y2: base }));
    parts.push(draw("text", { class: "t dim", x: x(value), y: base + 16, "text-anchor": "middle" }, seconds(value)));
  }
  Object.entries(groups).forEach(([kind, found], place) => {
    const middle = lane * place + lane / 2 + 4;
    parts.push(draw("text", { class: "t", x: 0, y: middle + 4 }, kind));
    found.forEach(([value, run], number) => {
      const shift = (((number * 7) % 11) - 5) * 1.8; // dots of one duration side by side, the same each time
      const shape = kind === "passed" ? ["circle", { cx: x(value), cy: middle + shift, r: 3 }]
        : ["rect", { x: x(value) - 3, y: middle + shift - 3, width: 6, height: 6 }];
      parts.push(titled(shape[0], { class: `dot ${kind}`, ...shape[1] }, `${seconds(value)} in ${runName(run)}`));
    });
    if (found.length) {
      const median = [...found].sort((a, b) => a[0] - b[0])[Math.floor(found.length / 2)][0];
      parts.push(draw("line", { class: "median", x1: x(median), x2: x(median), y1: middle - 14, y2: middle + 14 }));
    }
  });
  const said = `Took ${detail.took.join(", ")}`;
  return el("div", { class: "strip" }, el("p", {}, `${said}.`), picture(width, base + 22, said, parts));
}

const SIGNS = [
  (x, y, k) => draw("circle", { class: k, cx: x, cy: y, r: 4.5 }),
  (x, y, k) => draw("rect", { class: k, x: x - 4, y: y - 4, width: 8, height: 8 }),
  (x, y, k) => draw("path", { class: k, d: `M${x} ${y - 5}l5 9h-10z` }),
  (x, y, k) => draw("path", { class: k, d: `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z` }),
  (x, y, k) => draw("path", { class: k, d: `M${x} ${y + 5}l5 -9h-10z` }),
  (x, y, k) => draw("path", { class: k, d: `M${x - 5} ${y - 1.5}h10v3h-10z` }),
];

function share([count, of], what) {
  return el("td", {}, el("span", { class: "share" },
    draw("svg", { viewBox: "0 0 80 8", "aria-hidden": "true" },
      draw("rect", { class: "track", x: 0, y: 0, width: 80, height: 8 }),
      draw("rect", { class: what === "failing" ? "failed" : "bar", x: 0, y: 0, width: of ? (80 * count) / of : 0, height: 8 })),
    `${count} of ${of} ${what} runs`));
}

function order(test, found) {
  const width = pictureWidth(), left = 104, middle = left + (width - left) / 2, half = (width - left) / 2 - 14;
  const lane = 17, top = 26, split = 12;
  const far = Math.max(10, ...found.others.flatMap((other) => other.gaps.map((gap) => Math.abs(gap ?? 0))));
  // Places on a scale that keeps what ran right before apart, and still shows what ran long before.
  const x = (gap) => middle - (Math.sign(gap) * half * Math.log1p(Math.abs(gap))) / Math.log1p(far);
  const parts = [];
  found.runs.forEach((run, place) => {
    const y = top + place * lane + (place >= found.failing ? split : 0) + lane / 2;
    parts.push(draw("line", { class: "lane", x1: left, x2: width, y1: y, y2: y }));
    parts.push(draw("text", { class: "t dim", x: 0, y: y + 4 }, `${place < found.failing ? "failed" : "passed"} ${runs[run].at.slice(5, 10)}`));
    // The suspects come last, on top of mere neighbours.
    [...found.others.entries()].reverse().forEach(([number, other]) => {
      const gap = other.gaps[place];
      if (gap === null) return;
      const places = `${Math.abs(gap)} ${Math.abs(gap) === 1 ? "place" : "places"}`;
      const where = `${other.id}: ${places} ${gap > 0 ? "before" : "after"} in ${runName(run)}`;
      parts.push(draw("g", {}, draw("title", {}, where), SIGNS[number](x(gap), y, `s${number}`)));
    });
  });
  const height = top + found.runs.length * lane + split + 4;
  parts.unshift(draw("line", { class: "victim", x1: middle, x2: middle, y1: 18, y2: height - 4 }),
    draw("text", { class: "t", x: middle, y: 12, "text-anchor": "middle" }, "this test"),
    draw("text", { class: "t dim", x: left, y: 12 }, "← ran before"),
    draw("text", { class: "t dim", x: width, y: 12, "text-anchor": "end" }, "ran after →"));
  const key = el("table", { class: "figures" },
    el("thead", {}, el("tr", {}, ["Test", "Ran before it, when it failed", "Ran before it, when it passed"].map((t) => el("th", { scope: "col" }, t)))),
    el("tbody", {}, found.others.map((other, number) => el("tr", {},
      el("th", { scope: "row" }, draw("svg", { class: "sign", viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" }, SIGNS[number](7, 7, `s${number}`)),
        ` ${other.role ?? "often directly before"}: `, testLink(other.id)),
      share(other.failing, "failing"), share(other.passing, "passing")))));
  const suspected = found.others.some((other) => other.role);
  return el("div", { class: "order" },
    suspected ? null : el("p", { class: "dim" }, "No other test is suspected. These ran directly before the most failures, which may be chance."), key,
    picture(width, height, "Where these tests stood, in the latest failing and passing runs of known order; the table gives the counts.", parts));
}
