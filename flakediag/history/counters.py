"""The per-test counters, kept up to date in the transaction that adds the runs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_ENOUGH = 200_000  # results whose counts are held in memory before they are written

_ADD = """
INSERT INTO test_counters VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (test_id) DO UPDATE SET
  runs = runs + excluded.runs,
  failures = failures + excluded.failures,
  skips = skips + excluded.skips,
  first_seen = min(first_seen, excluded.first_seen),
  last_seen = max(last_seen, excluded.last_seen),
  last_failed = max(ifnull(last_failed, excluded.last_failed), ifnull(excluded.last_failed, last_failed))
"""


class _Counted(NamedTuple):
    started: int
    executed: set[int]
    skipped: set[int]
    failed: set[int]

    def rows(self) -> Iterator[tuple[int | None, ...]]:
        """What this run alone adds, by test."""
        for tests in (self.executed, self.skipped - self.executed):
            for test in tests:
                failed = test in self.failed
                last_failed = self.started if failed else None
                yield test, test in self.executed, failed, test in self.skipped, self.started, self.started, last_failed


class Counters:
    """Gathers what several runs add, because most of them add to the same tests."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._pending: list[_Counted] = []
        self._held = 0

    def add(self, started: int, executed: set[int], skipped: set[int], failed: set[int]) -> None:
        """Count one run that started `started` seconds after 1970."""
        if len(executed) + len(skipped) >= _ENOUGH:  # enough by itself, and too much to be held a second time
            self.flush()
            self._conn.executemany(_ADD, _Counted(started, executed, skipped, failed).rows())
            return
        self._pending.append(_Counted(started, executed, skipped, failed))
        self._held += len(executed) + len(skipped)
        if self._held >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        rows = self._pending[0].rows() if len(self._pending) == 1 else self._together()
        self._conn.executemany(_ADD, rows)
        self._pending.clear()
        self._held = 0

    def _together(self) -> Iterator[tuple[int | None, ...]]:
        """What the pending runs add, each test once."""
        executions: Counter[int] = Counter()
        failures: Counter[int] = Counter()
        skips: Counter[int] = Counter()
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        last_failed: dict[int, int] = {}
        # In order of time, so that for each test the run that is written last is the latest one.
        for run in sorted(self._pending, key=lambda run: run.started):
            executions.update(run.executed)
            skips.update(run.skipped)
            failures.update(run.failed)
            seen = dict.fromkeys(run.executed | run.skipped, run.started)
            first = seen | first
            last |= seen
            last_failed.update(dict.fromkeys(run.failed, run.started))
        for test in last:
            yield test, executions[test], failures[test], skips[test], first[test], last[test], last_failed.get(test)
