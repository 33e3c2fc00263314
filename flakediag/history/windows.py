"""Loading a window: many rows into arrays, quickly.

SQLite joins a run's column into one text (`group_concat`) and numpy parses it, which takes a third of the time of
fetching the rows: per million results 0.4 s against 1.0 s (fetchmany, fromiter) and 1.7 s with 250 MB (fetchall).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Bytes, Failure, Floats, Ints, Window
from flakediag.history import details
from flakediag.history.runs import id_list
from flakediag.history.values import untext
from flakediag.model import FailureDetail, Identity, Outcome, Run

_T = TypeVar("_T", bound=np.generic)

# One scan of a run. The inner ORDER BY is the primary key's own order and costs nothing.
_RESULTS = """
SELECT count(*), max(position), group_concat(test_id), group_concat(outcome), group_concat(attempts),
       group_concat(ifnull(duration_ms, -1))
FROM (SELECT * FROM results WHERE run_id = ? ORDER BY position)
"""
_POSITIONS = "SELECT group_concat(position) FROM (SELECT position FROM results WHERE run_id = ? ORDER BY position)"

_FAILURES = """
SELECT run_id, test_id, position, attempt, outcome, signature_id, detail_id
FROM failures WHERE run_id IN (SELECT value FROM json_each(?))
"""


def load(conn: sqlite3.Connection, runs: Sequence[Run]) -> Window:
    """The window of these stored runs, oldest first."""
    run_ids = [run.id for run in runs if run.id is not None]
    columns = [_run_columns(conn, run_id) for run_id in run_ids]
    stored_tests = _joined([column[0] for column in columns], np.int32)
    names, index_of = _tests(conn, np.unique(stored_tests))
    sizes = np.array([len(column[0]) for column in columns], dtype=np.int64)
    return Window(
        runs=tuple(runs),
        tests=names,
        run=np.repeat(np.arange(len(run_ids), dtype=np.int32), sizes),
        test=index_of[stored_tests],
        position=_joined([column[1] for column in columns], np.int32),
        outcome=_joined([column[2] for column in columns], np.int8),
        attempts=_joined([column[3] for column in columns], np.int8),
        duration=_joined([column[4] for column in columns], np.float32),
        failures=_failures(conn, run_ids, index_of),
    )


def _run_columns(conn: sqlite3.Connection, run_id: int) -> tuple[Ints, Ints, Bytes, Bytes, Floats]:
    """Test ids, positions, outcomes, attempts and durations of one run, by position."""
    count, last, tests, outcomes, attempts, milliseconds = conn.execute(_RESULTS, (run_id,)).fetchone()
    positions = np.arange(count, dtype=np.int32)
    if count and last != count - 1:  # somebody has deleted rows
        positions = _numbers(conn.execute(_POSITIONS, (run_id,)).fetchone()[0])
    duration = _numbers(milliseconds).astype(np.float32)
    duration[duration < 0] = np.nan
    duration /= 1000
    return (
        _numbers(tests),
        positions,
        _numbers(outcomes).astype(np.int8),
        np.minimum(_numbers(attempts), 127).astype(np.int8),
        duration,
    )


def _numbers(joined: str | None) -> Ints:
    return np.fromstring(joined or "", dtype=np.int32, sep=",")


def _joined(parts: Sequence[NDArray[_T]], dtype: type[_T]) -> NDArray[_T]:
    return np.concatenate([np.empty(0, dtype=dtype), *parts])


def _tests(conn: sqlite3.Connection, ids: Ints) -> tuple[tuple[Identity, ...], Ints]:
    """The tests with these ids by name, and the place of each id among them (int32[highest id + 1])."""
    found = [
        (Identity(*map(untext, row[1:])), row[0])
        for row in conn.execute(
            "SELECT id, classname, name, file, variant FROM tests WHERE id IN (SELECT value FROM json_each(?))",
            (id_list(ids.tolist()),),
        )
    ]
    found.sort()
    index_of = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int32)
    index_of[[test_id for _, test_id in found]] = np.arange(len(found), dtype=np.int32)
    return tuple(name for name, _ in found), index_of


def _failures(conn: sqlite3.Connection, run_ids: Sequence[int], index_of: Ints) -> tuple[Failure, ...]:
    wanted = id_list(run_ids)
    place = {run_id: index for index, run_id in enumerate(run_ids)}
    rows = conn.execute(_FAILURES, (wanted,)).fetchall()
    signatures = _signatures(conn, {row[5] for row in rows})
    said = _details(conn, {row[6] for row in rows})
    outcomes = {int(outcome): outcome for outcome in Outcome}
    index = index_of.tolist()
    failures = [
        Failure(
            run=place[run_id],
            test=index[test_id],
            position=position,
            attempt=attempt,
            outcome=outcomes[outcome],
            signature=signatures[signature_id],
            detail=said[detail_id],
        )
        for run_id, test_id, position, attempt, outcome, signature_id, detail_id in rows
    ]
    failures.sort(key=lambda failure: (failure.run, failure.position, failure.attempt))
    return tuple(failures)


def _signatures(conn: sqlite3.Connection, ids: set[int]) -> dict[int, str]:
    rows = conn.execute("SELECT id, text FROM signatures WHERE id IN (SELECT value FROM json_each(?))", (id_list(ids),))
    return {row[0]: untext(row[1]) for row in rows}


def _details(conn: sqlite3.Connection, ids: set[int | None]) -> dict[int | None, FailureDetail]:
    """Each distinct detail once, however often it occurs."""
    found: dict[int | None, FailureDetail] = {None: FailureDetail("", "", "")}
    bases: dict[int, bytes] = {}

    def content_of(detail_id: int, base_id: int | None, stored: bytes) -> bytes:
        if base_id is not None and base_id not in bases:
            row = conn.execute("SELECT content FROM failure_details WHERE id = ?", (base_id,)).fetchone()
            bases[base_id] = details.decompress(row[0], None)
        return details.decompress(stored, None if base_id is None else bases[base_id])

    for detail_id, base_id, stored in conn.execute(
        "SELECT id, base_id, content FROM failure_details WHERE id IN (SELECT value FROM json_each(?))",
        (id_list(detail_id for detail_id in ids if detail_id is not None),),
    ):
        found[detail_id] = details.decode(content_of(detail_id, base_id, stored))
    return found
