"""The rows of `sequences` and `run_results`: writing the columns of a run, reading them back, packing older rows."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Mapping
from typing import NamedTuple

from flakediag.history import columns
from flakediag.history.columns import NO_DURATION
from flakediag.history.values import digest
from flakediag.model import Outcome


class Columns(NamedTuple):
    """The results of one run, a column each, all of the same length and in the order of the report.

    tests: ids; outcomes: a byte each (`Outcome`, of the last attempt); attempts: 1 or more; durations: whole
    milliseconds, `NO_DURATION` where not known.
    """

    tests: array[int]
    outcomes: bytes
    attempts: array[int]
    durations: array[int]


class ResultWriter:
    """Writes the columns of runs within the transaction that the caller holds."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._sequences: dict[bytes, int] = {}

    def write(self, run_id: int, results: Columns) -> None:
        if not results.tests:
            return
        size = len(results.tests)
        passed = results.outcomes.count(Outcome.PASSED) == size
        once = results.attempts.count(1) == size
        untimed = results.durations.count(NO_DURATION) == size
        self._conn.execute(
            "INSERT INTO run_results VALUES (?, ?, ?, ?, ?)",
            (
                run_id,
                self.sequence(results.tests),
                None if passed else columns.pack_bytes(results.outcomes),
                None if once else columns.pack(results.attempts),
                None if untimed else columns.pack(results.durations),
            ),
        )

    def sequence(self, tests: array[int]) -> int:
        """The number of this sequence of tests, added where there is none."""
        key = digest(tests.tobytes())
        found = self._sequences.get(key)
        if found is None:
            row = self._conn.execute("SELECT id FROM sequences WHERE digest = ?", (key,)).fetchone()
            if row is None:
                [row] = self._conn.execute(
                    "INSERT INTO sequences (digest, size, tests) VALUES (?, ?, ?) RETURNING id",
                    (key, len(tests), columns.pack(tests)),
                ).fetchall()
            found = self._sequences[key] = int(row[0])
        return found


READ = """
SELECT tests, outcomes, attempts, durations
FROM run_results JOIN sequences ON sequences.id = sequence_id WHERE run_id = ?
"""


def read(conn: sqlite3.Connection, run_id: int) -> Columns:
    """The columns of a run, empty where it has no results.

    Raises `ValueError` or `zlib.error` where they are damaged: bytes that do not unpack, columns of unequal length.
    """
    row = conn.execute(READ, (run_id,)).fetchone()
    if row is None:
        return Columns(array("i"), b"", array("i"), array("i"))
    tests = columns.unpack_plain(row[0])
    size = len(tests)
    found = Columns(
        tests,
        bytes(size) if row[1] is None else columns.unpack_bytes(row[1]),
        array("i", [1]) * size if row[2] is None else columns.unpack_plain(row[2]),
        array("i", [NO_DURATION]) * size if row[3] is None else columns.unpack_plain(row[3]),
    )
    if any(len(column) != size for column in found):
        raise ValueError(f"the columns of run {run_id} differ in length")
    return found


def move_tests(conn: sqlite3.Connection, run_id: int, moved: Mapping[int, int]) -> None:
    """Let the results of a run that belong to the old tests of `moved` belong to the new ones."""
    results = read(conn, run_id)
    tests = array("i", [moved.get(test, test) for test in results.tests])
    if tests != results.tests:
        number = ResultWriter(conn).sequence(tests)
        conn.execute("UPDATE run_results SET sequence_id = ? WHERE run_id = ?", (number, run_id))


def read_rows(conn: sqlite3.Connection, run_id: int) -> Columns:
    """The same from a history of a version before 4, which had a row for each result."""
    rows = conn.execute(
        "SELECT test_id, outcome, attempts, ifnull(duration_ms, ?) FROM results WHERE run_id = ? ORDER BY position",
        (NO_DURATION, run_id),
    ).fetchall()
    tests, outcomes, attempts, durations = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Columns(array("i", tests), bytes(outcomes), array("i", attempts), array("i", durations))


def pack_rows(conn: sqlite3.Connection) -> None:
    """Pack the table of a row for each result that histories had before version 4."""
    writer = ResultWriter(conn)
    for (run_id,) in conn.execute("SELECT DISTINCT run_id FROM results ORDER BY run_id").fetchall():
        writer.write(run_id, read_rows(conn, run_id))
        # Where somebody has deleted rows, the places after them move up; from the first on, so that none is taken.
        positions = conn.execute("SELECT position FROM results WHERE run_id = ? ORDER BY position", (run_id,))
        for place, (position,) in enumerate(positions.fetchall()):
            if place != position:
                conn.execute(
                    "UPDATE failures SET position = ? WHERE run_id = ? AND position = ?", (place, run_id, position)
                )
