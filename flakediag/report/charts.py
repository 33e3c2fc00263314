"""The charts of the overview, drawn by hand in SVG: for the page, for `--format svg` and for `--format png`.

Each function draws into a box of the given width and returns its elements and its height, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from flakediag.model import Category, RatePoint, Report, Verdict
from flakediag.report.marks import box, escaped, label, line, num, points, shortened
from flakediag.report.text import day, minutes, percent, plural, visible, with_interval

HEIGHT = 214  # of a chart
PROBLEMS = 6  # bars of the costs; what is beyond them is summed up

Drawing = tuple[list[str], float]


@dataclass(frozen=True, slots=True)
class Problem:
    """A cluster, or a flaky test that belongs to none, and what it costs."""

    name: str
    tests: int
    minutes: float
    failures: int
    cluster: int | None


def problems(report: Report) -> list[Problem]:
    """The costliest first. Minutes add up over tests: a red run's time is shared by the tests that failed in it."""
    flaky = [f for f in report.tests if f.verdict is Verdict.FLAKY]
    found = [Problem(f.id, 1, f.impact.minutes, f.failures, None) for f in flaky if f.cluster is None]
    for cluster in report.clusters:
        members = [f for f in flaky if f.cluster == cluster.id]
        found.append(
            Problem(
                cluster.summary,
                len(members),
                sum(f.impact.minutes for f in members),
                sum(f.failures for f in members),
                cluster.id,
            )
        )
    return sorted((p for p in found if p.tests), key=lambda p: (-p.minutes, -p.failures, p.name))


def causes(report: Report) -> list[tuple[Category, int, float]]:
    """(cause, flaky tests, minutes lost), most tests first, unknown last."""
    counted: dict[Category, tuple[int, float]] = {}
    for finding in report.tests:
        if finding.verdict is Verdict.FLAKY and finding.cause:
            tests, lost = counted.get(finding.cause.category, (0, 0.0))
            counted[finding.cause.category] = tests + 1, lost + finding.impact.minutes
    rows = [(category, tests, lost) for category, (tests, lost) in counted.items()]
    return sorted(rows, key=lambda row: (row[0] is Category.UNKNOWN, -row[1], -row[2], row[0].value))


def stretch(report: Report, point: RatePoint) -> str:
    """`2026-10-01 to 2026-10-05, 5 runs`"""
    assert report.series
    first, last = (day(report.series.runs[place].run.started_at) for place in (point.first, point.last))
    return f"{first if first == last else f'{first} to {last}'}, {plural(point.runs, 'run')}"


def rate_over_time(report: Report, width: float) -> Drawing:
    """The share of flaky tests that failed in each stretch of runs, with its 95 % interval as a band."""
    known = report.series.rates if report.series else ()
    if not known:
        return [label(0, 24, "No runs to draw a rate from.", "t dim")], HEIGHT
    left, right, top, bottom = 40.0, width - 8, 12.0, HEIGHT - 26.0
    highest, step = _axis(max(point.rates.flaky_tests.high for point in known))
    across = (right - left) / max(1, len(known) - 1)
    xs = [left + across * place if len(known) > 1 else (left + right) / 2 for place in range(len(known))]

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    drawn = []
    for tick in range(round(highest / step) + 1):
        value = min(tick * step, 1.0)
        drawn.append(line(left, y(value), right, y(value), "grid"))
        drawn.append(label(left - 6, y(value) + 4, percent(value, 0 if step >= 0.01 else 1), "t dim", "end"))
    rates = [point.rates.flaky_tests for point in known]
    if len(known) == 1:
        drawn.append(line(xs[0], y(rates[0].low), xs[0], y(rates[0].high), "interval"))
    else:
        band = [(x, y(r.low)) for x, r in zip(xs, rates, strict=True)]
        band += [(x, y(r.high)) for x, r in zip(reversed(xs), reversed(rates), strict=True)]
        drawn.append(f'<polygon class="band" points="{points(band)}"/>')
        middle = points([(x, y(r.value)) for x, r in zip(xs, rates, strict=True)])
        drawn.append(f'<polyline class="curve" points="{middle}"/>')
    for x, rate, point in zip(xs, rates, known, strict=True):
        said = f"{stretch(report, point)}: {with_interval(rate, 1)}, {rate.count} of {plural(rate.of, 'test')}"
        dot = f'<circle class="point" cx="{num(x)}" cy="{num(y(rate.value))}" r="3">'
        drawn.append(f"{dot}<title>{escaped(said)}</title></circle>")
    drawn += _dates(report, known, left, right)
    return drawn, HEIGHT


