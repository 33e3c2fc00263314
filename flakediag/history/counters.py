"""The per-test counters, kept up to date in the transaction that adds the runs."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, filterfalse, islice
from typing import NamedTuple

_ENOUGH = 200_000  # tests in sets that are held in memory before their counts are written
_AT_A_TIME = 10_000  # tests of one statement

_ADD = """
INSERT INTO test_counters SELECT value, ?, ?, ?, ?, ?, ? FROM json_each(?) WHERE true
ON CONFLICT (test_id) DO UPDATE SET
  runs = runs + excluded.runs,
  failures = failures + excluded.failures,
  skips = skips + excluded.skips,
  first_seen = min(first_seen, excluded.first_seen),
  last_seen = max(last_seen, excluded.last_seen),
  last_failed = max(ifnull(last_failed, excluded.last_failed), ifnull(excluded.last_failed, last_failed))
"""


class Members(NamedTuple):
    """A set of tests, and the number that it has in the history."""

    number: int
    tests: set[int]


@dataclass(slots=True)
class _Group:
    """Runs in which the same tests were executed, and the same ones skipped; `first` and `last` of them by time."""

    executed: set[int]
    skipped: set[int]
    runs: int
    first: int
    last: int


class Counted(NamedTuple):
    """The counters of a test, as in a row of `test_counters`, or what is added to them."""

    runs: int
    failures: int
    skips: int
    first_seen: int
    last_seen: int
    last_failed: int | None


class Counters:
    """Gathers what several runs add, because most of them add the same to the same tests."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._pending: dict[tuple[int, int], _Group] = {}  # by the numbers of the two sets
        self._failures: Counter[int] = Counter()
        self._last_failed: dict[int, int] = {}
        self._held = 0

    def add(self, started: int, executed: Members, skipped: Members, failed: set[int]) -> None:
        """Count one run that started `started` seconds after 1970. The sets are kept, not copied."""
        group = self._pending.get((executed.number, skipped.number))
        if group is None:
            group = _Group(executed.tests, skipped.tests, 0, started, started)
            self._pending[executed.number, skipped.number] = group
            self._held += len(executed.tests) + len(skipped.tests)
        group.runs += 1
        group.first, group.last = min(group.first, started), max(group.last, started)
        self._failures.update(failed)
        for test in failed:
            self._last_failed[test] = max(started, self._last_failed.get(test, started))
        if self._held >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        self._conn.executemany(_ADD, self._rows())
        self._pending.clear()
        self._failures.clear()
        self._last_failed.clear()
        self._held = 0

    def _rows(self) -> Iterator[tuple[int | str | None, ...]]:
        """What is added, and the tests to which."""
        groups = list(self._pending.values())
        if not groups:
            return
        always, *others = (group.executed for group in groups)
        if others:
            always = always.intersection(*others)
        runs, first = sum(group.runs for group in groups), min(group.first for group in groups)
        usual = Counted(runs, 0, 0, first, max(group.last for group in groups), None)
        yield from _together(usual, filterfalse(self._failures.__contains__, always))
        for added, tests in self._others(groups, always).items():
            yield from _together(added, tests)

    def _others(self, groups: Iterable[_Group], always: set[int]) -> dict[Counted, list[int]]:
        """The tests that failed, or were not executed in all runs, by what is added to their counters."""
        executions: Counter[int] = Counter()
        skips: Counter[int] = Counter()
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        failing = set(self._failures)
        for group in groups:
            executed = group.executed - always | group.executed & failing
            for tests, counted in ((executed, executions), (group.skipped, skips)):
                for test in tests:
                    counted[test] += group.runs
            for test in chain(executed, group.skipped):
                first[test] = min(group.first, first.get(test, group.first))
                last[test] = max(group.last, last.get(test, group.last))
        found: dict[Counted, list[int]] = defaultdict(list)
        for test, seen in last.items():
            added = Counted(
                executions[test], self._failures[test], skips[test], first[test], seen, self._last_failed.get(test)
            )
            found[added].append(test)
        return found


def _together(added: Counted, tests: Iterable[int]) -> Iterator[tuple[int | str | None, ...]]:
    left = iter(tests)
    while some := list(islice(left, _AT_A_TIME)):
        yield *added, str(some)
