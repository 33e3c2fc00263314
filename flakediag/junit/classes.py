"""A folder with a file for each test class as one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from flakediag.junit.attempts import tried_again
from flakediag.junit.dialects import PARALLEL
from flakediag.junit.header import run_report
from flakediag.junit.results import Reading, result_of
from flakediag.junit.text import natural
from flakediag.model import CaseResult, Identity, Order, Results, RunReport


def run_of_classes(readings: list[Reading], now: datetime) -> RunReport:
    """Several files as one run, in the order in which their classes ran where that can be told, else of their paths."""
    notes = []
    wall: float | None = None
    parallelism: float | None = None
    times = [reading.load.wall or 0.0 for reading in readings]
    dated = [reading.began for reading in readings if reading.began is not None]
    known = len(dated) == len(readings) and len(set(dated)) == len(dated)
    if len(dated) == len(readings):
        readings = sorted(readings, key=lambda reading: (reading.began or now, natural(reading.file.path)))
        ends = [(reading.began or now) + timedelta(seconds=reading.load.wall or 0.0) for reading in readings]
        wall = (max(ends) - min(dated)).total_seconds()
        # Timestamps may be cut to the second, so a run may have taken up to a second longer than they show.
        parallelism = round(sum(times) / (wall + 1.0), 3)
    elif _written_one_by_one(readings):
        readings = sorted(readings, key=lambda reading: reading.modified or 0.0)
        known = True
        notes.append("the classes are in the order in which their files were written")
    if known and dated and all(not moment.microsecond for moment in dated):
        notes.append("the classes are in the order of their timestamps, which tell seconds")
    if wall is None and any(times):
        wall = sum(times)
    order = readings[0].order
    within = all(reading.order is Order.EXECUTION for reading in readings)
    if any(reading.order is not order for reading in readings) or (parallelism or 0) > PARALLEL:
        order = Order.UNKNOWN
        notes.append("several classes ran at the same time: the order is not known")
    elif order is Order.EXECUTION and not known:
        order = Order.UNKNOWN
        tied = len(dated) - len(set(dated)) if len(dated) == len(readings) else 0
        notes.append(
            f"{tied} classes began at the same moment as another, as far as their timestamps tell "
            f"({'to the second' if all(not moment.microsecond for moment in dated) else 'to the millisecond'}): "
            "only the order within each class is known"
            if tied
            else "there is a file per class and nothing says in which order the classes ran"
        )
    results, note = _joined_across([reading.results for reading in readings])
    if note:
        notes.append(note)
    report = run_report(readings, results, order, parallelism, wall, now, notes)
    return replace(report, run=replace(report.run, ordered_classes=within and order is Order.UNKNOWN))


def _written_one_by_one(readings: Sequence[Reading]) -> bool:
    """Whether the files' modification times are those of a run: each file came after the time that its class took.

    Files that were copied, checked out or unpacked come all at once, or in whole seconds, and fail this.
    """
    written = sorted((reading.modified or 0.0, reading.load.wall or 0.0) for reading in readings)
    if any(reading.modified is None for reading in readings):
        return False
    gaps = [(after[0] - before[0], after[1]) for before, after in pairwise(written)]
    took = sum(time for _, time in gaps)
    return took >= 0.05 and all(gap > 0.0 and gap >= 0.5 * time for gap, time in gaps)


def _joined_across(parts: list[Results]) -> tuple[Results, str]:
    """Results of several files; a test in two of them of which one failed was tried again (Surefire before 3.3).

    The failed attempts came first: nobody tries again what passed.
    """
    places: dict[Identity, list[tuple[int, int]]] = defaultdict(list)
    for number, part in enumerate(parts):
        for index, test in enumerate(part.tests):
            places[test].append((number, index))
    replaced: dict[tuple[int, int], CaseResult | None] = {}
    retries = 0
    for test, found in places.items():
        if len({number for number, _ in found}) < 2:
            continue
        results = [parts[number][index] for number, index in found]
        gists = [_gist(result) for result in results]
        if len(set(gists)) == 1:  # written twice, not run twice (Surefire with nested classes)
            replaced.update(dict.fromkeys(found[1:]))
            continue
        if not any(result.outcome.failed for result in results):
            continue
        results.sort(key=lambda result: (not result.outcome.failed, result.attempts))
        tries = [attempt for result in results for attempt in tried_again(result)]
        replaced.update(dict.fromkeys(found))
        replaced[found[0]] = result_of(test, tries)
        retries += len(found) - 1
    if not replaced:
        return Results.joined(parts), ""
    kept = (
        replaced.get((number, index), result) for number, part in enumerate(parts) for index, result in enumerate(part)
    )
    joined = Results.of(result for result in kept if result is not None)
    return joined, f"{retries} retries stood in another file and were joined" if retries else ""


def _gist(result: CaseResult) -> tuple[object, ...]:
    return (result.outcome, result.duration, tuple((attempt.outcome, attempt.duration) for attempt in result.earlier))
