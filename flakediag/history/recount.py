"""The counters of the tests, once more from the runs: after runs were taken out, and to see whether they are right."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import numpy as np

from flakediag.history.bitmaps import unpack
from flakediag.history.counters import Counted
from flakediag.history.values import unmoment

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SETS = """
SELECT members, count(*), min(started_at), max(started_at)
FROM runs LEFT JOIN pruned_runs ON run_id = runs.id JOIN test_sets ON test_sets.id = {column}
WHERE NOT experiment GROUP BY {column}
"""
_FAILURES = """
SELECT test_id, count(DISTINCT run_id), max(started_at)
FROM failures JOIN runs ON runs.id = run_id WHERE NOT experiment GROUP BY test_id
"""


def recounted(conn: sqlite3.Connection) -> dict[int, Counted]:
    """Test id → its counters, as the runs, their sets and the failures have them."""
    (highest,) = conn.execute("SELECT ifnull(max(id), 0) FROM tests").fetchone()
    size = int(highest) + 1
    never = np.iinfo(np.int64).max
    runs, failures, skips = (np.zeros(size, dtype=np.int64) for _ in range(3))
    first, last, last_failed = np.full(size, never), np.full(size, -never), np.full(size, -never)

    def add(column: str, counter: NDArray[np.int64]) -> None:
        for members, number, oldest, newest in conn.execute(_SETS.format(column=column)):
            ids = unpack(members)
            counter[ids] += number
            if column == "failed_set_id":
                last_failed[ids] = np.maximum(last_failed[ids], _seconds(newest))
            else:
                first[ids] = np.minimum(first[ids], _seconds(oldest))
                last[ids] = np.maximum(last[ids], _seconds(newest))

    add("executed_set_id", runs)
    add("skipped_set_id", skips)
    add("failed_set_id", failures)
    for test, number, newest in conn.execute(_FAILURES):
        failures[test] += number
        last_failed[test] = max(last_failed[test], _seconds(newest))
    seen = np.flatnonzero(runs + skips).tolist()
    return {
        test: Counted(
            int(runs[test]),
            int(failures[test]),
            int(skips[test]),
            int(first[test]),
            int(last[test]),
            int(last_failed[test]) if failures[test] else None,
        )
        for test in seen
    }


def stored(conn: sqlite3.Connection) -> dict[int, Counted]:
    """Test id → its counters, as they stand."""
    rows = conn.execute("SELECT test_id, runs, failures, skips, first_seen, last_seen, last_failed FROM test_counters")
    return {row[0]: Counted(*row[1:]) for row in rows}


def write(conn: sqlite3.Connection) -> int:
    """Put the counters right, within the caller's transaction; returns for how many tests they were wrong."""
    right, present = recounted(conn), stored(conn)
    wrong = {test for test in right.keys() | present.keys() if right.get(test) != present.get(test)}
    conn.executemany("DELETE FROM test_counters WHERE test_id = ?", [(test,) for test in wrong])
    conn.executemany(
        "INSERT INTO test_counters VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(test, *right[test]) for test in sorted(wrong & right.keys())],
    )
    return len(wrong)


def _seconds(stored: str) -> int:
    return int(unmoment(stored).timestamp())
