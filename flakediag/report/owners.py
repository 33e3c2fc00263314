"""`flakediag owners`: whose tests are flaky, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from flakediag.model import Finding, Report, Verdict
from flakediag.report import document, wording
from flakediag.report.format import Options
from flakediag.report.text import minutes, number, plural, visible

FORMATS = ("table", "json", "markdown")
NOBODY, UNKNOWN = "(nobody)", "(unknown)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one owner's flaky tests cost: `red_runs` is the number of runs that any of them turned red.

    `owner` is None where nobody owns the tests, or, with `unknown`, where it is not known who does.
    """

    owner: str | None
    unknown: bool
    flaky: tuple[Finding, ...]
    broken: int
    red_runs: int
    minutes: float

    @property
    def label(self) -> str:
        return self.owner or (UNKNOWN if self.unknown else NOBODY)


def shares(report: Report) -> list[Share]:
    """One share per owner, the costliest first. A test with two owners counts for both."""
    groups: dict[tuple[str | None, bool], list[Finding]] = {}
    for finding in report.tests:
        for owner in finding.owners or (None,):
            groups.setdefault((owner, finding.owners is None), []).append(finding)
    down = {outage.run.id for outage in report.outages}
    made = [_share(owner, unknown, members, down) for (owner, unknown), members in groups.items()]
    return sorted((s for s in made if s.flaky or s.broken), key=lambda s: (-s.minutes, -len(s.flaky), s.label))


def _share(owner: str | None, unknown: bool, members: Sequence[Finding], down: set[int | None]) -> Share:
    flaky = tuple(f for f in members if f.verdict is Verdict.FLAKY)
    red = {e.run.id for f in flaky for e in f.timeline if e.outcome.failed and e.run.id not in down}
    return Share(
        owner=owner,
        unknown=unknown,
        flaky=flaky,
        broken=sum(f.verdict is Verdict.BROKEN for f in members),
        red_runs=len(red),
        minutes=sum(f.impact.minutes for f in flaky),
    )


def write(report: Report, source: str, format_name: str, stream: TextIO, options: Options) -> None:
    """Write the shares; `source` is the CODEOWNERS file that they go by."""
    rows = shares(report)
    if format_name == "json":
        document.write(_document(report, source, rows), stream)
    elif format_name == "markdown":
        _markdown(report, source, rows, stream)
    else:
        _table(report, source, rows, stream, options)


def _document(report: Report, source: str, rows: Sequence[Share]) -> document.Document:
    head = {key: document.report(report)[key] for key in ("schema_version", "generated_at", "project", "branch")}
    owners = [
        {
            "owner": row.owner,
            "known": not row.unknown,
            "flaky": len(row.flaky),
            "broken": row.broken,
            "red_runs": row.red_runs,
            "minutes": document.number(row.minutes),
            "tests": [f.id for f in row.flaky],
        }
        for row in rows
    ]
    return {**head, "codeowners": source, "owners": owners}


_HEADINGS = ("Owner", "Flaky", "Broken", "Red runs", "Lost")


def _cells(row: Share) -> list[str]:
    return [visible(row.label), number(len(row.flaky)), number(row.broken), number(row.red_runs), minutes(row.minutes)]


def _nothing(report: Report) -> str:
    return wording.nothing_to_show(report) or "No test is flaky or broken."


def _table(report: Report, source: str, rows: Sequence[Share], stream: TextIO, options: Options) -> None:
    from flakediag.report.screen import Screen, table

    out = Screen(stream, options)
    out.line(("flakediag", "bold"), f" · {wording.window(report)} · owners by {visible(source)}", hang=2)
    out.blank()
    if not rows:
        out.line(_nothing(report))
        return
    table(out, [(h, "left" if h == "Owner" else "right") for h in _HEADINGS], [_cells(row) for row in rows])
    if any(row.unknown for row in rows):
        unknown = sum(len(row.flaky) + row.broken for row in rows if row.unknown)
        out.blank()
        out.line(f"{UNKNOWN}: the file of {plural(unknown, 'test')} cannot be told, or may be one of several", hang=2)


def _markdown(report: Report, source: str, rows: Sequence[Share], stream: TextIO) -> None:
    from flakediag.report.markdown import code, escape, table

    stream.write(f"{escape(wording.window(report))}, owners by {code(source)}\n\n")
    if not rows:
        stream.write(f"{escape(_nothing(report))}\n")
        return
    stream.write(table(_HEADINGS, [[escape(cell) for cell in _cells(row)] for row in rows]))
