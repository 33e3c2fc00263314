"""The report for people: readable at 80 columns at two in the morning, and plain, uncut lines when piped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len

from flakediag.model import Category, Finding, Report, Verdict
from flakediag.report import screen, wording
from flakediag.report.format import Options
from flakediag.report.screen import Screen
from flakediag.report.text import commit, day, minutes, number, plural, visible

# From this width on the figures stand in columns of their own; below it each test is a small block of lines.
WIDE = 120


class Table:
    name = "table"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        out = Screen(stream, options)
        _header(out, report)
        by_verdict = {verdict: [f for f in report.tests if f.verdict is verdict] for verdict in Verdict}
        empty = wording.nothing_to_show(report)
        if empty:
            out.blank()
            out.line(empty)
        for verdict in (Verdict.FLAKY, *wording.SHOWN_APART):
            if by_verdict[verdict]:
                known = report.rates.flaky_tests.count if verdict is Verdict.FLAKY else 0
                _section(out, verdict, by_verdict[verdict], known)
        _clusters(out, report)
        _fixes(out, report)
        _notes(out, report)


def _header(out: Screen, report: Report) -> None:
    out.line(("flakediag", "bold"), f" · {wording.window(report)}", hang=2)
    rates = wording.rates(report) if report.history.runs else []
    widest = max((len(value) for _, value, _ in rates), default=0)
    for figure, value, meaning in rates:
        out.line(f"{figure:<16}  ", (value.ljust(widest), "bold"), f"  {meaning}", hang=20)


def _section(out: Screen, verdict: Verdict, findings: Sequence[Finding], known: int) -> None:
    """The tests of one verdict; `known` is how many there are in all, where that is more than are shown."""
    count = number(len(findings)) + (f" of {number(known)}" if known > len(findings) else "")
    out.heading(f"{wording.HEADINGS[verdict]} ({count})", f"bold {screen.VERDICT[verdict]}")
    if verdict in (Verdict.NEW, Verdict.INSUFFICIENT):
        for finding in findings:
            _brief(out, finding)
    elif out.width is not None and out.width >= WIDE:
        _columns(out, findings)
    else:
        for finding in findings:
            _block(out, finding)


def _brief(out: Screen, finding: Finding) -> None:
    out.line(f"{wording.test_id(finding)}  ", (f"failed in {wording.failed(finding)}", "dim"), indent=2, hang=2)


def _block(out: Screen, finding: Finding) -> None:
    """A few lines per test: who, how often and why so, what to do."""
    out.labelled(f"{finding.rank or '-':>3}", "dim", wording.test_id(finding), "bold")
    flaky = finding.verdict is Verdict.FLAKY
    parts: list[str | tuple[str, str]] = [f"{finding.verdict}  " if not out.width else ""]
    parts += [wording.rate(finding), f", {wording.failed(finding)}"]
    if flaky:
        parts += ["  ·  ", (wording.cause(finding.cause), _cause_style(finding))]
    elif finding.since_commit:
        parts += [f"  ·  {wording.since(finding)}"]
    if finding.impact.red_runs:
        parts += [f"  ·  {plural(finding.impact.red_runs, 'red run')}, {minutes(finding.impact.minutes)} lost"]
    if finding.cluster is not None:
        parts += [f"  ·  cluster {finding.cluster}"]
    if owners := wording.owners(finding):
        parts += [f"  ·  {owners}"]
    out.line(*parts, indent=5, hang=2)
    for label, said in (("why", wording.why(finding)), (wording.todo_label(finding), wording.todo(finding))):
        if said:
            out.line((f"{label}  ", "dim"), said, indent=5, hang=5)


def _columns(out: Screen, findings: Sequence[Finding]) -> None:
    """The figures in columns, one line a test; below it, over the whole width, why and what to do.

    An id that is wider than its column stands on a line of its own: cut or folded ids cannot be copied.
    """
    flaky = findings[0].verdict is Verdict.FLAKY
    rows = [
        (
            str(finding.rank or "-"),
            wording.test_id(finding),
            f"{wording.rate(finding)}, {wording.failed(finding)}",
            plural(finding.impact.red_runs, "red run"),
            f"{wording.cause(finding.cause)}{_cluster(finding)}{_owners(finding)}" if flaky else _since(finding),
        )
        for finding in findings
    ]
    rank, _, fails, cost, last = (max(map(cell_len, column)) for column in zip(*rows, strict=True))
    room = max(20, (out.width or WIDE) - rank - fails - cost - last - 8)
    _row(out, ("#", "Test", "Fails", "Cost", "Cause" if flaky else "Since"), (rank, room, fails, cost), ("dim", "dim"))
    for finding, row in zip(findings, rows, strict=True):
        _row(out, row, (rank, room, fails, cost), ("bold", _cause_style(finding) if flaky else ""))
        for label, said in (("why", wording.why(finding)), (wording.todo_label(finding), wording.todo(finding))):
            if said:
                out.line((f"{label}  ", "dim"), said, indent=rank + 2, hang=5)


def _row(out: Screen, cells: Sequence[str], widths: Sequence[int], styles: tuple[str, str]) -> None:
    """One line of the columns; the first and the last cell are not padded on their outer side."""
    number, test, fails, cost, last = cells
    rank, room, wide_fails, wide_cost = widths
    id_style, last_style = styles
    beside = " " * (room - cell_len(test)) if cell_len(test) <= room else f"\n{' ' * (rank + 2 + room)}"
    out.uncut(
        (number.rjust(rank), "dim"),
        "  ",
        (test, id_style),
        f"{beside}  {fails.ljust(wide_fails)}  ",
        (cost.ljust(wide_cost), "dim"),
        "  ",
        (last, last_style),
    )


def _cluster(finding: Finding) -> str:
    return "" if finding.cluster is None else f", cluster {finding.cluster}"


def _owners(finding: Finding) -> str:
    return f", {owners}" if (owners := wording.owners(finding)) else ""


def _since(finding: Finding) -> str:
    return commit(finding.since_commit) if finding.since_commit else day(finding.last_failed)


def _cause_style(finding: Finding) -> str:
    category = finding.cause.category if finding.cause else Category.UNKNOWN
    return screen.CAUSE.get(category, "cyan")


def _clusters(out: Screen, report: Report) -> None:
    together = [cluster for cluster in report.clusters if len(cluster.tests) > 1]
    if not together:
        return
    out.heading("One problem each")
    for cluster in together:
        out.line(wording.cluster(cluster), indent=2, hang=2)


def _fixes(out: Screen, report: Report) -> None:
    said, steps = wording.fixes(report)
    if not steps:
        return
    out.heading(f"Mend first: {said}")
    for place, step in enumerate(steps, 1):
        out.line((f"{place}. ", "dim"), f"{wording.step(step)}  ·  {wording.ticket(step)}", indent=2, hang=3)


def _notes(out: Screen, report: Report) -> None:
    said = [*wording.outages(report), *(visible(note) for note in report.notes)]
    if report.hidden:
        said.append(f"{plural(report.hidden, 'more test is', 'more tests are')} not shown: --limit 0 shows all")
    flaky = next((f for f in report.tests if f.verdict is Verdict.FLAKY), None)
    if said:
        out.heading("Notes")
        for note in said:
            out.line(f"- {note}", indent=2, hang=2)
    if flaky and out.width is not None:
        out.blank()
        out.line(("Evidence, timeline and how to reproduce: flakediag show TEST", "dim"))
