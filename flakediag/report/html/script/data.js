// The data stand in the page as JSON. The details of a test are parsed when it is first looked at.
const parsed = new Map();

function data(name) {
  if (!parsed.has(name)) parsed.set(name, JSON.parse(byId(`data-${name}`).textContent));
  return parsed.get(name);
}

const { runs, tests, chunk, outages } = data("overview");
const outage = new Set(outages);
const placeOf = new Map();
tests.forEach((test, place) => {
  test.place = place;
  if (!placeOf.has(test.id)) placeOf.set(test.id, place);
});

const text = (number) => data("texts")[number];

const details = (test) => data(`details-${Math.floor(test.place / chunk)}`)[test.place % chunk];

const link = (test) => `#test=${encodeURIComponent(test.id)}`;

// The test that the address names; null where it names none that is here.
function named() {
  if (!location.hash.startsWith("#test=")) return null;
  let wanted = location.hash.slice("#test=".length);
  try {
    wanted = decodeURIComponent(wanted);
  } catch {
    // Written by hand, with a lone percent sign: taken as it is.
  }
  return tests[placeOf.get(wanted)] ?? null;
}

function runName(place) {
  const run = runs[place];
  const commit = run.commit ? `, commit ${run.commit}` : "";
  return `run ${run.id ?? place + 1} of ${run.at}${commit}${outage.has(place) ? ", an outage" : ""}`;
}
