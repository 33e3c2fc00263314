"""Files as runs: one each, or a folder of them together where a producer writes a file per class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from flakediag.junit.classes import run_of_classes
from flakediag.junit.document import Document
from flakediag.junit.file_reports import duplicate
from flakediag.junit.header import run_report
from flakediag.junit.results import Reading
from flakediag.junit.targets import joined_by_target
from flakediag.junit.text import natural
from flakediag.model import FileReport, Order, Results, RunReport

AGGREGATE = "TESTS-TestSuites.xml"  # Ant's junitreport: the other files of the folder once more


def belongs_together(reading: Reading, name: str) -> bool:
    """Whether the file is one of several that make a run."""
    return reading.dialect.per_class or name == AGGREGATE or reading.part is not None


def group_of(reading: Reading, folder: str, scope: str | None) -> tuple[str, str | None]:
    """Where the other files of its run stand, and by what it is told that all were seen: `folder` and `scope` of the
    file, or for a tree its root, of which nothing tells that but the end."""
    return (reading.part.tree, None) if reading.part is not None else (folder, scope)


def run_of(reading: Reading, now: datetime) -> RunReport:
    """One file as one run."""
    report = run_report([reading], reading.results, reading.order, reading.load.parallelism, reading.load.wall, now)
    if reading.document.ordered_classes:
        return replace(report, run=replace(report.run, ordered_classes=True))
    return report


def runs_of(readings: Sequence[Reading], now: datetime) -> Iterator[RunReport | FileReport]:
    """The files of one folder as a run; as several where they repeat the same suite under other file names."""
    readings = sorted(readings, key=lambda reading: natural(reading.file.path))
    kept: list[Reading] = []
    digests: dict[str, str] = {}
    alone = {suite.name for reading in readings if _name(reading) != AGGREGATE for suite in reading.document.suites}
    for reading in readings:
        if _name(reading) == AGGREGATE and _repeats(reading.document, alone):
            yield duplicate(reading, "it repeats the other files of its folder")
        elif reading.file.digest in digests and reading.part is None:
            yield duplicate(reading, f"the same bytes as {digests[reading.file.digest]}")
        else:
            digests[reading.file.digest] = reading.file.path
            kept.append(reading)
    if len(kept) == 1:
        yield run_of(kept[0], now)
        return
    if any(reading.part is not None for reading in kept):
        yield _tree(kept, now)
        return
    names = Counter(reading.document.root.name for reading in kept)
    if max(names.values()) > 1 and not all(_name(reading).startswith("TEST-") for reading in kept):
        for reading in kept:
            yield run_of(reading, now)
        return
    yield run_of_classes(kept, now)


def _repeats(aggregate: Document, alone: set[str]) -> bool:
    """Whether the suites of an aggregate, by the names of those that have files of their own, are all among these."""
    names = {
        ".".join(part for part in (suite.attributes.get("package", ""), suite.name) if part)
        for suite in aggregate.suites
        if suite.tag == "testsuite"
    }
    return bool(names) and names <= alone


def _tree(readings: list[Reading], now: datetime) -> RunReport:
    """Bazel's targets as one run. Each is a process of its own, so that no order between them means anything."""
    parts = [(reading.part, reading.results) for reading in readings if reading.part is not None]
    joined, note = joined_by_target(parts)
    processes = {(part.target, part.process) for part, _ in parts}
    within = all(reading.order is Order.EXECUTION for reading in readings)
    order = readings[-1].order if len(processes) == 1 else Order.UNKNOWN
    notes = [f"{len(readings)} files of Bazel's test logs are one run", *([note] if note else [])]
    if order is Order.UNKNOWN:
        notes.append(f"{len(processes)} processes ran the targets: only the order within each class is known")
    report = run_report(readings, Results.of(joined), order, None, None, now, notes)
    return replace(report, run=replace(report.run, ordered_classes=within and order is Order.UNKNOWN))


def _name(reading: Reading) -> str:
    return re.split(r"[/\\!]", reading.file.path)[-1]
