"""`flakediag report --all-projects`: a line for each project, and the worst tests over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from flakediag.model import Finding, Fleet, Report, Verdict
from flakediag.report import document, wording
from flakediag.report.format import Options
from flakediag.report.text import iso, minutes, number, percent, plural, visible

FORMATS = ("table", "json", "markdown", "csv")

Placed = tuple[Report, Finding]


def worst(fleet: Fleet, limit: int) -> list[Placed]:
    """The tests of all projects that cost most time, at most `limit` (0: all), each with its project's report.

    Minutes, because the score of a test is a share of its own project.
    """
    placed = [(report, finding) for report in fleet.reports for finding in report.tests]
    placed.sort(key=lambda each: (-each[1].impact.minutes, -each[1].impact.red_runs, each[0].project, each[1].id))
    return placed[: limit or None]


def write(fleet: Fleet, shown: Fleet, format_name: str, limit: int, stream: TextIO, options: Options) -> None:
    """Write the fleet. `shown` has the tests that are wanted, `fleet` all of them, for the figures of each project.

    `limit` (0: none) is for the formats for people, over all projects.
    """
    if format_name == "json":
        document.write(_document(shown), stream)
    elif format_name == "csv":
        _csv(shown, stream)
    elif format_name == "markdown":
        _markdown(fleet, worst(shown, limit), stream)
    else:
        _table(fleet, worst(shown, limit), stream, options)


def _document(fleet: Fleet) -> document.Document:
    return {
        "schema_version": document.SCHEMA_VERSION,
        "generated_at": iso(fleet.generated_at),
        "reports": [document.report(report) for report in fleet.reports],
        "failed": [{"project": each.project, "reason": each.reason, "bug": each.bug} for each in fleet.failed],
    }


def _csv(fleet: Fleet, stream: TextIO) -> None:
    from flakediag.report import csv

    rows = [{**csv.row(finding), "project": report.project} for report, finding in worst(fleet, 0)]
    csv.write_rows(rows, (csv.COLUMNS[0], "project", *csv.COLUMNS[1:]), stream)


# --- for people ----------------------------------------------------------------------------------------------------

_PROJECTS = ("Project", "Runs", "Tests", "Flaky", "Rate", "Broken", "Red runs", "Lost")


def _cells(report: Report) -> list[str]:
    return [
        visible(report.project),
        number(report.history.runs),
        number(report.history.tests),
        number(report.rates.flaky_tests.count),
        percent(report.rates.flaky_tests.value, 1),
        number(sum(finding.verdict is Verdict.BROKEN for finding in report.tests)),
        f"{number(report.rates.flaky_runs.count)} of {number(report.rates.flaky_runs.of)}",
        minutes(_lost(report)),
    ]


def _ranked(fleet: Fleet) -> list[Report]:
    """The projects by what their flaky tests cost."""
    return sorted(fleet.reports, key=lambda report: (-_lost(report), report.project))


def _lost(report: Report) -> float:
    """Minutes, to its flaky tests."""
    return sum(finding.impact.minutes for finding in report.tests if finding.verdict is Verdict.FLAKY)


def _sums(fleet: Fleet) -> str:
    tests = sum(report.history.tests for report in fleet.reports)
    results = sum(report.history.results for report in fleet.reports)
    flaky = sum(report.rates.flaky_tests.count for report in fleet.reports)
    return (
        f"{plural(len(fleet.reports), 'project')} · {plural(tests, 'test')}, {plural(results, 'result')} · "
        f"{plural(flaky, 'flaky test')}"
    )


def _failures(fleet: Fleet) -> Iterator[tuple[str, str]]:
    return ((visible(each.project), visible(each.reason)) for each in fleet.failed)


def _why(finding: Finding) -> Sequence[tuple[str, str]]:
    said = (("why", wording.why(finding)), (wording.todo_label(finding), wording.todo(finding)))
    return [(label, text) for label, text in said if text]


def _table(fleet: Fleet, shown: Sequence[Placed], stream: TextIO, options: Options) -> None:
    from flakediag.report.screen import Screen, table

    out = Screen(stream, options)
    out.line(("flakediag", "bold"), f" · {_sums(fleet)}", hang=2)
    if fleet.reports:
        out.blank()
        columns = [(heading, "left" if heading == "Project" else "right") for heading in _PROJECTS]
        table(out, columns, [_cells(report) for report in _ranked(fleet)])
    if shown:
        out.heading(f"The {plural(len(shown), 'test')} that cost most")
        for place, (report, finding) in enumerate(shown, 1):
            out.labelled(f"{place:>3}", "dim", f"{visible(report.project)}  {wording.test_id(finding)}", "bold")
            said = wording.cause(finding.cause) if finding.verdict is Verdict.FLAKY else finding.verdict.value
            lost = f"{plural(finding.impact.red_runs, 'red run')}, {minutes(finding.impact.minutes)} lost"
            out.line(f"{wording.rate(finding)}, {wording.failed(finding)}  ·  {said}  ·  {lost}", indent=5, hang=2)
            for label, text in _why(finding):
                out.line((f"{label}  ", "dim"), text, indent=5, hang=5)
    if fleet.failed:
        out.heading(f"Not reported ({number(len(fleet.failed))})", "bold red")
        for project, reason in _failures(fleet):
            out.line(f"{project}: {reason}", indent=2, hang=2)


def _markdown(fleet: Fleet, shown: Sequence[Placed], stream: TextIO) -> None:
    from flakediag.report.markdown import code, escape, prose, table

    stream.write(f"### {escape(_sums(fleet))}\n\n")
    if fleet.reports:
        rows = [[code(cells[0]), *map(escape, cells[1:])] for cells in map(_cells, _ranked(fleet))]
        stream.write(table(_PROJECTS, rows))
    if shown:
        cells = [
            [
                code(report.project),
                code(finding.id),
                escape(wording.rate(finding)),
                escape(minutes(finding.impact.minutes)),
                escape(wording.cause(finding.cause) if finding.verdict is Verdict.FLAKY else finding.verdict.value),
                prose(wording.todo(finding)),
            ]
            for report, finding in shown
        ]
        stream.write(table(("Project", "Test", "Fails", "Lost", "Cause", "What to do"), cells))
    if fleet.failed:
        stream.write("**Not reported**\n\n")
        stream.writelines(f"- {code(project)}: {escape(reason)}\n" for project, reason in _failures(fleet))