def _dates(report: Report, known: Sequence[RatePoint], left: float, right: float) -> list[str]:
    assert report.series
    runs = report.series.runs
    first, last = day(runs[known[0].first].run.started_at), day(runs[known[-1].last].run.started_at)
    if first == last:
        return [label((left + right) / 2, HEIGHT - 8, first, "t dim", "middle")]
    middle = day(runs[known[len(known) // 2].first].run.started_at)
    between = [label((left + right) / 2, HEIGHT - 8, middle, "t dim", "middle")] if middle not in (first, last) else []
    return [label(left, HEIGHT - 8, first, "t dim"), *between, label(right, HEIGHT - 8, last, "t dim", "end")]


def _axis(highest: float) -> tuple[float, float]:
    """The upper end of an axis from 0 and the step of its three to six ticks, in round numbers, at most 1."""
    if highest <= 0:
        return 0.05, 0.01
    power = 10.0 ** floor(log10(highest))
    step = next(power * factor for factor in (0.2, 0.25, 0.5, 1.0, 2.0, 2.5) if highest / (power * factor) <= 5)
    return min(1.0, ceil(highest / step - 1e-9) * step), step


def cause_bars(report: Report, width: float) -> Drawing:
    """Flaky tests by cause."""
    rows = causes(report)
    if not rows:
        return [label(0, 24, "No flaky tests.", "t dim")], HEIGHT
    pitch = min(30.0, (HEIGHT - 8) / len(rows))
    left, most = 122.0, max(tests for _, tests, _ in rows)
    room = width - left - 62
    drawn = []
    for place, (category, tests, lost) in enumerate(rows):
        y, long = 6 + place * pitch, max(2.0, room * tests / most)
        kind = "bar unknown" if category is Category.UNKNOWN else "bar"
        said = f"{category}: {plural(tests, 'flaky test')}, {minutes(lost)} lost"
        drawn.append(label(left - 8, y + pitch / 2 + 2, category.value, "t", "end"))
        drawn.append(box(left, y + 2, long, pitch - 8, kind, said))
        drawn.append(label(left + long + 6, y + pitch / 2 + 2, plural(tests, "test"), "t dim"))
    return drawn, HEIGHT


def cost_bars(report: Report, width: float) -> Drawing:
    """Minutes lost per problem: per cluster, and per flaky test that stands alone."""
    whole = problems(report)
    if not whole:
        return [label(0, 24, "No flaky tests.", "t dim")], HEIGHT
    shown = whole[:PROBLEMS] if len(whole) <= PROBLEMS else whole[: PROBLEMS - 1]
    rest = whole[len(shown) :]
    bars = [(_named(p), p.minutes, p.tests > 1) for p in shown]
    if rest:
        bars.append((f"{plural(len(rest), 'other problem')}", sum(p.minutes for p in rest), True))
    most = max(cost for _, cost, _ in bars) or 1.0
    pitch, drawn = (HEIGHT - 8) / PROBLEMS, []
    for place, (name, cost, whole_name) in enumerate(bars):
        y = 4 + place * pitch
        room = width - 66
        text = shortened(name, room, head=whole_name)
        drawn.append(label(0, y + 11, text))
        drawn.append(label(width, y + 11, minutes(cost), "t dim", "end"))
        drawn.append(box(0, y + 16, width, 8, "track"))
        drawn.append(box(0, y + 16, max(2.0, width * cost / most), 8, "bar", f"{name}: {minutes(cost)} lost"))
    return drawn, HEIGHT


def _named(problem: Problem) -> str:
    return problem.name if problem.cluster is None else f"cluster {problem.cluster}: {problem.name}"


def spoken(report: Report) -> dict[str, str]:
    """What each chart shows, in one sentence for those who do not see it; the tables beside them have every figure."""
    known = report.series.rates if report.series else ()
    values = [point.rates.flaky_tests.value for point in known]
    trend = (
        f"from {percent(values[0], 1)} in the first to {percent(values[-1], 1)} in the last of "
        f"{plural(len(values), 'stretch', 'stretches')} of runs, at most {percent(max(values), 1)}"
        if values
        else "not known"
    )
    by_cause = ", ".join(f"{category} {tests}" for category, tests, _ in causes(report)) or "none"
    by_cost = ", ".join(f"{visible(_named(p))} {minutes(p.minutes)}" for p in problems(report)[:PROBLEMS]) or "none"
    return {
        "rate": f"Flaky rate over time: {trend}",
        "causes": f"Flaky tests by cause: {by_cause}",
        "cost": f"Minutes lost by problem: {by_cost}",
    }
