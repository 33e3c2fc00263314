"""The failed attempts of runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from flakediag.analysis.window import Sealed
from flakediag.history import details
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head, renames
from flakediag.history.values import untext
from flakediag.model import FailureDetail


class StoredFailure(NamedTuple):
    """One failed attempt; `test` under its present name, `duration` in milliseconds, `said` None for not a word."""

    run: int
    test: int
    position: int
    attempt: int
    outcome: int
    duration: int | None
    signature: str
    said: FailureDetail | Sealed | None


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
    signatures = _signatures(conn, project, months, {row[6] for row in rows})
    said = _said(conn, project, months, {row[7] for row in rows})
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
            said=None if detail is None else said[detail],
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


def _signatures(conn: Connection, project: int, months: Collection[int], wanted: Collection[bytes]) -> dict[bytes, str]:
    found = conn.execute(
        "SELECT signature, text FROM flakediag.signatures WHERE project = %s AND month = ANY(%s)"
        " AND signature = ANY(%s)",
        (project, list(months), list(wanted)),
    )
    return {row[0]: untext(row[1]) for row in found}


def _said(
    conn: Connection, project: int, months: Collection[int], wanted: Collection[bytes | None]
) -> dict[bytes | None, FailureDetail | Sealed]:
    """Each of these details once, however often it occurs, packed as it is stored; nothing under None."""
    stored: dict[tuple[int, bytes], tuple[bytes | None, bytes]] = {}
    look_for = {detail for detail in wanted if detail is not None}
    while look_for:  # then for their bases, which nearly always have none themselves
        rounds = conn.execute(
            "SELECT month, detail, base, content FROM flakediag.details"
            " WHERE project = %s AND month = ANY(%s) AND detail = ANY(%s)",
            (project, list(months), list(look_for)),
        ).fetchall()
        stored.update(((row[0], row[1]), (row[2], row[3])) for row in rounds)
        look_for = {row[2] for row in rounds if row[2] is not None and (row[0], row[2]) not in stored}

    def plain(month: int, detail: bytes) -> bytes:
        base, content = stored[month, detail]
        return details.decompress(content, None if base is None else base_of(month, base))

    base_of = lru_cache(maxsize=100)(plain)  # failures with one base are mostly read one after the other
    found: dict[bytes | None, FailureDetail | Sealed] = {None: FailureDetail("", "", "")}
    for place in stored:
        if place[1] in wanted and place[1] not in found:
            found[place[1]] = Sealed(lambda place=place: details.decode(plain(*place)))  # type: ignore[misc]
    return found
