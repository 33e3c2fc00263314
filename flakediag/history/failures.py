"""Storing failures: signatures and details once, and a row for each failed attempt."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from flakediag.history import details
from flakediag.history.values import digest, milliseconds, text
from flakediag.model import CaseResult, FailureDetail, Outcome

_NOTHING = FailureDetail("", "", "")
_MOST_RECENT = 1000  # failures whose numbers are known without a digest of what they say
_LONGEST_RECENT = 8000  # characters of one of them
_MOST_BASES = 2000  # some megabytes; beyond it they are read from the history again


class _Signature(NamedTuple):
    id: int
    example_id: int | None


class FailureWriter:
    """Adds failures within the transaction that the caller holds.

    `signature_of` is asked once for each distinct detail.
    """

    def __init__(self, conn: sqlite3.Connection, signature_of: Callable[[FailureDetail], str]) -> None:
        self._conn = conn
        self._signature_of = signature_of
        self._signatures: dict[str, _Signature] = {}
        self._details: dict[bytes, tuple[int, int]] = {}  # digest → signature, detail
        self._recent: dict[FailureDetail, tuple[int, int]] = {}
        self._bases: dict[int, bytes] = {}

    def add(self, run_id: int, results: Iterable[tuple[int, int, CaseResult]]) -> set[int]:
        """Store the failed attempts among a run's results, given as (position, test id, result).

        Returns the ids of the tests that have any.
        """
        failed: set[int] = set()
        rows = []
        for position, test, result in results:
            for attempt, outcome, failure, duration in failed_attempts(result):
                signature_id, detail_id = self._intern(failure)
                rows.append((run_id, position, attempt, test, int(outcome), signature_id, detail_id, duration))
                failed.add(test)
        self._conn.executemany("INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return failed

    def _intern(self, failure: FailureDetail | None) -> tuple[int, int | None]:
        """The numbers of the signature and of the detail."""
        if failure is None:
            return self._signature(self._signature_of(_NOTHING)).id, None
        found = self._recent.get(failure)
        if found is None:
            found = self._intern_content(failure)
            if sum(map(len, failure)) <= _LONGEST_RECENT:
                if len(self._recent) >= _MOST_RECENT:
                    self._recent.clear()
                self._recent[failure] = found
        return found

    def _intern_content(self, failure: FailureDetail) -> tuple[int, int]:
        content = details.encode(failure)
        key = digest(content)
        found = self._details.get(key)
        if found is None:
            signature_text = self._signature_of(failure)
            signature = self._signature(signature_text)
            row = self._conn.execute("SELECT id FROM failure_details WHERE digest = ?", (key,)).fetchone()
            detail_id = row[0] if row is not None else self._insert_detail(signature_text, signature, key, content)
            found = self._details[key] = signature.id, detail_id
        return found

    def _insert_detail(self, signature_text: str, signature: _Signature, key: bytes, content: bytes) -> int:
        base = None if signature.example_id is None else self._base(signature.example_id)
        [(detail_id,)] = self._conn.execute(
            "INSERT INTO failure_details (digest, base_id, content) VALUES (?, ?, ?) RETURNING id",
            (key, signature.example_id, details.compress(content, base)),
        ).fetchall()
        if base is None:
            self._conn.execute("UPDATE signatures SET example_id = ? WHERE id = ?", (detail_id, signature.id))
            self._signatures[signature_text] = _Signature(signature.id, detail_id)
        return int(detail_id)

    def _signature(self, signature: str) -> _Signature:
        found = self._signatures.get(signature)
        if found is None:
            stored = text(signature)
            key = digest(stored.encode())
            row = self._conn.execute("SELECT id, example_id FROM signatures WHERE digest = ?", (key,)).fetchone()
            if row is None:
                [row] = self._conn.execute(
                    "INSERT INTO signatures (digest, text) VALUES (?, ?) RETURNING id, example_id", (key, stored)
                ).fetchall()
            found = self._signatures[signature] = _Signature(*row)
        return found

    def _base(self, detail_id: int) -> bytes:
        found = self._bases.get(detail_id)
        if found is None:
            if len(self._bases) >= _MOST_BASES:
                self._bases.clear()
            content = self._conn.execute("SELECT content FROM failure_details WHERE id = ?", (detail_id,)).fetchone()[0]
            found = self._bases[detail_id] = details.decompress(content, None)
        return found


def failed_attempts(result: CaseResult) -> Iterator[tuple[int, Outcome, FailureDetail | None, int | None]]:
    """(attempt from 1, outcome, what is said, milliseconds) of each attempt that failed."""
    for number, earlier in enumerate(result.earlier, start=1):
        if earlier.outcome.failed:
            yield number, earlier.outcome, earlier.failure, milliseconds(earlier.duration)
    if result.outcome.failed:
        yield result.attempts, result.outcome, result.failure, None
