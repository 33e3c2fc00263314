"""The document: a template, the figures that need no script, and the data for the script, under a policy that lets
nothing else run, load or connect.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TextIO

from flakediag.model import Category, Report
from flakediag.report import charts, wording
from flakediag.report.format import Options
from flakediag.report.html.data import Places, Texts, chunks, embedded, overview
from flakediag.report.marks import escaped
from flakediag.report.text import minute, minutes, number, percent, plural, visible, with_interval

SCRIPTS = ("elements", "data", "marks", "table", "heatmap", "pictures", "detail", "main")
WITHOUT_SCRIPT = 50  # tests in the plain list for those who see the page without its script
CHART_WIDTH = 360


class Html:
    name = "html"
    series = True

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        style, script = resource("page.css"), whole_script()
        places, texts = Places(report), Texts()
        details = [_block(f"details-{n}", chunk) for n, chunk in enumerate(chunks(report, places, texts))]
        parts = {
            "policy": policy(style, script),
            "title": escaped(title(report)),
            "style": style,
            "script": script,
            "window": escaped(wording.window(report)),
            "made": escaped(f"Made by flakediag, {minute(report.generated_at)} UTC"),
            "rates": "".join(_rates(report)),
            "charts": "".join(_charts(report)),
            "empty": _paragraph(wording.nothing_to_show(report)),
            "first": _first(report),
            "notes": _notes(report),
            "verdicts": _choices(sorted({f.verdict.value for f in report.tests})),
            "causes": _choices(
                [c.value for c in Category if any(f.cause and f.cause.category is c for f in report.tests)]
            ),
            "plain": _plain(report),
            # The script stands before the details: the page is ready to use while they are still being read.
            "overview": _block("overview", overview(report, places)),
            "data": "".join([*details, _block("texts", texts.all)]),
        }
        stream.write(filled(resource("page.html"), parts))


def _block(name: str, value: object) -> str:
    return f'<script type="application/json" id="data-{name}">{embedded(value)}</script>\n'


def filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with each `{{name}}` replaced, in one pass: what is put in is never searched again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


@cache
def resource(name: str) -> str:
    return files("flakediag.report.html").joinpath(name).read_text("utf-8")


@cache
def whole_script() -> str:
    """The scripts as one, in a function of its own so that no name is global."""
    body = "\n".join(resource(f"script/{name}.js").strip() for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{body}\n}})();\n'


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy: this style and this script by their hashes, the icon, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def title(report: Report) -> str:
    rate = report.rates.flaky_tests
    project = f"{visible(report.project)}: " if report.project not in ("", "default") else ""
    return f"{project}{plural(rate.count, 'flaky test')} of {number(rate.of)}"


def _rates(report: Report) -> Iterable[str]:
    for (name, value, counted), rate in zip(
        wording.rates(report),
        (report.rates.flaky_tests, report.rates.flaky_runs, report.rates.flaky_executions),
        strict=True,
    ):
        interval = value.partition(" (")[2].removesuffix(")")
        yield (
            f'<li class="figure"><h2>{escaped(name)}</h2><p class="value">{escaped(percent(rate.value, 1))}</p>'
            f'<p class="dim">95 % interval {escaped(interval)}<br>{escaped(counted)}</p></li>\n'
        )


def _charts(report: Report) -> Iterable[str]:
    said = charts.spoken(report)
    for key, heading, note, draw, table in (
        ("rate", "Flaky rate over time", _rate_note(report), charts.rate_over_time, _rate_table(report)),
        ("causes", "Causes", "Flaky tests by their most probable cause", charts.cause_bars, _cause_table(report)),
        ("cost", "Cost", "Time lost to each cluster or lone flaky test", charts.cost_bars, _cost_table(report)),
    ):
        drawn, height = draw(report, CHART_WIDTH)
        yield (
            f'<figure class="card"><figcaption><h2>{heading}</h2><p class="dim">{escaped(note)}</p></figcaption>\n'
            f'<svg viewBox="0 0 {CHART_WIDTH} {height:.0f}" role="img" aria-label="{escaped(said[key])}">'
            f"{''.join(drawn)}</svg>\n<details><summary>The figures</summary>{table}</details></figure>\n"
        )


def _rate_note(report: Report) -> str:
    return "Flaky tests that failed, of those that ran, in successive stretches of runs; band: 95 % interval"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all cells but those of the first column hold figures."""
    head = "".join(f'<th scope="col">{escaped(text)}</th>' for text in headings)
    body = "".join(
        f'<tr><th scope="row">{escaped(row[0])}</th>{"".join(f"<td>{escaped(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _rate_table(report: Report) -> str:
    known = report.series.rates if report.series else ()
    rows = [
        (
            charts.stretch(report, point),
            with_interval(point.rates.flaky_tests, 1),
            with_interval(point.rates.flaky_runs),
            with_interval(point.rates.flaky_executions, 1),
        )
        for point in known
    ]
    return _table(("Runs", "Tests that failed flakily", "Runs red by flakes only", "Executions"), rows)


def _cause_table(report: Report) -> str:
    rows = [(c.value, number(tests), minutes(lost)) for c, tests, lost in charts.causes(report)]
    return _table(("Cause", "Flaky tests", "Lost"), rows)


def _cost_table(report: Report) -> str:
    rows = [
        (p.name if p.cluster is None else f"cluster {p.cluster}: {p.name}", number(p.tests), minutes(p.minutes))
        for p in charts.problems(report)[:WITHOUT_SCRIPT]
    ]
    return _table(("Problem", "Flaky tests", "Lost"), rows)


def _first(report: Report) -> str:
    """What to mend first, and how many red runs are left after each fix."""
    said, steps = wording.fixes(report)
    if not steps:
        return ""
    rows = [
        (f"{place}. {wording.ticket(step)}", minutes(step.saves.minutes), wording.step(step).removeprefix("red runs "))
        for place, step in enumerate(steps, 1)
    ]
    table = _table(("Fix", "Lost on it so far", "Red runs"), rows)
    return f"<section><h2>What to mend first</h2><p>{escaped(said[:1].upper() + said[1:])}.</p>{table}</section>"


def _notes(report: Report) -> str:
    notes = [*wording.outages(report), *report.notes]
    if report.hidden:
        notes.append(f"{plural(report.hidden, 'more test is', 'more tests are')} not shown (--limit)")
    items = "".join(f"<li>{escaped(note)}</li>" for note in notes)
    return f"<section><h2>Good to know</h2><ul>{items}</ul></section>" if notes else ""


def _choices(values: Sequence[str]) -> str:
    return "".join(f'<option value="{escaped(value)}">{escaped(value)}</option>' for value in values)


def _paragraph(text: str) -> str:
    return f"<p>{escaped(text)}</p>" if text else ""


def _plain(report: Report) -> str:
    """The first tests as a plain table: some artifact servers show a page, but run no script of it."""
    rows = [
        (wording.test_id(f), f.verdict.value, wording.rate(f), wording.cause(f.cause), wording.why(f), wording.todo(f))
        for f in report.tests[:WITHOUT_SCRIPT]
    ]
    left = len(report.tests) - len(rows)
    more = f"<p>{plural(left, 'more test is', 'more tests are')} shown where scripts run.</p>" if left else ""
    return _table(("Test", "Verdict", "Fails", "Cause", "Why", "What to do"), rows) + more if rows else ""
