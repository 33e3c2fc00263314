"""The runs of a history, one by one, ready to be moved into another: what `merge` and `export` read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flakediag.history import pruned, run_reports, run_results, runs
from flakediag.history.values import untext
from flakediag.model import Identity, InputFile, Run, RunReport

if TYPE_CHECKING:
    from flakediag.history.pruned import PrunedRun
    from flakediag.history.run_results import Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Portable:
    """One run on its way: what tells whether it is known, and how to get the rest. `results` is their number."""

    run: Run
    files: tuple[InputFile, ...]
    results: int
    pruned: bool
    load: Callable[[], RunReport | PrunedRun]


@dataclass(frozen=True, slots=True, order=True)
class FormerName:
    """A test that was renamed: results under `old` are those of `new`."""

    project: str
    old: Identity
    new: Identity


def portables(conn: sqlite3.Connection) -> Iterator[Portable]:
    """Every run, in order of arrival. The caller holds the snapshot until it has loaded the last one."""
    tests: dict[int, Identity] = {}
    for (run_id,) in conn.execute("SELECT id FROM runs ORDER BY id").fetchall():
        found = portable(conn, run_id, tests)
        assert found is not None
        yield found


def portable(
    conn: sqlite3.Connection,
    run_id: int,
    tests: dict[int, Identity] | None = None,
    *,
    read: Callable[[sqlite3.Connection, int], Columns] = run_results.read,
    files_of: Callable[[sqlite3.Connection, int], tuple[InputFile, ...]] = pruned.files_of,
) -> Portable | None:
    """The run with this number, where there is one. `tests` are names to be kept from one run to the next."""
    row = conn.execute(f"SELECT results, NOT {runs.NOT_PRUNED} FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        return None
    results, is_pruned = row
    files = files_of(conn, run_id)
    return Portable(
        run=runs.load(conn, [run_id])[0],
        files=files,
        results=results,
        pruned=bool(is_pruned),
        load=lambda: (
            pruned.load(conn, run_id, files)
            if is_pruned
            else run_reports.load(conn, run_id, tests, read=read, files=files)
        ),
    )


def former_names(conn: sqlite3.Connection) -> tuple[FormerName, ...]:
    """Sorted by project and former name."""
    rows = conn.execute(
        "SELECT p.name, r.classname, r.name, r.file, r.variant, t.classname, t.name, t.file, t.variant"
        " FROM renames r JOIN tests t ON t.id = r.test_id JOIN projects p ON p.id = t.project_id"
    )
    return tuple(
        sorted(
            FormerName(untext(row[0]), Identity(*map(untext, row[1:5])), Identity(*map(untext, row[5:9])))
            for row in rows
        )
    )
