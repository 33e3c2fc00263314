"""Dropping the results of old runs, and taking whole runs out. Needs a role that owns the tables.

Pruning is two transactions: the first keeps the sums of the runs, from where on they count as pruned; the second sweeps
away whatever pruned runs have left. So a prune that breaks off loses nothing, not even where a partition is dropped at
once whatever becomes of the transaction, and the next one completes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from flakediag.history.bitmaps import bitmap
from flakediag.history.prune import Dropped, Limits
from flakediag.history.server import locks, partitions, reading, results
from flakediag.history.server.connecting import Connection
from flakediag.history.server.keys import month_of
from flakediag.history.server.reading import NOT_PRUNED, Head, Project

_AT_ONCE = 500
_WITH_RESULTS = ("run_results", "failures")
_UNUSED_SIGNATURES = """
DELETE FROM flakediag.signatures s WHERE project = %(project)s AND month = ANY(%(months)s) AND NOT EXISTS (
  SELECT 1 FROM flakediag.failures f
  WHERE f.project = s.project AND f.month = s.month AND f.signature = s.signature
)
"""
_UNUSED_DETAILS = """
DELETE FROM flakediag.details d WHERE project = %(project)s AND month = ANY(%(months)s) AND NOT EXISTS (
  SELECT 1 FROM flakediag.failures f WHERE f.project = d.project AND f.month = d.month AND f.detail = d.detail
) AND NOT EXISTS (
  SELECT 1 FROM flakediag.signatures s WHERE s.project = d.project AND s.month = d.month AND s.example = d.detail
) AND NOT EXISTS (
  SELECT 1 FROM flakediag.details o JOIN flakediag.failures f
  ON f.project = o.project AND f.month = o.month AND f.detail = o.detail
  WHERE o.project = d.project AND o.month = d.month AND o.base = d.detail
)
"""
_DETAILS = "SELECT count(DISTINCT detail) FROM flakediag.details"
_LEFT = """
SELECT project, run, month FROM flakediag.run_results JOIN flakediag.pruned_runs USING (project, run)
ORDER BY project, run
"""


def prune(conn: Connection, limits: Limits, now: datetime, *, dry_run: bool) -> Dropped:
    """Keep the sums of the runs beyond the limits, in place of their results, within the transaction that the caller
    holds. What it says of `details` is 0: that is known when they are swept away."""
    if not dry_run:
        locks.take(conn, locks.CONTENT)
    gone = {project: _beyond(conn, project, limits) for project in reading.projects(conn)}
    expected = _sizes(conn, gone)
    if dry_run:
        return expected
    for project, heads in gone.items():
        for start in range(0, len(heads), _AT_ONCE):
            _keep_sums(conn, project, heads[start : start + _AT_ONCE], now)
    return expected


def sweep(conn: Connection, now: datetime) -> int:
    """Drop the results, failures and texts of runs that are pruned; returns how many details went."""
    locks.take(conn, locks.CONTENT)
    before = _number_of_details(conn)
    _drop(conn, conn.execute(_LEFT).fetchall(), now)
    partitions.look_ahead(conn)
    return before - _number_of_details(conn)


def remove(conn: Connection, runs: Collection[tuple[int, int, int]]) -> None:
    """Take these runs, given as project, number and month, out of the history altogether."""
    if not runs:
        return
    for (project, months), numbers in _together(runs).items():
        for table in (*_WITH_RESULTS, "pruned_runs", "files", "runs"):
            _delete(conn, table, project, months if table in _WITH_RESULTS else None, numbers)
        _drop_unused_texts(conn, project, [months])


def _beyond(conn: Connection, project: Project, limits: Limits) -> list[Head]:
    """The runs beyond the limits that still have results. Experiments are counted apart from the runs of a branch."""
    row = conn.execute(
        f"SELECT max(started_at) FROM flakediag.runs r WHERE project = %s AND {NOT_PRUNED}", (project.key,)
    ).fetchone()
    if row is None or row[0] is None:
        return []
    within, values = ["false"], list[Any]()
    if limits.days is not None:
        newest = row[0].astimezone(UTC)
        oldest = _before(min(newest, limits.now or newest), limits.days)
        within.append("true" if oldest is None else "started_at >= %s")
        values += [] if oldest is None else [oldest]
    if limits.runs is not None:
        within.append("place <= %s")
        values.append(min(limits.runs, 2**62))
    found = conn.execute(
        "SELECT run FROM (SELECT run, started_at, row_number() OVER ("
        " PARTITION BY branch, experiment ORDER BY started_at DESC, digest DESC) AS place"
        f" FROM flakediag.runs r WHERE project = %s AND {NOT_PRUNED}) AS placed WHERE NOT ({' OR '.join(within)})",
        (project.key, *values),
    )
    return reading.heads(conn, project, [each[0] for each in found])


def _before(newest: datetime, days: int) -> datetime | None:
    try:
        return newest - timedelta(days=days)
    except OverflowError:
        return None  # more days than there are


def _sizes(conn: Connection, gone: dict[Project, list[Head]]) -> Dropped:
    failures = kept = 0
    oldest: datetime | None = None
    for project, heads in gone.items():
        numbers = [head.number for head in heads]
        row = conn.execute(
            "SELECT count(*) FROM flakediag.failures WHERE project = %s AND month = ANY(%s) AND run = ANY(%s)",
            (project.key, list({head.month for head in heads}), numbers),
        ).fetchone()
        failures += row[0] if row else 0
        row = conn.execute(
            f"SELECT count(*), min(started_at) FROM flakediag.runs r WHERE project = %s AND {NOT_PRUNED}"
            " AND NOT run = ANY(%s)",
            (project.key, numbers),
        ).fetchone()
        assert row is not None
        kept += row[0]
        if row[1] is not None:
            oldest = min(oldest or row[1], row[1])
    every = [head for heads in gone.values() for head in heads]
    return Dropped(
        len(every), sum(head.results for head in every), failures, 0, kept, oldest and oldest.astimezone(UTC)
    )


def _keep_sums(conn: Connection, project: Project, heads: Sequence[Head], now: datetime) -> None:
    """Which tests were executed, skipped and seen failing, of runs that lose their results."""
    failed: dict[int, set[int]] = defaultdict(set)
    for run, test in conn.execute(
        "SELECT run, test FROM flakediag.failures WHERE project = %s AND month = ANY(%s) AND run = ANY(%s)",
        (project.key, list({head.month for head in heads}), [head.number for head in heads]),
    ):
        failed[run].add(test)
    stored = results.rosters(conn, project.key, (head.roster for head in heads), {})  # under the names of their time
    for head, loaded in results.load(conn, heads):
        executed, skipped = (set(np.flatnonzero(flags).tolist()) for flags in (loaded.executed, ~loaded.executed))
        mine = failed[head.number]
        failing = {place for place, test in enumerate(stored[head.roster].tolist()) if test in mine}
        conn.execute(
            "INSERT INTO flakediag.pruned_runs (project, run, pruned_at, executed, skipped, failed)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                project.key,
                head.number,
                now,
                bitmap(executed),
                bitmap(skipped),
                bitmap(failing),
            ),
        )


def _drop(conn: Connection, runs: Collection[tuple[int, int, int]], now: datetime) -> None:
    """Drop results, failures and their texts: a month at once where nothing of it stays."""
    made = partitions.made(conn)
    by_month: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for each in runs:
        by_month[each[2]].append(each)
    whole = [
        month
        for month, mine in by_month.items()
        if month in made and month < month_of(now) and not _others(conn, month, [each[1] for each in mine])
    ]
    together = _together(each for month, mine in by_month.items() if month not in whole for each in mine)
    months: dict[int, list[int]] = defaultdict(list)
    for (project, month), numbers in together.items():
        months[project].append(month)
        for table in _WITH_RESULTS:
            _delete(conn, table, project, month, numbers)
    for project, mine in months.items():
        _drop_unused_texts(conn, project, mine)
    partitions.drop(conn, whole)


def _others(conn: Connection, month: int, runs: list[int]) -> bool:
    row = conn.execute(
        "SELECT 1 FROM flakediag.run_results WHERE month = %s AND NOT run = ANY(%s) LIMIT 1", (month, runs)
    )
    return row.fetchone() is not None


def _together(runs: Iterable[tuple[int, int, int]]) -> dict[tuple[int, int], list[int]]:
    """(project, month) → numbers."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for project, number, month in runs:
        found[project, month].append(number)
    return found


def _delete(conn: Connection, table: str, project: int, month: int | None, runs: list[int]) -> None:
    where, values = ("", ()) if month is None else (" AND month = %s", (month,))
    conn.execute(f"DELETE FROM flakediag.{table} WHERE project = %s{where} AND run = ANY(%s)", (project, *values, runs))


def _drop_unused_texts(conn: Connection, project: int, months: list[int]) -> None:
    """Signatures that no failure has, then the texts that neither a failure nor a kept text needs."""
    for statement in (_UNUSED_SIGNATURES, _UNUSED_DETAILS):
        conn.execute(statement, {"project": project, "months": months})


def _number_of_details(conn: Connection) -> int:
    row = conn.execute(_DETAILS).fetchone()
    return int(row[0]) if row else 0
