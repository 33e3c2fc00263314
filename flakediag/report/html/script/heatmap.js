// The heatmap: a canvas of the size of its box, on which only the cells in sight are drawn. It shows the tests of the
// table, in the table's order.
const NAMED_UP_TO = 40; // tests: with more, rows are thin and without names until asked for
const TABLE_ROWS = 200;
const WIDEST = 22; // pixels of a cell
const heat = { row: 0, run: 0, names: true, cell: [0, 0], label: 0, width: 0, height: 0, box: 0 };

const heatRows = () => listed.tests.filter((test) => test.outcomes);

function layOut() {
  const box = byId("heat-box"), space = byId("heat-space"), canvas = byId("heat-map");
  const wide = box.clientWidth, rows = heatRows().length;
  heat.box = wide;
  heat.label = heat.names ? Math.min(320, Math.floor(wide * 0.42)) : 0;
  const room = (wide - heat.label) / Math.max(1, runs.length);
  heat.cell = [Math.max(heat.names ? 4 : 2, Math.min(WIDEST, Math.floor(room))), heat.names ? 16 : 4];
  heat.width = heat.label + heat.cell[0] * runs.length;
  heat.height = heat.cell[1] * rows;
  // Whole cells are at least two pixels wide; where they do not fill the box, they may be a fraction wider.
  if (heat.width < wide && heat.cell[0] < WIDEST) {
    heat.cell[0] = Math.min(WIDEST, room);
    heat.width = heat.label + heat.cell[0] * runs.length;
  }
  space.style.width = `${heat.width}px`;
  space.style.height = `${heat.height}px`;
  const high = Math.min(heat.height, parseFloat(getComputedStyle(box).maxHeight) || 440);
  const ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${wide}px`;
  canvas.style.height = `${high}px`;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  paint();
}

function paint() {
  const box = byId("heat-box"), canvas = byId("heat-map"), ctx = canvas.getContext("2d");
  const ratio = window.devicePixelRatio || 1, wide = canvas.width / ratio, high = canvas.height / ratio;
  const [cw, ch] = heat.cell, colour = colours(), rows = heatRows();
  const left = box.scrollLeft, top = box.scrollTop;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, wide, high);
  const firstRow = Math.floor(top / ch), lastRow = Math.min(rows.length, Math.ceil((top + high) / ch));
  const firstRun = Math.floor(left / cw), lastRun = Math.min(runs.length, Math.ceil((left + wide - heat.label) / cw));
  const gapX = cw >= 4 ? 1 : 0, gapY = ch >= 8 ? 2 : ch >= 4 ? 0.5 : 0;
  // Neighbours that are alike are one rectangle where no gap parts them: most cells are passes.
  const batches = Object.fromEntries(Object.values(OUTCOMES).map(({ kind }) => [kind, []]));
  for (let r = firstRow; r < lastRow; r += 1) {
    const signs = rows[r].outcomes, y = r * ch - top;
    for (let c = firstRun, next = c; c < lastRun; c = next) {
      const sign = signs[c] ?? " ";
      for (next = c + 1; !gapX && next < lastRun && (signs[next] ?? " ") === sign;) next += 1;
      batches[OUTCOMES[sign].kind].push(heat.label + c * cw - left, y, (next - c) * cw - gapX);
    }
  }
  const tall = ch - gapY;
  for (const kind of ["passed", "retried", "failed", "error", "skipped"]) {
    const found = batches[kind];
    for (const back of kind === "retried" ? ["passed", kind] : [kind]) {
      ctx.fillStyle = colour[back];
      for (let i = 0; i < found.length; i += 3) {
        if (tall < 8) ctx.fillRect(found[i], found[i + 1], found[i + 2], tall);
        else for (const shape of shapes(back, found[i], found[i + 1], found[i + 2], tall)) ctx.fillRect(...shape);
      }
    }
  }
  if (heat.label) paintNames(ctx, rows.slice(firstRow, lastRow), firstRow * ch - top, high, colour);
  if (document.activeElement === canvas && rows.length) {
    ctx.strokeStyle = colour.ink;
    ctx.lineWidth = 2;
    ctx.strokeRect(heat.label + heat.run * cw - left - 1, heat.row * ch - top - 1, Math.max(cw, 4) + 1, ch + 1);
  }
}

function paintNames(ctx, rows, start, high, colour) {
  ctx.fillStyle = colour.raised;
  ctx.fillRect(0, 0, heat.label - 4, high);
  ctx.fillStyle = colour.ink;
  ctx.font = "11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace";
  ctx.textBaseline = "middle";
  const most = Math.max(4, Math.floor((heat.label - 16) / ctx.measureText("m").width));
  rows.forEach((test, place) => {
    const name = test.id.length > most ? `…${test.id.slice(1 - most)}` : test.id;
    ctx.fillText(name, 8, start + place * heat.cell[1] + heat.cell[1] / 2 - 1, heat.label - 16);
  });
}

function say() {
  const test = heatRows()[heat.row];
  if (test) byId("heat-cell").replaceChildren(id(test.id), `: ${outcomeOf(test, heat.run).name} in ${runName(heat.run)}`);
}

function goTo(row, run) {
  const rows = heatRows().length;
  heat.row = Math.max(0, Math.min(rows - 1, row));
  heat.run = Math.max(0, Math.min(runs.length - 1, run));
  const box = byId("heat-box"), canvas = byId("heat-map"), [cw, ch] = heat.cell;
  const x = heat.run * cw, y = heat.row * ch;
  const high = parseFloat(canvas.style.height), wide = box.clientWidth - heat.label;
  if (x < box.scrollLeft) box.scrollLeft = x;
  if (x + cw > box.scrollLeft + wide) box.scrollLeft = x + cw - wide;
  if (y < box.scrollTop) box.scrollTop = y;
  if (y + ch > box.scrollTop + high) box.scrollTop = y + ch - high;
  paint();
  say();
}

function cellAt(event) {
  const canvas = byId("heat-map"), box = byId("heat-box"), area = canvas.getBoundingClientRect();
  const x = event.clientX - area.left - heat.label + box.scrollLeft, y = event.clientY - area.top + box.scrollTop;
  const onName = event.clientX - area.left < heat.label;
  const run = onName ? runs.length - 1 : Math.floor(x / heat.cell[0]);
  const row = Math.floor(y / heat.cell[1]);
  return row < heatRows().length && run >= 0 && run < runs.length ? [row, run] : null;
}

function openCell() {
  const test = heatRows()[heat.row];
  if (test) location.hash = link(test);
}

function heatKeys(event) {
  const page = 10, { row, run } = heat;
  const moves = {
    ArrowUp: [row - 1, run], ArrowDown: [row + 1, run], ArrowLeft: [row, run - 1], ArrowRight: [row, run + 1],
    PageUp: [row - page, run], PageDown: [row + page, run], Home: [row, 0], End: [row, runs.length - 1],
  };
  if (event.key === "Enter") openCell();
  else if (moves[event.key]) goTo(...moves[event.key]);
  else return;
  event.preventDefault();
}

// The same figures for those who do not see the picture.
function heatTable() {
  const place = byId("heat-table").querySelector("div");
  if (!byId("heat-table").open) return;
  const rows = heatRows();
  place.replaceChildren(
    el("table", { class: "figures" },
      el("thead", {}, el("tr", {}, ["Test", "Failed", "In these runs, newest first"].map((t) => el("th", { scope: "col" }, t)))),
      el("tbody", {}, rows.slice(0, TABLE_ROWS).map((test) => {
        const failed = [...test.outcomes].flatMap((sign, run) => (failedIn(sign) ? [run] : [])).reverse();
        const some = failed.slice(0, 12).map((run) => `${runs[run].id ?? run + 1} (${runs[run].at.slice(0, 10)})`);
        return el("tr", {}, el("th", { scope: "row" }, el("a", { href: link(test) }, id(test.id))), el("td", {}, test.of),
          el("td", {}, some.join(", ") + (failed.length > some.length ? ` and ${failed.length - some.length} more` : "")));
      }))),
    rows.length > TABLE_ROWS ? el("p", { class: "dim" }, `The first ${TABLE_ROWS} of ${rows.length} tests; search to see others.`) : "");
}

function refreshHeat() {
  const rows = heatRows();
  byId("heat").hidden = !runs.length || !rows.length;
  if (byId("heat").hidden) return;
  heat.row = heat.run = 0;
  byId("heat-size").textContent =
    `${counted(rows.length, "test")} × ${counted(runs.length, "run")}, ${runs[0].at.slice(0, 10)} to ${runs.at(-1).at.slice(0, 10)}`;
  byId("heat-density").setAttribute("aria-pressed", String(heat.names));
  byId("heat-box").scrollTop = 0;
  layOut();
  heatTable();
}

function startHeatmap() {
  heat.names = tests.length <= NAMED_UP_TO;
  const used = new Set(tests.flatMap((test) => [...new Set(test.outcomes)]));
  if (tests.some((test) => test.outcomes.length < runs.length)) used.add(" ");
  byId("heat-legend").append(...legend([".", "F", "E", "r", "s", " "].filter((sign) => used.has(sign))));
  const canvas = byId("heat-map"), box = byId("heat-box");
  listed.onchange = refreshHeat;
  refreshHeat();
  box.scrollLeft = heat.width; // the latest runs, where not all fit
  let waiting = false;
  const soon = (work) => () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; work(); });
    waiting = true;
  };
  box.addEventListener("scroll", soon(paint));
  new ResizeObserver(soon(() => { if (box.clientWidth && box.clientWidth !== heat.box) layOut(); })).observe(box);
  canvas.addEventListener("keydown", heatKeys);
  canvas.addEventListener("focus", () => { paint(); });
  canvas.addEventListener("blur", () => { paint(); });
  canvas.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (cell) { [heat.row, heat.run] = cell; say(); }
  });
  canvas.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (cell) { [heat.row, heat.run] = cell; openCell(); }
  });
  byId("heat-density").addEventListener("click", () => { heat.names = !heat.names; refreshHeat(); });
  byId("heat-table").addEventListener("toggle", heatTable);
}
