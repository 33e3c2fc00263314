"""`--by`: where the flakiness sits, summed by package, file, boundary or cause."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TextIO

from flakediag.model import Finding, Report, Verdict
from flakediag.report import document, wording
from flakediag.report.format import Options
from flakediag.report.text import minutes, number, visible

NOT_KNOWN = "(not known)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One group. `red_runs` and `minutes` are sums over its tests: a run that two of them turned red counts twice."""

    group: str
    tests: int
    flaky: int
    broken: int
    failures: int
    red_runs: int
    minutes: float
    score: float


def package(finding: Finding) -> str:
    """The part of the class name above the test's own module or class; for tests known by their file, its folder.

    Go's class name is the package already. pytest's ends in the module, or in classes (CamelCase) below it.
    """
    test, framework = finding.test, finding.framework
    if framework == "go":
        return test.classname or NOT_KNOWN
    if framework in ("jest", "vitest", "rspec") or not test.classname:
        return test.file.replace("\\", "/").rpartition("/")[0] or NOT_KNOWN
    parts = re.split(r"[.$]", test.classname)
    if framework == "pytest":
        while len(parts) > 1 and re.match(r"_*[A-Z]", parts[-1]):
            parts.pop()
    return ".".join(parts[:-1]) or parts[0]


GROUPINGS: dict[str, Callable[[Finding], str]] = {
    "package": package,
    "file": lambda finding: finding.test.file or finding.test.classname or NOT_KNOWN,
    "boundary": lambda finding: finding.boundary.value if finding.boundary else NOT_KNOWN,
    "cause": lambda finding: finding.cause.category.value if finding.cause else f"({finding.verdict})",
}


def sums(findings: Iterable[Finding], by: str) -> list[Sum]:
    """One `Sum` per group, the costliest first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(GROUPINGS[by](finding), []).append(finding)
    rows = [
        Sum(
            group=group,
            tests=len(members),
            flaky=sum(f.verdict is Verdict.FLAKY for f in members),
            broken=sum(f.verdict is Verdict.BROKEN for f in members),
            failures=sum(f.failures for f in members),
            red_runs=sum(f.impact.red_runs for f in members),
            minutes=sum(f.impact.minutes for f in members),
            score=sum(f.impact.score for f in members),
        )
        for group, members in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.score, -row.flaky, -row.failures, row.group))


def write(report: Report, by: str, format_name: str, stream: TextIO, options: Options) -> None:
    """Write the sums in one of the formats that a report has."""
    rows = sums(report.tests, by)
    {"table": _table, "json": _json, "markdown": _markdown, "csv": _csv}[format_name](report, by, rows, stream, options)


def _cells(row: Sum) -> list[str]:
    counts = [row.tests, row.flaky, row.broken, row.failures, row.red_runs]
    return [visible(row.group), *map(number, counts), minutes(row.minutes), f"{row.score:.2f}"]


_HEADINGS = ("Tests", "Flaky", "Broken", "Failures", "Red runs", "Lost", "Score")


def _table(report: Report, by: str, rows: list[Sum], stream: TextIO, options: Options) -> None:
    from flakediag.report.screen import Screen, table

    out = Screen(stream, options)
    out.line(("flakediag", "bold"), f" · {wording.window(report)}", hang=2)
    out.blank()
    if rows:
        table(out, [(by.capitalize(), "left"), *((h, "right") for h in _HEADINGS)], [_cells(row) for row in rows])
    else:
        out.line(wording.nothing_to_show(report))


def _json(report: Report, by: str, rows: list[Sum], stream: TextIO, options: Options) -> None:
    groups = [
        {
            "group": row.group,
            "tests": row.tests,
            "flaky": row.flaky,
            "broken": row.broken,
            "failures": row.failures,
            "red_runs": row.red_runs,
            "minutes": document.number(row.minutes),
            "score": document.number(row.score),
        }
        for row in rows
    ]
    head = {key: document.report(report)[key] for key in ("schema_version", "generated_at", "project", "branch")}
    document.write({**head, "by": by, "groups": groups}, stream)


def _markdown(report: Report, by: str, rows: list[Sum], stream: TextIO, options: Options) -> None:
    from flakediag.report.markdown import code, escape, table

    stream.write(f"{escape(wording.window(report))}\n\n")
    cells = [[code(row.group), *(escape(cell) for cell in _cells(row)[1:])] for row in rows]
    stream.write(table((by.capitalize(), *_HEADINGS), cells))


def _csv(report: Report, by: str, rows: list[Sum], stream: TextIO, options: Options) -> None:
    from flakediag.report.csv import write_rows

    columns = ("tests", "flaky", "broken", "failures", "red_runs", "minutes", "score", "group")
    write_rows([{column: getattr(row, column) for column in columns} for row in rows], columns, stream)
