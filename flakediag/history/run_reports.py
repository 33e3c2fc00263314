"""A stored run as the report that it came from: what `merge` and `export` move between histories."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable

from flakediag.history import details, run_results, runs
from flakediag.history.identities import named
from flakediag.history.pruned import files_of
from flakediag.history.run_results import Columns
from flakediag.history.stored_results import of_columns
from flakediag.history.values import seconds
from flakediag.model import Attempt, FailureDetail, Identity, InputFile, Outcome, RunReport

_FAILURES = """
SELECT position, attempt, outcome, duration_ms, detail.content, base.content
FROM failures
LEFT JOIN failure_details AS detail ON detail.id = detail_id
LEFT JOIN failure_details AS base ON base.id = detail.base_id
WHERE run_id = ?
"""


def load(
    conn: sqlite3.Connection,
    run_id: int,
    known: dict[int, Identity] | None = None,
    *,
    read: Callable[[sqlite3.Connection, int], Columns] = run_results.read,
    files: tuple[InputFile, ...] | None = None,
) -> RunReport:
    """Raises `LookupError` where there is no such run, or it has been pruned.

    `known` are the names of tests that the caller keeps from one run to the next; they are added to. `read` gets
    its results, `files` are its own where they are known.
    """
    found = runs.load(conn, [run_id])
    if not found or conn.execute("SELECT 1 FROM pruned_runs WHERE run_id = ?", (run_id,)).fetchone():
        raise LookupError(f"no run {run_id}")
    stored = read(conn, run_id)
    names = {} if known is None else known
    names.update(named(conn, set(stored.tests) - names.keys()))
    return RunReport(
        run=found[0],
        results=of_columns(
            [names[test] for test in stored.tests],
            stored.outcomes,
            stored.attempts,
            stored.durations,
            _attempts(conn, run_id),
        ),
        files=files_of(conn, run_id) if files is None else files,
    )


def _attempts(conn: sqlite3.Connection, run_id: int) -> dict[int, dict[int, Attempt]]:
    """Position → attempt → what is known of those that failed."""
    found: dict[int, dict[int, Attempt]] = defaultdict(dict)
    for position, attempt, outcome, duration, content, base in conn.execute(_FAILURES, (run_id,)):
        found[position][attempt] = Attempt(Outcome(outcome), seconds(duration), _detail(content, base))
    return found


def _detail(content: bytes | None, base: bytes | None) -> FailureDetail | None:
    if content is None:
        return None
    dictionary = None if base is None else details.decompress(base, None)
    return details.decode(details.decompress(content, dictionary))
