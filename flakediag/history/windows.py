"""Loading a window: the packed columns of its runs as arrays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from flakediag.analysis.window import Bytes, Failure, Floats, Ints, Sealed, Tables, Window
from flakediag.history import details, names
from flakediag.history.columns import NO_DURATION, unpack, unpack_bytes
from flakediag.history.runs import id_list
from flakediag.history.values import untext
from flakediag.model import FailureDetail, Identity, Outcome, Run

_SEQUENCES = "SELECT run_id, sequence_id FROM run_results WHERE run_id IN (SELECT value FROM json_each(?))"
_RUN = "SELECT outcomes, attempts, durations FROM run_results WHERE run_id = ?"
_SEQUENCE = "SELECT tests FROM sequences WHERE id = ?"

_FAILURES = """
SELECT run_id, test_id, position, attempt, outcome, signature_id, detail_id
FROM failures WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, position, attempt
"""


Guard = Callable[[], AbstractContextManager[None]]


def load(conn: sqlite3.Connection, runs: Sequence[Run], guard: Guard = nullcontext) -> Window:
    """The window of these stored runs, oldest first. Details of failures are unpacked later, each under `guard`."""
    run_ids = [run.id for run in runs if run.id is not None]
    sequence_of = dict(conn.execute(_SEQUENCES, (id_list(run_ids),)).fetchall())
    sequences = {number: unpack(conn.execute(_SEQUENCE, (number,)).fetchone()[0]) for number in {*sequence_of.values()}}
    tests, index_of = names.load(conn, names.distinct(list(sequences.values())))
    for sequence in sequences.values():
        sequence[:] = index_of[sequence]  # from here on places among the tests
    failures = _failures(conn, run_ids, index_of, guard)
    nothing = np.empty(0, dtype=np.int32)
    results = (
        _Results(sequences[sequence_of[run_id]], *conn.execute(_RUN, (run_id,)).fetchone())
        if run_id in sequence_of
        else _Results(nothing)
        for run_id in run_ids
    )
    if any(_repeats(sequence, len(tests)) for sequence in sequences.values()):
        return _of_columns(runs, tests, results, failures)
    tables = Tables.empty(len(runs), len(tests))
    for each, *into in zip(results, *tables, strict=True):
        own = each.tests.astype(np.intp)  # once, and not for each table
        for table, column in zip(into, each.columns(), strict=True):
            table[own] = column
    return Window.of_tables(tuple(runs), tests, tables, failures)


class _Results(NamedTuple):
    """The results of a run as they are stored: the places of their tests, and columns, None where all is as usual."""

    tests: Ints
    outcomes: bytes | None = None
    attempts: bytes | None = None
    durations: bytes | None = None

    def columns(self) -> tuple[Ints, Bytes, Bytes, Floats]:
        """Positions, outcomes, attempts and durations."""
        size = len(self.tests)
        outcome, attempts = np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.int8)
        duration = np.full(size, np.nan, dtype=np.float32)
        if self.outcomes is not None:
            outcome[:] = np.frombuffer(unpack_bytes(self.outcomes), np.int8)
        if self.attempts is not None:
            attempts[:] = np.minimum(unpack(self.attempts), 127)
        if self.durations is not None:
            milliseconds = unpack(self.durations)
            np.divide(milliseconds, 1000, out=duration, where=milliseconds != NO_DURATION, casting="unsafe")
        return np.arange(size, dtype=np.int32), outcome, attempts, duration


def _repeats(places: Ints, tests: int) -> bool:
    """Whether some test stands in a sequence more than once."""
    seen = np.zeros(tests, dtype=np.bool_)
    seen[places] = True
    return int(np.count_nonzero(seen)) < len(places)


def _of_columns(
    runs: Sequence[Run], tests: tuple[Identity, ...], results: Iterable[_Results], failures: tuple[Failure, ...]
) -> Window:
    """Where some test stands in a run twice."""
    of_run, columns = zip(*((each.tests, each.columns()) for each in results), strict=True)
    position, outcome, attempts, duration = (np.concatenate(each) for each in zip(*columns, strict=True))
    return Window(
        runs=tuple(runs),
        tests=tests,
        run=np.repeat(np.arange(len(runs), dtype=np.int32), [len(own) for own in of_run]),
        test=np.concatenate(of_run),
        position=position,
        outcome=outcome,
        attempts=attempts,
        duration=duration,
        failures=failures,
    )


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
        [
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
        ]
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
    found.update(
        [
            (detail_id, Sealed(partial(unpacked, base_id, stored), speaks=details.speaks(stored)))
            for detail_id, base_id, stored in rows
        ]
    )
    return found
