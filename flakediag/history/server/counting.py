"""What became of each test in a scope: from the outcomes of its runs and the failures, no duration is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from flakediag.history.server import failures, reading, results
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head
from flakediag.history.tests import CountedTest


def count(conn: Connection, heads: Sequence[Head]) -> tuple[CountedTest, ...]:
    """The tests of these runs of one project, by identity."""
    if not heads:
        return ()
    project = heads[0].project
    oldest_first = heads[::-1]
    tests = _members(conn, heads)
    runs, skips, last = (np.zeros(len(tests), dtype=np.int64) for _ in range(3))
    index_of: dict[int, NDArray[np.int64]] = {}  # by roster
    for moment, (_, loaded) in enumerate(results.load(conn, oldest_first, durations=False)):
        index = index_of.get(id(loaded.tests))
        if index is None:
            index = index_of[id(loaded.tests)] = np.searchsorted(tests, loaded.tests)
        executed = _both(index, loaded.executed, len(tests))
        present = _both(index, np.ones(len(index), dtype=np.bool_), len(tests))
        runs += executed
        skips += present & ~executed
        last[present] = moment
    failed = Counter(test for test, _ in failures.failing(conn, heads))
    first = _first_seen(conn, project, tests)
    names = reading.names(conn, project, tests.tolist())
    return tuple(
        sorted(
            CountedTest(
                test=names[test],
                runs=int(runs[index]),
                failures=failed[test],
                skips=int(skips[index]),
                last_run=oldest_first[last[index]].run.started_at,
                first_seen=first.get(test),
            )
            for index, test in enumerate(tests.tolist())
        )
    )


def _both(index: NDArray[np.int64], flags: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """bool[size]: a flag of the roster is set for the test; two names of a renamed test are one."""
    found = np.zeros(size, dtype=np.bool_)
    found[index[flags]] = True
    return found


def number_of_tests(conn: Connection, heads: Sequence[Head]) -> int:
    """How many tests these runs of one project have, also as skipped ones."""
    return len(_members(conn, heads)) if heads else 0


def _members(conn: Connection, heads: Sequence[Head]) -> NDArray[np.int64]:
    rosters = results.rosters(conn, heads[0].project, (head.roster for head in heads))
    return np.unique(np.concatenate([np.empty(0, np.int64), *rosters.values()]))


def _first_seen(conn: Connection, project: int, wanted: NDArray[np.int64]) -> dict[int, datetime]:
    """The start of the first run that had each test, experiments left out, in whole seconds as SQLite keeps it."""
    oldest: dict[bytes, datetime] = dict(
        conn.execute(
            "SELECT roster, min(started_at) FROM flakediag.runs WHERE project = %s AND NOT experiment GROUP BY roster",
            (project,),
        ).fetchall()
    )
    seconds = np.full(len(wanted), np.iinfo(np.int64).max)
    for roster, tests in results.rosters(conn, project, oldest).items():
        index = np.flatnonzero(np.isin(wanted, tests))
        seconds[index] = np.minimum(seconds[index], int(oldest[roster].timestamp()))
    return {
        test: datetime.fromtimestamp(at, UTC)
        for test, at in zip(wanted.tolist(), seconds.tolist(), strict=True)
        if at != np.iinfo(np.int64).max
    }
