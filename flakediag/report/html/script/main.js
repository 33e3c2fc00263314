// Which part of the page is shown, and in which colours.
const title = document.title;
let scrolled = 0;

function show() {
  const test = named(), detail = byId("detail"), overview = byId("overview");
  const wasOverview = !overview.hidden;
  if (test && !byId("data-texts")) { // the details are still being read; the texts come last
    document.addEventListener("DOMContentLoaded", show, { once: true });
    return;
  }
  if (test) {
    if (wasOverview) scrolled = window.scrollY;
    overview.hidden = true;
    detail.hidden = false;
    drawDetail(test);
    document.title = `${test.id} · ${title}`;
    window.scrollTo(0, 0);
    detail.focus({ preventScroll: true });
    return;
  }
  detail.hidden = true;
  detail.replaceChildren();
  overview.hidden = false;
  document.title = title;
  if (location.hash.startsWith("#test=")) byId("count").textContent = "That test is not in this report: it may be stable now.";
  if (!wasOverview) {
    layOutIfShown();
    window.scrollTo(0, scrolled);
  }
}

const layOutIfShown = () => { if (!byId("heat").hidden && !byId("overview").hidden) layOut(); };

const THEMES = ["auto", "light", "dark"];

function startTheme() {
  const button = byId("theme");
  let chosen = 0;
  const apply = () => {
    if (chosen) document.documentElement.dataset.theme = THEMES[chosen];
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${THEMES[chosen]}`;
    layOutIfShown();
  };
  button.hidden = false;
  button.addEventListener("click", () => { chosen = (chosen + 1) % THEMES.length; apply(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", layOutIfShown);
}

startTheme();
startTable();
startHeatmap();
window.addEventListener("hashchange", show);
let detailWidth = 0;
window.addEventListener("resize", () => {
  const test = named(), width = byId("detail").clientWidth;
  if (test && width !== detailWidth) { detailWidth = width; drawDetail(test); }
});
show();
document.documentElement.dataset.ready = "yes";
performance.mark("ready");
