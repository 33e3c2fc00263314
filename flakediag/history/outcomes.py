"""What became of each test in each run, from the sets of the runs and the failures: no result is read for it.

That holds for runs in which each test stands once and a skipped test was only skipped, as the counts in the run's
header tell. The results of the others (producers that write a test several times) are read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.outcomes import Flags, OutcomesOnly
from flakediag.history import names as names_of
from flakediag.history.bitmaps import unpack
from flakediag.history.columns import unpack as unpack_numbers
from flakediag.history.columns import unpack_bytes
from flakediag.history.run_results import READ
from flakediag.history.runs import id_list
from flakediag.model import Outcome, Run

Numbers = NDArray[np.int64]


class _Header(NamedTuple):
    run_id: int
    results: int
    skipped: int
    executed_set: int
    skipped_set: int
    attempts: bytes | None


class _Failed(NamedTuple):
    """The failed attempts of a run, int64[n] each."""

    test: Numbers
    position: Numbers
    attempt: Numbers


def load(conn: sqlite3.Connection, runs: Sequence[Run], *, failing_only: bool = False) -> OutcomesOnly:
    """The outcomes of these stored runs, oldest first; with `failing_only`, other tests have no name."""
    wanted = id_list(run.id for run in runs if run.id is not None)
    headers = {
        row[0]: _Header(*row)
        for row in conn.execute(
            "SELECT id, results, skipped, executed_set_id, skipped_set_id, attempts"
            " FROM runs LEFT JOIN run_results ON run_id = id WHERE id IN (SELECT value FROM json_each(?))",
            (wanted,),
        )
    }
    sets = _sets(conn, headers.values())
    ids = names_of.distinct([ids.astype(np.int32) for ids in sets.values()])
    names, index_of = names_of.none(ids) if failing_only else names_of.load(conn, ids)
    rows = {number: _row(index_of[members], len(names)) for number, members in sets.items()}  # few: most runs share one
    failed = _failures(conn, wanted)
    shape = (len(runs), len(names))
    found = OutcomesOnly(
        runs=tuple(runs),
        tests=names,
        results=sum(header.results for header in headers.values()),
        executed=np.zeros(shape, dtype=np.bool_),
        failed=np.zeros(shape, dtype=np.bool_),
        ended_failed=np.zeros(shape, dtype=np.bool_),
        recovered=np.zeros(shape, dtype=np.bool_),
    )
    for place, run in enumerate(runs):
        header = headers[run.id or 0]
        executed, skipped = sets[header.executed_set], sets[header.skipped_set]
        mine = failed.get(header.run_id)
        if header.results != len(executed) + len(skipped) or header.skipped != len(skipped):
            _from_results(conn, header.run_id, found, place, index_of, mine)
            continue
        found.executed[place] = rows[header.executed_set]
        if mine is not None:
            tests = index_of[mine.test]
            found.failed[place, tests] = True
            found.ended_failed[place, tests[_ended(header, mine)]] = True
            found.recovered[place, tests] = ~found.ended_failed[place, tests]
    if failing_only:
        return replace(found, tests=names_of.some(conn, ids, np.flatnonzero(found.failed.any(axis=0))))
    return found


def _sets(conn: sqlite3.Connection, headers: Iterable[_Header]) -> dict[int, Numbers]:
    """The members of the sets of these runs, rising."""
    wanted = {number for header in headers for number in (header.executed_set, header.skipped_set)}
    rows = conn.execute(
        "SELECT id, members FROM test_sets WHERE id IN (SELECT value FROM json_each(?))", (id_list(wanted),)
    )
    return {number: unpack(members) for number, members in rows}


def _row(places: NDArray[np.int32], tests: int) -> Flags:
    """bool[tests]: a set of tests, given by their places."""
    row = np.zeros(tests, dtype=np.bool_)
    row[places] = True
    return row


def _failures(conn: sqlite3.Connection, wanted: str) -> dict[int, _Failed]:
    """The failed attempts of each run that has any."""
    rows = conn.execute(
        "SELECT run_id, test_id, position, attempt FROM failures WHERE run_id IN (SELECT value FROM json_each(?))",
        (wanted,),
    )
    numbers = np.fromiter(chain.from_iterable(rows), dtype=np.int64).reshape(-1, 4)
    numbers = numbers[np.argsort(numbers[:, 0], kind="stable")]
    run_ids, starts = np.unique(numbers[:, 0], return_index=True)
    parts = np.split(numbers[:, 1:], starts[1:])
    return {run_id: _Failed(*part.T) for run_id, part in zip(run_ids.tolist(), parts, strict=False)}


def _ended(header: _Header, failed: _Failed) -> Flags:
    """bool[n]: the failed attempt was the last one of its result."""
    if header.attempts is None:
        return np.ones(len(failed.test), dtype=np.bool_)
    last: Flags = unpack_numbers(header.attempts)[failed.position] == failed.attempt
    return last


def _from_results(
    conn: sqlite3.Connection,
    run_id: int,
    found: OutcomesOnly,
    place: int,
    index_of: NDArray[np.int32],
    failed: _Failed | None,
) -> None:
    """Fill in a run from its results: of a test that stands in it more than once, the worst counts, and a pass more
    than a skip."""
    row = conn.execute(READ, (run_id,)).fetchone()
    if row is None:
        return
    test = index_of[unpack_numbers(row[0])]
    outcome = np.zeros(len(test), np.uint8) if row[1] is None else np.frombuffer(unpack_bytes(row[1]), np.uint8)
    ended = np.isin(outcome, (Outcome.FAILED, Outcome.ERROR))
    found.executed[place, test[outcome != Outcome.SKIPPED]] = True
    found.ended_failed[place, test[ended]] = True
    found.failed[place] = found.ended_failed[place]
    if failed is not None:
        found.failed[place, index_of[failed.test]] = True
    found.executed[place] |= found.failed[place]
    passed = np.zeros(len(found.tests), dtype=np.bool_)
    passed[test[outcome == Outcome.PASSED]] = True
    found.recovered[place] = found.failed[place] & passed
