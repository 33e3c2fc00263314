"""The failed attempts of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flakediag.history.server import texts
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head, renames
from flakediag.model import FailureDetail


class StoredFailure(NamedTuple):
    """One failed attempt; `test` under its present name, `duration` in milliseconds, `detail` None for not a word."""

    run: int
    test: int
    position: int
    attempt: int
    outcome: int
    duration: int | None
    signature: str
    detail: FailureDetail | None


def load(conn: Connection, heads: Sequence[Head]) -> list[StoredFailure]:
    """Those of these runs of one project, by run, position and attempt."""
    if not heads:
        return []
    project = heads[0].project
    months = {head.month for head in heads}
    rows = conn.execute(
        "SELECT run, test, position, attempt, outcome, duration_ms, signature, detail FROM flakediag.failures"
        " WHERE project = %s AND month = ANY(%s) AND run = ANY(%s) ORDER BY run, position, attempt",
        (project, list(months), [head.number for head in heads]),
    ).fetchall()
    signatures = texts.signatures(conn, project, months, {row[6] for row in rows})
    said = texts.said(conn, project, months, {row[7] for row in rows})
    now = renames(conn, project)
    return [
        StoredFailure(
            run=run,
            test=_present(now, test),
            position=position,
            attempt=attempt,
            outcome=outcome,
            duration=duration,
            signature=signatures[signature],
            detail=None if detail is None else said[detail],
        )
        for run, test, position, attempt, outcome, duration, signature, detail in rows
    ]


def failing(conn: Connection, heads: Sequence[Head]) -> set[tuple[int, int]]:
    """(test, run) for each test of which an attempt failed in one of these runs of one project."""
    if not heads:
        return set()
    project = heads[0].project
    rows = conn.execute(
        "SELECT DISTINCT test, run FROM flakediag.failures WHERE project = %s AND month = ANY(%s) AND run = ANY(%s)",
        (project, list({head.month for head in heads}), [head.number for head in heads]),
    )
    now = renames(conn, project)
    return {(_present(now, test), run) for test, run in rows}


def _present(now: dict[int, int], test: int) -> int:
    """The test that this one is now."""
    return now.get(test, test)
