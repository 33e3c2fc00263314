"""The overview as one picture: for a chat, a wiki or a slide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from flakediag.model import Finding, Report, RunPoint
from flakediag.report import charts, wording
from flakediag.report.charts import Drawing
from flakediag.report.format import Options
from flakediag.report.marks import PALETTE, box, escaped, label, num, shortened
from flakediag.report.text import day, minute, percent, plural, visible
from flakediag.report.timeline import symbol

WIDTH, MARGIN, GAP = 1200, 32, 28
TESTS, RUNS = 30, 150  # of the heatmap: the worst tests in the latest runs
NAMES = 400  # pixels for the names of the tests
FONT = "'DejaVu Sans','Liberation Sans','Noto Sans','Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
KINDS = {".": "passed", "F": "failed", "E": "error", "r": "retried", "s": "skipped"}
MEANINGS = {
    "passed": "passed",
    "failed": "failed",
    "error": "error",
    "retried": "passed on a retry",
    "skipped": "skipped",
}


class Svg:
    name = "svg"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        stream.write(overview(report))


def overview(report: Report) -> str:
    """The whole picture as an SVG document."""
    parts = [
        label(MARGIN, 46, _title(report), "h1"),
        label(MARGIN, 68, wording.window(report), "t dim"),
        *_rates(report),
    ]
    each = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
    top, height = 206.0, 0.0
    for place, (heading, chart) in enumerate(_CHARTS):
        drawn, height = chart(report, each)
        x = MARGIN + place * (each + GAP)
        parts.append(label(x, top, heading, "h2"))
        parts.append(f'<g transform="translate({num(x)} {num(top + 12)})">{"".join(drawn)}</g>')
    top += height + 50
    heat, used = _heatmap(report)
    if heat:
        parts.append(f'<g transform="translate({MARGIN} {num(top)})">{"".join(heat)}</g>')
        top += used
    parts.append(label(MARGIN, top + 10, f"flakediag, {minute(report.generated_at)} UTC", "t dim"))
    whole = num(top + 30)
    said = ". ".join((_title(report), *charts.spoken(report).values()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{whole}" viewBox="0 0 {WIDTH} {whole}" '
        f'role="img">\n<title>{escaped(said)}</title>\n<style>{_style()}</style>\n'
        f'<rect class="surface" width="{WIDTH}" height="{whole}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


_CHARTS: tuple[tuple[str, Callable[[Report, float], Drawing]], ...] = (
    ("Flaky rate over time (tests), 95 % interval", charts.rate_over_time),
    ("Causes", charts.cause_bars),
    ("Time lost by problem", charts.cost_bars),
)


def _title(report: Report) -> str:
    rate = report.rates.flaky_tests
    project = f"{visible(report.project)}: " if report.project not in ("", "default") else ""
    return f"{project}{plural(rate.count, 'flaky test')} of {rate.of:,}"


def _rates(report: Report) -> list[str]:
    drawn, each = [], (WIDTH - 2 * MARGIN - 2 * GAP) / 3
    values = (report.rates.flaky_tests, report.rates.flaky_runs, report.rates.flaky_executions)
    for place, ((name, value, counted), rate) in enumerate(zip(wording.rates(report), values, strict=True)):
        x = MARGIN + place * (each + GAP)
        interval = value.partition(" (")[2].removesuffix(")")
        drawn.append(label(x, 110, name, "t dim"))
        drawn.append(label(x, 140, percent(rate.value, 1), "h1"))
        drawn.append(label(x + 112, 139, f"95 %: {interval}", "t dim"))
        drawn.append(label(x, 160, counted, "t dim"))
    return drawn


def _heatmap(report: Report) -> Drawing:
    """The worst tests in the latest runs; nothing where there is no series."""
    points = report.series.runs if report.series else ()
    rows = [f for f in report.tests if f.timeline][:TESTS]
    if not points or not rows:
        return [], 0.0
    first = max(0, len(points) - RUNS)
    shown = points[first:]
    across, down = (WIDTH - 2 * MARGIN - NAMES) / len(shown), 16.0
    across = min(across, 14.0)
    what = f"The {len(rows)} worst tests" if len(report.tests) > len(rows) else "The tests"
    drawn = [label(0, 0, f"{what} in the latest {plural(len(shown), 'run')}, oldest left", "h2")]
    top = 14.0
    for place, finding in enumerate(rows):
        y = top + place * down
        drawn.append(label(0, y + 12, shortened(finding.id, NAMES - 16)))
        drawn += _cells(finding, shown, y, across, down)
    bottom = top + len(rows) * down
    drawn.append(label(NAMES, bottom + 16, day(shown[0].run.started_at), "t dim"))
    drawn.append(
        label(NAMES + across * len(shown), bottom + 16, day(shown[-1].run.started_at), "t dim", "end")
        if across * len(shown) > 160
        else ""
    )
    x, used = 0.0, {symbol(entry) for finding in rows for entry in finding.timeline}
    for kind, meaning in ((KINDS[sign], MEANINGS[KINDS[sign]]) for sign in KINDS if sign in used):
        drawn.append(box(x, bottom + 7, 11, 11, kind))
        drawn.append(label(x + 16, bottom + 17, meaning, "t dim"))
        x += 30 + 6.3 * len(meaning)
    return drawn, bottom + 40


def _cells(finding: Finding, shown: Sequence[RunPoint], y: float, across: float, down: float) -> list[str]:
    """The outcomes of one test. Neighbours that are alike are one shape: most are passes."""
    said = {(entry.run.id, entry.run.digest): KINDS[symbol(entry)] for entry in finding.timeline}
    kinds = [said.get((point.run.id, point.run.digest)) for point in shown]
    drawn, start = [], 0
    for place in range(1, len(kinds) + 1):
        if place < len(kinds) and kinds[place] == kinds[start]:
            continue
        kind = kinds[start]
        if kind:
            x, width = NAMES + start * across, (place - start) * across - (0.6 if across > 3 else 0)
            if kind == "retried":
                drawn.append(box(x, y, width, down - 2, "passed"))
                drawn.append(box(x, y + (down - 2) / 2, width, (down - 2) / 2, kind))
            elif kind == "skipped":
                drawn.append(box(x, y + 6, width, 2, kind))
            else:
                drawn.append(box(x, y, width, down - 2, kind))
        start = place
    return drawn


def _style() -> str:
    p = PALETTE
    text = f"font-family:{FONT};fill:{p['ink']}"
    rules = {
        ".t": f"{text};font-size:12px",
        ".dim": f"fill:{p['dim']}",
        ".h1": f"{text};font-size:24px;font-weight:bold",
        ".h2": f"{text};font-size:14px;font-weight:bold",
        ".surface": f"fill:{p['surface']}",
        ".grid": f"stroke:{p['grid']};stroke-width:1",
        ".track": f"fill:{p['grid']}",
        ".band": f"fill:{p['accent']};fill-opacity:.2",
        ".curve": f"fill:none;stroke:{p['accent']};stroke-width:2",
        ".interval": f"stroke:{p['accent']};stroke-width:2",
        ".point": f"fill:{p['accent']}",
        ".bar": f"fill:{p['accent']}",
        ".unknown": f"fill:{p['skipped']}",
    } | {f".{kind}": f"fill:{p[kind]}" for kind in MEANINGS}
    return "".join(f"{name}{{{rule}}}" for name, rule in rules.items())
