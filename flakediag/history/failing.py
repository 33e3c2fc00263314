"""The tests of a window that failed, without numpy, where they are few: for who asks at the end of an ingest."""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Sequence

from flakediag.analysis.failing import FailingTest, FailingTests
from flakediag.history import columns
from flakediag.history.bitmaps import holds
from flakediag.history.identities import named
from flakediag.history.runs import id_list
from flakediag.model import Run

_FEW = 100_000  # tests that failed × runs: with more of them arrays are quicker, also where numpy has to be loaded


def load(conn: sqlite3.Connection, runs: Sequence[Run]) -> FailingTests | None:
    """Of these stored runs, oldest first. None where there are many, or a run has a test in several places."""
    wanted = id_list(run.id for run in runs if run.id is not None)
    headers = {
        row[0]: row[1:]
        for row in conn.execute(
            "SELECT runs.id, results, executed.size, skipped.size, runs.skipped, executed_set_id, attempts FROM runs"
            " LEFT JOIN run_results ON run_id = runs.id"
            " JOIN test_sets AS executed ON executed.id = executed_set_id"
            " JOIN test_sets AS skipped ON skipped.id = skipped_set_id"
            " WHERE runs.id IN (SELECT value FROM json_each(?))",
            (wanted,),
        )
    }
    if any(
        results != executed + only_skipped or skipped != only_skipped
        for results, executed, only_skipped, skipped, *_ in headers.values()
    ):
        return None
    (several,) = conn.execute(
        "SELECT count(DISTINCT test_id) FROM failures WHERE run_id IN (SELECT value FROM json_each(?))", (wanted,)
    ).fetchone()
    if several * len(runs) > _FEW:
        return None
    failed: dict[int, set[int]] = defaultdict(set)  # by test, places of runs
    ended: dict[int, set[int]] = defaultdict(set)
    place_of = {run.id: place for place, run in enumerate(runs)}
    attempts = {run_id: columns.unpack_plain(header[5]) for run_id, header in headers.items() if header[5] is not None}
    for run_id, test, position, attempt in conn.execute(
        "SELECT run_id, test_id, position, attempt FROM failures WHERE run_id IN (SELECT value FROM json_each(?))",
        (wanted,),
    ):
        failed[test].add(place_of[run_id])
        if run_id not in attempts or attempts[run_id][position] == attempt:
            ended[test].add(place_of[run_id])
    set_of = [headers[run.id or 0][4] for run in runs]
    sets = _sets(conn, set(set_of))
    names = dict(named(conn, failed))
    return FailingTests(
        runs=runs,
        executed=[headers[run.id or 0][1] for run in runs],
        tests=[
            FailingTest(names[test], _flags(test, set_of, sets), places, places - ended[test])
            for test, places in failed.items()
        ],
    )


def _sets(conn: sqlite3.Connection, wanted: set[int]) -> dict[int, bytes]:
    """The bits of these sets."""
    rows = conn.execute(
        "SELECT id, members FROM test_sets WHERE id IN (SELECT value FROM json_each(?))", (id_list(wanted),)
    )
    return {number: zlib.decompress(members) for number, members in rows}


def _flags(test: int, set_of: Sequence[int], sets: dict[int, bytes]) -> list[bool]:
    """Whether the test is in the set of each run."""
    member = {number: holds(bits, test) for number, bits in sets.items()}
    return [member[number] for number in set_of]
