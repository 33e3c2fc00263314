// The table: searched, filtered and sorted over all tests, drawn a page at a time.
const PAGE = 100;
const COLUMNS = [
  ["rank", "#", "wide"], ["id", "Test", ""], ["verdict", "Verdict", "wide"], ["rate", "Fails", ""],
  ["cause", "Cause", ""], ["minutes", "Lost", ""], ["last", "Last failed", "wide"],
];
const VALUE = {
  rank: (t) => t.rank || Infinity,
  id: (t) => t.id,
  verdict: (t) => t.verdict,
  rate: (t) => t.rate[0],
  cause: (t) => (t.cause ? `${t.cause === "unknown" ? "~" : ""}${t.cause}` : "~~"),
  minutes: (t) => t.minutes,
  last: (t) => t.last,
  cluster: (t) => t.cluster ?? Infinity,
};
const DESCENDING_FIRST = new Set(["rate", "minutes", "last"]);

const listed = { key: "rank", down: false, shown: PAGE, tests, onchange: () => {} };
const words = tests.map((t) =>
  [t.id, t.verdict, t.odds, t.boundary ?? "", t.why, t.cluster ? `cluster ${t.cluster}` : ""].join("\n").toLowerCase());

function filtered() {
  const wanted = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const verdict = byId("verdict").value, cause = byId("cause").value;
  const kept = tests.filter((t, place) => (!verdict || t.verdict === verdict) && (!cause || t.cause === cause) &&
    wanted.every((word) => words[place].includes(word)));
  const value = VALUE[listed.key], sign = listed.down ? -1 : 1;
  return kept.sort((a, b) => {
    const x = value(a), y = value(b);
    return x < y ? -sign : x > y ? sign : a.place - b.place;
  });
}

// The failure rate as a bar with its interval, from 0 to 100 %.
function rateBar([value, low, high]) {
  return draw("svg", { class: "spark", viewBox: "0 0 90 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { class: "track", x: 0, y: 3, width: 90, height: 2 }),
    draw("rect", { class: "band", x: 90 * low, y: 0, width: Math.max(1, 90 * (high - low)), height: 8 }),
    draw("rect", { class: "bar", x: Math.min(87, 90 * value - 1.5 < 0 ? 0 : 90 * value - 1.5), y: 0, width: 3, height: 8 }));
}

// Roles are written out: laid out as cards on a phone, a table would lose them.
function row(test) {
  const cell = (kind, ...children) => el("td", { role: "cell", class: kind }, ...children);
  return el("tr", { role: "row" },
    cell("wide narrow", test.rank || "–"),
    el("th", { role: "rowheader", scope: "row", class: "test plain" },
      el("a", { href: link(test) }, id(test.id)), el("span", { class: "why" }, test.why)),
    cell("wide narrow", el("span", { class: `verdict ${test.verdict}` }, test.verdict)),
    cell("rate narrow", test.fails, rateBar(test.rate)),
    cell("cause", test.cause ? test.odds.replaceAll(" %", "\u00a0%") : test.verdict, test.cluster ? el("span", { class: "why" }, `cluster ${test.cluster}`) : null),
    cell(`lost narrow ${test.lost === "–" ? "none" : ""}`, test.lost),
    cell("wide narrow", test.last));
}

function heading([key, label, kind]) {
  const sorted = listed.key === key ? (listed.down ? "descending" : "ascending") : null;
  const arrow = sorted ? (listed.down ? " ▼" : " ▲") : "";
  return el("th", { role: "columnheader", scope: "col", class: kind, "aria-sort": sorted },
    el("button", { type: "button", onclick: () => sortBy(key, true) }, label, el("span", { "aria-hidden": "true" }, arrow)));
}

function sortBy(key, toggle) {
  listed.down = toggle && listed.key === key ? !listed.down : DESCENDING_FIRST.has(key);
  listed.key = key;
  byId("sort").value = key;
  const focused = document.activeElement?.closest?.("th")?.cellIndex;
  update();
  if (focused !== undefined) byId("list").querySelectorAll("th button")[focused]?.focus();
}

function drawTable() {
  const part = listed.tests.slice(0, listed.shown);
  byId("list").replaceChildren(listed.tests.length
    ? el("table", { class: "tests", role: "table", "aria-label": "Tests" },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, COLUMNS.map(heading))),
      el("tbody", { role: "rowgroup" }, part.map(row)))
    : el("p", {}, tests.length ? "No test fits." : "No test of this history is flaky, broken or new."));
  countShown();
}

function countShown() {
  const left = listed.tests.length - listed.shown;
  byId("more").hidden = left <= 0;
  byId("more").textContent = `Show ${Math.min(left, PAGE)} more of ${left}`;
  const all = counted(tests.length, "test");
  byId("count").textContent = listed.tests.length === tests.length ? all : `${listed.tests.length.toLocaleString("en")} of ${all}`;
}

function more() {
  const from = listed.shown;
  listed.shown += PAGE;
  const body = byId("list").querySelector("tbody");
  body.append(...listed.tests.slice(from, listed.shown).map(row));
  body.rows[from]?.querySelector("a").focus();
  countShown();
}

function update() {
  listed.shown = PAGE;
  listed.tests = filtered();
  drawTable();
  listed.onchange();
}

function startTable() {
  const form = byId("filters");
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", update);
  byId("verdict").addEventListener("change", update);
  byId("cause").addEventListener("change", update);
  byId("sort").addEventListener("change", (event) => sortBy(event.target.value, false));
  byId("more").addEventListener("click", more);
  update();
}
