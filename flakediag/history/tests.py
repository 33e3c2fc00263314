"""What became of each test in a scope, from the sets of the runs and the failures; reads no result."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from flakediag.history.bitmaps import unpack
from flakediag.history.runs import id_list, ids_in
from flakediag.history.values import unmoment, untext
from flakediag.model import Identity, Scope


class CountedTest(NamedTuple):
    """One test in a scope.

    `runs` counts the runs in which it was executed, `failures` those in which an attempt failed, `skips` those in
    which it was only skipped. `last_run` is the start of the last run that had it. `first_seen` looks at the whole
    history, experiments left out; None where only experiments had it.
    """

    test: Identity
    runs: int
    failures: int
    skips: int
    last_run: datetime
    first_seen: datetime | None


class _Use(NamedTuple):
    """How often the runs in scope have one set, and when last."""

    runs: int
    last: str


def count(conn: sqlite3.Connection, scope: Scope) -> tuple[CountedTest, ...]:
    wanted = id_list(ids_in(conn, scope))
    executed = _uses(conn, "executed_set_id", wanted)
    skipped = _uses(conn, "skipped_set_id", wanted)
    members = {set_id: unpack(_members(conn, set_id)) for set_id in executed.keys() | skipped.keys()}
    size = max((int(ids[-1]) + 1 for ids in members.values() if len(ids)), default=0)
    runs = np.zeros(size, dtype=np.int64)
    skips = np.zeros(size, dtype=np.int64)
    last = np.zeros(size, dtype=np.int64)  # an index into `moments`, which rise
    moments = sorted({use.last for uses in (executed, skipped) for use in uses.values()})
    for uses, counter in ((executed, runs), (skipped, skips)):
        for set_id, use in uses.items():
            ids = members[set_id]
            counter[ids] += use.runs
            last[ids] = np.maximum(last[ids], moments.index(use.last))
    failures = defaultdict(int, _failing_runs(conn, wanted))
    counted = []
    for row in conn.execute(
        "SELECT id, classname, name, file, variant, first_seen FROM tests LEFT JOIN test_counters ON test_id = id"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (id_list(np.flatnonzero(runs + skips).tolist()),),
    ):
        test_id, *names, first_seen = row
        counted.append(
            CountedTest(
                test=Identity(*map(untext, names)),
                runs=int(runs[test_id]),
                failures=failures[test_id],
                skips=int(skips[test_id]),
                last_run=unmoment(moments[last[test_id]]),
                first_seen=None if first_seen is None else datetime.fromtimestamp(first_seen, UTC),
            )
        )
    return tuple(sorted(counted))


def number_of_tests(conn: sqlite3.Connection, run_ids: list[int]) -> int:
    """How many tests these runs have, also as skipped ones."""
    rows = conn.execute(
        "SELECT members FROM test_sets WHERE id IN ("
        " SELECT executed_set_id FROM runs WHERE id IN (SELECT value FROM json_each(?1))"
        " UNION SELECT skipped_set_id FROM runs WHERE id IN (SELECT value FROM json_each(?1)))",
        (id_list(run_ids),),
    )
    sets = [unpack(row[0]) for row in rows]
    return len(np.unique(np.concatenate(sets))) if sets else 0


def _uses(conn: sqlite3.Connection, column: str, wanted: str) -> dict[int, _Use]:
    rows = conn.execute(
        f"SELECT {column}, count(*), max(started_at) FROM runs WHERE id IN (SELECT value FROM json_each(?)) GROUP BY 1",
        (wanted,),
    )
    return {set_id: _Use(runs, last) for set_id, runs, last in rows}


def _members(conn: sqlite3.Connection, set_id: int) -> bytes:
    members: bytes = conn.execute("SELECT members FROM test_sets WHERE id = ?", (set_id,)).fetchone()[0]
    return members


def _failing_runs(conn: sqlite3.Connection, wanted: str) -> list[tuple[int, int]]:
    return conn.execute(
        "SELECT test_id, count(DISTINCT run_id) FROM failures"
        " WHERE run_id IN (SELECT value FROM json_each(?)) GROUP BY test_id",
        (wanted,),
    ).fetchall()
