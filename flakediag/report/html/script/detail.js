// A test's own page.
const testLink = (name) => (placeOf.has(name) ? el("a", { href: link(tests[placeOf.get(name)]) }, id(name)) : id(name));

const part = (heading, ...children) => el("section", {}, el("h2", {}, heading), ...children);

function causeParts(cause) {
  const kind = (weight) => (weight.startsWith("-") ? "against" : "for");
  return [
    cause.evidence.length ? el("ul", { class: "evidence" }, cause.evidence.map(([weight, category, said, source]) =>
      el("li", {}, el("span", { class: `weight ${kind(weight)}` }, weight),
        el("span", {}, el("strong", {}, category), `: ${text(said)} `, el("span", { class: "dim" }, `[${source}]`))))) : null,
    cause.evidence.length ? el("p", { class: "dim" }, "Weights are log-odds: +2.3 makes a cause ten times likelier.") : null,
    cause.otherwise ? el("p", {}, `Otherwise: ${cause.otherwise}`) : null,
    cause.settle.length ? [el("h3", {}, "What would settle it"), ...cause.settle.flatMap(([said, command]) =>
      (command ? block(command, said, "wrap") : [el("p", {}, said)]))] : null,
    cause.ports ? el("p", {}, `Port ${cause.ports}`) : null,
    cause.partners.length ? [el("h3", {}, "Partners"), el("ul", { class: "partners" },
      cause.partners.map(([role, odds, name, what, when]) => el("li", {}, el("span", {}, role), el("span", {}, odds),
        el("span", {}, testLink(name), (what === "test" ? "" : ` (${what})`) + when))))] : null,
  ].flat();
}

function signatureParts(signature) {
  const facts = [signature.seen, signature.boundary ? `boundary: ${signature.boundary}` : "",
    ...signature.artefacts.map(([kind, value]) => `${kind} ${value}`)].filter(Boolean);
  return [
    el("h3", {}, id(text(signature.text))),
    el("p", { class: "dim" }, facts.join(" · ")),
    signature.cause ? el("details", {}, el("summary", {}, `Cause: ${signature.cause.text}`), ...causeParts(signature.cause).filter(Boolean)) : [],
    signature.latest === null ? [] : el("details", {}, el("summary", {}, "Latest failure"), el("pre", { tabindex: 0 }, text(signature.latest))),
    signature.output === null ? [] : el("details", {}, el("summary", {}, "Captured output"), el("pre", { tabindex: 0 }, text(signature.output))),
  ].flat();
}

function fixParts(fix) {
  const steps = text(fix.steps);
  return [
    fix.summary ? el("p", {}, el("strong", {}, fix.summary)) : null,
    steps ? el("ol", {}, steps.split("\n").map((step) => el("li", {}, step))) : null,
    fix.code === null ? [] : block(text(fix.code), `For ${fix.framework}`, ""),
    fix.reproduce ? block(fix.reproduce, "Reproduce", "wrap") : [],
  ].flat();
}

function runTable(test, detail) {
  const shown = el("details", {}, el("summary", {}, "The runs as a table"));
  shown.addEventListener("toggle", () => {
    if (shown.querySelector("table")) return;
    const rows = life(test).map(([run, sign], place) => {
      const { url, at, commit, job } = runs[run], name = `run ${runs[run].id ?? run + 1}`;
      const cells = [at, commit ?? "–", job ?? "–", OUTCOMES[sign].name, detail.attempts[place] ?? 1,
        detail.durations[place] === null ? "–" : seconds(detail.durations[place]),
        detail.said[place] === undefined ? "" : text(detail.said[place])];
      return el("tr", {}, el("th", { scope: "row" }, url ? el("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, name) : name),
        cells.map((cell) => el("td", {}, String(cell))));
    });
    shown.append(el("div", { class: "scroll" }, el("table", { class: "figures" },
      el("thead", {}, el("tr", {}, ["Run", "Time (UTC)", "Commit", "Job", "Outcome", "Attempts", "Took", "Failure"].map((t) => el("th", { scope: "col" }, t)))),
      el("tbody", {}, rows.reverse()))));
  });
  return shown;
}

function clusterPart(test) {
  if (!test.cluster) return null;
  const others = tests.filter((other) => other.cluster === test.cluster && other !== test);
  return part(`Cluster ${test.cluster}`, el("p", {}, "Tests with the same problem; one fix for all:"),
    el("ul", {}, others.slice(0, 20).map((other) => el("li", {}, testLink(other.id)))),
    others.length > 20 ? el("p", {}, `and ${others.length - 20} more`) : null);
}

function drawDetail(test) {
  const detail = details(test), page = byId("detail");
  const strip = test.outcomes ? durations(test, detail) : null;
  page.replaceChildren(
    el("p", { class: "bar" }, el("a", { href: "#tests" }, "← All tests"),
      copyButton("Copy link", () => location.href)),
    el("h1", {}, id(test.id)),
    el("p", {}, el("span", { class: `verdict ${test.verdict}` }, test.verdict), ` ${detail.reason}`),
    el("dl", { class: "facts" }, detail.facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    ...[
      detail.cause ? part(`Cause: ${detail.cause.text}`, ...causeParts(detail.cause)) : null,
      detail.fix ? part(detail.fix.summary ? "Fix" : "See it fail", ...fixParts(detail.fix).filter(Boolean)) : null,
      test.outcomes ? part("Timeline", timeline(test, detail), runTable(test, detail)) : null,
      strip ? part("Durations", strip) : null,
      detail.order?.others.length ? part("Who ran before", order(test, detail.order)) : null,
      detail.signatures.length ? part("Failures", ...detail.signatures.flatMap(signatureParts)) : null,
      clusterPart(test),
    ].filter(Boolean));
}
