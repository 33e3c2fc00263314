"""Loading a window: the packed columns of its runs as arrays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial

import numpy as np

from flakediag.analysis.window import Bytes, Failure, Floats, Ints, Sealed, Window
from flakediag.history import details, names
from flakediag.history.columns import NO_DURATION, unpack, unpack_bytes
from flakediag.history.runs import id_list
from flakediag.history.values import untext
from flakediag.model import FailureDetail, Outcome, Run

_RUN = "SELECT sequence_id, outcomes, attempts, durations FROM run_results WHERE run_id = ?"
_SEQUENCE = "SELECT tests FROM sequences WHERE id = ?"

_FAILURES = """
SELECT run_id, test_id, position, attempt, outcome, signature_id, detail_id
FROM failures WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, position, attempt
"""


Guard = Callable[[], AbstractContextManager[None]]


def load(conn: sqlite3.Connection, runs: Sequence[Run], guard: Guard = nullcontext) -> Window:
    """The window of these stored runs, oldest first. Details of failures are unpacked later, each under `guard`."""
    run_ids = [run.id for run in runs if run.id is not None]
    rows = {run_id: row for run_id in run_ids if (row := conn.execute(_RUN, (run_id,)).fetchone())}
    sequences = {
        number: unpack(conn.execute(_SEQUENCE, (number,)).fetchone()[0]) for number in {row[0] for row in rows.values()}
    }
    tests, index_of = names.load(conn, names.distinct(list(sequences.values())))
    sizes = np.array([len(sequences[rows[run_id][0]]) if run_id in rows else 0 for run_id in run_ids], dtype=np.int64)
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    test, position = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    outcome, attempts = np.zeros(total, dtype=np.int8), np.ones(total, dtype=np.int8)
    duration = np.full(total, np.nan, dtype=np.float32)
    for run_id, end, size in zip(run_ids, ends.tolist(), sizes.tolist(), strict=True):
        if size:
            mine = slice(end - size, end)
            test[mine] = index_of[sequences[rows[run_id][0]]]
            position[mine] = np.arange(size, dtype=np.int32)
            _fill(rows[run_id], outcome[mine], attempts[mine], duration[mine])
    return Window(
        runs=tuple(runs),
        tests=tests,
        run=np.repeat(np.arange(len(run_ids), dtype=np.int32), sizes),
        test=test,
        position=position,
        outcome=outcome,
        attempts=attempts,
        duration=duration,
        failures=_failures(conn, run_ids, index_of, guard),
    )


def _fill(row: tuple[int, bytes | None, bytes | None, bytes | None], *into: *tuple[Bytes, Bytes, Floats]) -> None:
    """Unpack a run's columns into the slices of the window that are theirs; what is NULL stands there already."""
    outcome, attempts, duration = into
    if row[1] is not None:
        outcome[:] = np.frombuffer(unpack_bytes(row[1]), np.int8)
    if row[2] is not None:
        attempts[:] = np.minimum(unpack(row[2]), 127)
    if row[3] is not None:
        milliseconds = unpack(row[3])
        np.divide(milliseconds, 1000, out=duration, where=milliseconds != NO_DURATION, casting="unsafe")


def _failures(conn: sqlite3.Connection, run_ids: Sequence[int], index_of: Ints, guard: Guard) -> tuple[Failure, ...]:
    wanted = id_list(run_ids)
    place = {run_id: index for index, run_id in enumerate(run_ids)}
    rows = conn.execute(_FAILURES, (wanted,)).fetchall()
    signatures = _signatures(conn, {row[5] for row in rows})
    said = _details(conn, {row[6] for row in rows}, guard)
    outcomes = {int(outcome): outcome for outcome in Outcome}
    index = index_of.tolist()
    rows.sort(key=lambda row: place[row[0]])
    return tuple(
        Failure(
            place[run_id],
            index[test_id],
            position,
            attempt,
            outcomes[outcome],
            signatures[signature_id],
            said[detail_id],
        )
        for run_id, test_id, position, attempt, outcome, signature_id, detail_id in rows
    )


def _signatures(conn: sqlite3.Connection, ids: set[int]) -> dict[int, str]:
    rows = conn.execute("SELECT id, text FROM signatures WHERE id IN (SELECT value FROM json_each(?))", (id_list(ids),))
    return {row[0]: untext(row[1]) for row in rows}


def _details(conn: sqlite3.Connection, ids: set[int | None], guard: Guard) -> dict[int | None, FailureDetail | Sealed]:
    """Each distinct detail once, however often it occurs, packed as it is stored."""
    wanted = id_list(detail_id for detail_id in ids if detail_id is not None)
    rows = conn.execute(
        "SELECT id, base_id, content FROM failure_details WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
    ).fetchall()
    bases = dict(
        conn.execute(
            "SELECT id, content FROM failure_details WHERE id IN (SELECT value FROM json_each(?))",
            (id_list({base_id for _, base_id, _ in rows if base_id is not None}),),
        ).fetchall()
    )

    @lru_cache(maxsize=100)  # failures of one test, which have the same base, are mostly read one after the other
    def base(base_id: int) -> bytes:
        return details.decompress(bases[base_id], None)

    def unpacked(base_id: int | None, stored: bytes) -> FailureDetail:
        try:
            return details.decode(details.decompress(stored, None if base_id is None else base(base_id)))
        except Exception:
            with guard():  # entered for what went wrong alone: most of ten thousands of failures are in order
                raise

    found: dict[int | None, FailureDetail | Sealed] = {None: FailureDetail("", "", "")}
    found.update((row[0], Sealed(partial(unpacked, *row[1:]))) for row in rows)
    return found
