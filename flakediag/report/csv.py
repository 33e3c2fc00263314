"""The report as CSV, one row per test, for spreadsheets and notebooks."""

from __future__ import annotations

from typing import Any, TextIO

from flakediag.model import Finding, Report
from flakediag.report import wording
from flakediag.report.format import Options
from flakediag.report.text import iso, visible


class Csv:
    name = "csv"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        rows = [row(finding) for finding in report.tests]
        write_rows(rows, COLUMNS, stream)


def row(finding: Finding) -> dict[str, Any]:
    """The cells of one test by column; None is an empty cell."""
    cause = finding.cause
    partner = next(iter(cause.partners), None) if cause else None
    return {
        "rank": finding.rank,
        "id": finding.id,
        "classname": finding.test.classname,
        "name": finding.test.name,
        "file": finding.test.file or None,
        "verdict": finding.verdict.value,
        "runs": finding.runs,
        "failures": finding.failures,
        "rate": finding.rate.value,
        "rate_low": finding.rate.low,
        "rate_high": finding.rate.high,
        "cause": cause.category.value if cause else None,
        "probability": cause.probability if cause else None,
        "partner": partner.id if partner else None,
        "partner_role": partner.role if partner else None,
        "ports": " ".join(map(str, cause.ports)) if cause else None,
        "boundary": finding.boundary.value if finding.boundary else None,
        "cluster": finding.cluster,
        "red_runs": finding.impact.red_runs,
        "minutes": finding.impact.minutes,
        "score": finding.impact.score,
        "why": wording.why(finding),
        "fix": wording.todo(finding),
        "reproduce": finding.fix.reproduce if finding.fix else None,
        "first_seen": iso(finding.first_seen),
        "last_failed": iso(finding.last_failed),
        "since_commit": finding.since_commit,
        "owners": None if finding.owners is None else " ".join(finding.owners),
    }


# `rank` comes first: a row then never begins with a name, which a CI log could take for a command.
COLUMNS = (
    *("rank", "id", "classname", "name", "file", "verdict", "runs", "failures", "rate", "rate_low", "rate_high"),
    *("cause", "probability", "partner", "partner_role", "ports", "boundary", "cluster"),
    *("red_runs", "minutes", "score", "why", "fix", "reproduce", "first_seen", "last_failed", "since_commit"),
    "owners",
)


def write_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], stream: TextIO) -> None:
    """Write `rows` under a heading; every text cell is on one line and no spreadsheet takes it for a formula."""
    import pandas

    # dtype=object: a column of whole numbers with a gap would turn into 1.0, 2.0.
    frame = pandas.DataFrame([[_cell(r[c]) for c in columns] for r in rows], columns=list(columns), dtype=object)
    frame.to_csv(stream, index=False, lineterminator="\n")


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if value not in (0.0, 1.0) else value
    if not isinstance(value, str):
        return value
    text = visible(value)
    # A cell that begins so is a formula to a spreadsheet (full-width forms included); an apostrophe makes it text.
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@＝＋－＠") else text
