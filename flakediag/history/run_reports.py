"""A stored run as the report that it came from: what `merge` and `export` move between histories."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from flakediag.history import details, runs
from flakediag.history.values import optional_untext, seconds, untext
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, InputFile, Outcome, RunReport

_RESULTS = """
SELECT position, classname, name, file, variant, outcome, attempts, duration_ms
FROM results JOIN tests ON tests.id = test_id WHERE run_id = ? ORDER BY position
"""
_FAILURES = """
SELECT position, attempt, outcome, duration_ms, detail.content, base.content
FROM failures
LEFT JOIN failure_details AS detail ON detail.id = detail_id
LEFT JOIN failure_details AS base ON base.id = detail.base_id
WHERE run_id = ?
"""


def load(conn: sqlite3.Connection, run_id: int) -> RunReport:
    """Raises `LookupError` where there is no such run."""
    found = runs.load(conn, [run_id])
    if not found:
        raise LookupError(f"no run {run_id}")
    failed = _attempts(conn, run_id)
    results = []
    for position, classname, name, file, variant, outcome, attempts, duration in conn.execute(_RESULTS, (run_id,)):
        mine = failed.get(position, {})
        last = mine.get(attempts)
        results.append(
            CaseResult(
                test=Identity(untext(classname), untext(name), untext(file), untext(variant)),
                outcome=Outcome(outcome),
                duration=seconds(duration),
                failure=last.failure if last else None,
                # Of an earlier attempt that did not fail the history keeps only that there was one.
                earlier=tuple(mine.get(n, Attempt(Outcome.PASSED, None, None)) for n in range(1, attempts)),
            )
        )
    files = conn.execute("SELECT path, digest, cases, partial FROM files WHERE run_id = ? ORDER BY path", (run_id,))
    return RunReport(
        run=found[0],
        results=tuple(results),
        files=tuple(
            InputFile(path=untext(path), digest=untext(digest), cases=cases, partial=optional_untext(partial))
            for path, digest, cases, partial in files
        ),
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
