"""A run whose results were dropped, as far as it is still known: what `merge` and `export` move in its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flakediag.history import bitmaps, runs
from flakediag.history.values import optional_untext, unmoment, untext
from flakediag.model import Identity, InputFile, Run

Identities = tuple[Identity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedRun:
    """The header of a run, and which tests it executed, only skipped, and saw fail in an attempt (each sorted).

    The four counts are those of the results that are gone.
    """

    run: Run
    files: tuple[InputFile, ...]
    pruned_at: datetime
    executed: Identities
    skipped: Identities
    failed: Identities
    results: int
    failures: int
    errors: int
    skips: int


def load(conn: sqlite3.Connection, run_id: int, files: tuple[InputFile, ...] | None = None) -> PrunedRun:
    """Raises `LookupError` where there is no such run, or it was not pruned. `files` are its own, where known."""
    row = conn.execute(
        "SELECT pruned_at, executed_set_id, skipped_set_id, failed_set_id, results, failures, errors, skipped"
        " FROM runs JOIN pruned_runs ON run_id = id WHERE id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        raise LookupError(f"no pruned run {run_id}")
    executed, skipped, failed = (_members(conn, set_id) for set_id in row[1:4])
    return PrunedRun(
        run=runs.load(conn, [run_id])[0],
        files=files_of(conn, run_id) if files is None else files,
        pruned_at=unmoment(row[0]),
        executed=executed,
        skipped=skipped,
        failed=failed,
        results=row[4],
        failures=row[5],
        errors=row[6],
        skips=row[7],
    )


FILES = "SELECT path, digest, cases, partial FROM files"


def files_of(conn: sqlite3.Connection, run_id: int) -> tuple[InputFile, ...]:
    """The report files of a run, by path."""
    return files_in(conn.execute(f"{FILES} WHERE run_id = ?", (run_id,)))


def files_in(rows: Iterable[tuple[str, str, int, str | None]]) -> tuple[InputFile, ...]:
    """These rows of `FILES` as files, by path."""
    return tuple(
        InputFile(path=untext(path), digest=untext(digest), cases=cases, partial=optional_untext(partial))
        for path, digest, cases, partial in sorted(rows, key=lambda row: row[0])
    )


def _members(conn: sqlite3.Connection, set_id: int) -> Identities:
    (members,) = conn.execute("SELECT members FROM test_sets WHERE id = ?", (set_id,)).fetchone()
    rows = conn.execute(
        "SELECT classname, name, file, variant FROM tests WHERE id IN (SELECT value FROM json_each(?))",
        (runs.id_list(bitmaps.unpack(members).tolist()),),
    )
    return tuple(sorted(Identity(*map(untext, row)) for row in rows))
