"""A digest of everything that a window holds, without making the window: the stored bytes of its runs, hashed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from flakediag.history import runs
from flakediag.history.runs import id_list

if TYPE_CHECKING:
    from flakediag.model import Run

_OF_RUNS = """
SELECT run_id, digest, outcomes, attempts, durations
FROM run_results JOIN sequences ON sequences.id = sequence_id
WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id
"""
_FAILURES = """
SELECT failures.*, signatures.digest, failure_details.digest
FROM failures
JOIN signatures ON signatures.id = signature_id
LEFT JOIN failure_details ON failure_details.id = detail_id
WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, position, attempt
"""
# A sequence names tests by number: the numbers must stand for the same names.
_TESTS = "SELECT id, digest FROM tests WHERE project_id = ? ORDER BY id"


def of(conn: sqlite3.Connection, found: Sequence[Run]) -> bytes:
    """The digest of the window of these stored runs."""
    hashed = blake2b(digest_size=32)
    for run in found:
        hashed.update(repr(run).encode("utf-8", "surrogatepass"))
    wanted = id_list(run.id for run in found if run.id is not None)
    for row in conn.execute(_OF_RUNS, (wanted,)):
        for value in row:
            part = value if isinstance(value, bytes) else repr(value).encode()
            hashed.update(b"%d:" % len(part))
            hashed.update(part)
    hashed.update(b"end")
    _update(hashed, conn.execute(_FAILURES, (wanted,)))
    if found:
        _update(hashed, conn.execute(_TESTS, (runs.project_id(conn, found[0].project),)))
    return hashed.digest()


def _update(hashed: blake2b, rows: Iterable[tuple[int | bytes | None, ...]]) -> None:
    """Many rows of numbers and digests: what Python writes for a row tells all of it, and where it ends."""
    for row in rows:
        hashed.update(repr(row).encode())
    hashed.update(b"end")
