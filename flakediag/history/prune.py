"""Dropping the results of old runs. What stays of them: header, files (so that they are still known), the sets of the
tests that ran, were skipped and failed, and the counters of the tests, none of which change."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flakediag.history.bitmaps import bitmap, pack
from flakediag.history.runs import NOT_PRUNED, id_list
from flakediag.history.values import digest, moment, unmoment

_UNUSED_SIGNATURES = "DELETE FROM signatures WHERE id NOT IN (SELECT signature_id FROM failures)"
_UNUSED_DETAILS = """
DELETE FROM failure_details WHERE id NOT IN (SELECT detail_id FROM failures WHERE detail_id IS NOT NULL)
AND id NOT IN (SELECT example_id FROM signatures WHERE example_id IS NOT NULL)
AND id NOT IN (
  SELECT base_id FROM failure_details WHERE base_id IS NOT NULL
  AND id IN (SELECT detail_id FROM failures WHERE detail_id IS NOT NULL)
)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept: runs that started at most `days` before the newest run of their project, and the newest `runs` of
    each branch. A run within either limit stays; None is no limit.

    A newest run that claims to have started after `now` counts as started then: else one wrong clock would let all
    other runs go.
    """

    days: int | None
    runs: int | None
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped, or would be. `details` are distinct failure texts. `oldest` is the first run that is kept."""

    runs: int
    results: int
    failures: int
    details: int
    kept: int
    oldest: datetime | None


def candidates(conn: sqlite3.Connection, limits: Limits) -> list[int]:
    """The runs beyond the limits that still have results. Experiments are counted apart from the runs of a branch."""
    days = "0" if limits.days is None else "started_at >= :oldest"
    number = "0" if limits.runs is None else "place <= :runs"
    most = None if limits.runs is None else min(limits.runs, 2**62)  # what SQLite can take
    found: list[int] = []
    for project, newest in conn.execute(
        f"SELECT project_id, max(started_at) FROM runs WHERE {NOT_PRUNED} GROUP BY project_id"
    ).fetchall():
        try:
            reference = min(unmoment(newest), limits.now or unmoment(newest))
            oldest = "" if limits.days is None else moment(reference - timedelta(days=limits.days))
        except OverflowError:
            oldest = ""  # more days than there are
        rows = conn.execute(
            f"SELECT id, started_at FROM (SELECT id, started_at, row_number() OVER ("
            f" PARTITION BY branch, experiment ORDER BY started_at DESC, digest DESC) AS place"
            f" FROM runs WHERE project_id = :project AND {NOT_PRUNED})"
            f" WHERE NOT ({days}) AND NOT ({number}) ORDER BY id",
            {"project": project, "oldest": oldest, "runs": most},
        )
        found += [row[0] for row in rows]
    return found


def sizes(conn: sqlite3.Connection, run_ids: Sequence[int]) -> Dropped:
    """What dropping these runs would take away; the failure texts are counted when they are dropped."""
    wanted = id_list(run_ids)
    (results,) = conn.execute(
        "SELECT ifnull(sum(results), 0) FROM runs WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
    ).fetchone()
    (failures,) = conn.execute(
        "SELECT count(*) FROM failures WHERE run_id IN (SELECT value FROM json_each(?))", (wanted,)
    ).fetchone()
    kept, oldest = conn.execute(
        f"SELECT count(*), min(started_at) FROM runs WHERE {NOT_PRUNED} AND id NOT IN (SELECT value FROM json_each(?))",
        (wanted,),
    ).fetchone()
    return Dropped(len(run_ids), results, failures, 0, kept, None if oldest is None else unmoment(oldest))


def drop(conn: sqlite3.Connection, run_ids: Sequence[int], now: datetime) -> Dropped:
    """Drop the results of these runs, within the transaction that the caller holds, with foreign keys off: SQLite
    would look through all failures for each failure text that goes."""
    expected = sizes(conn, run_ids)
    for run_id in run_ids:
        failed = {row[0] for row in conn.execute("SELECT test_id FROM failures WHERE run_id = ?", (run_id,))}
        conn.execute("INSERT INTO pruned_runs VALUES (?, ?, ?)", (run_id, moment(now), _set(conn, failed)))
        conn.execute("DELETE FROM failures WHERE run_id = ?", (run_id,))
        conn.execute("DELETE FROM run_results WHERE run_id = ?", (run_id,))
    before = _number_of_details(conn)
    drop_unused_texts(conn)
    conn.execute("DELETE FROM sequences WHERE id NOT IN (SELECT sequence_id FROM run_results)")
    return Dropped(
        expected.runs,
        expected.results,
        expected.failures,
        before - _number_of_details(conn),
        expected.kept,
        expected.oldest,
    )


def forget(conn: sqlite3.Connection, run_ids: Sequence[int]) -> None:
    """Take these runs out altogether, with foreign keys off, so that their reports are new when they come again."""
    for run_id in run_ids:
        for table in ("failures", "run_results", "run_properties", "files"):
            conn.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
        conn.execute("DELETE FROM runs WHERE id = ?", (run_id,))


def drop_unused_texts(conn: sqlite3.Connection) -> int:
    """Signatures that no failure has, then the texts that neither a failure nor a kept text needs; how many went."""
    gone = conn.execute(_UNUSED_SIGNATURES).rowcount
    return gone + conn.execute(_UNUSED_DETAILS).rowcount


def compact(conn: sqlite3.Connection) -> None:
    """Give free pages back to the file system. The first time, the file is rewritten so that later it need not be."""
    if conn.execute("PRAGMA auto_vacuum").fetchone()[0] == 2:
        conn.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page: it takes a step for each
    else:
        conn.execute("PRAGMA auto_vacuum = INCREMENTAL")
        conn.execute("VACUUM")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _number_of_details(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM failure_details").fetchone()[0])


def _set(conn: sqlite3.Connection, tests: set[int]) -> int:
    bits = bitmap(tests)
    key = digest(bits)
    row = conn.execute("SELECT id FROM test_sets WHERE digest = ?", (key,)).fetchone()
    if row is None:
        (row,) = conn.execute(
            "INSERT INTO test_sets (digest, size, members) VALUES (?, ?, ?) RETURNING id", (key, len(tests), pack(bits))
        ).fetchall()
    return int(row[0])
