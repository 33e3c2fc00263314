"""What is to be explained: victims and their outcomes, in the runs whose order can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates
from flakediag.analysis.order.pieces import Pieces
from flakediag.analysis.window import Bytes, Window

NEVER = -2  # nobody wrote; -1 is the state in which the process started
RANKS = 3  # of writers at one position: all tests, a group, a single test


@dataclass(frozen=True)
class Rows:
    """M observations: victim `member` (an index into `tests`) in `run` at `position`, failed or not."""

    tests: tuple[int, ...]
    member: NDArray[np.int32]
    run: NDArray[np.int32]
    position: NDArray[np.int32]
    failed: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.run)

    @property
    def failures(self) -> int:
        return int(self.failed.sum())

    def keep(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        return Rows(self.tests, self.member[mask], self.run[mask], self.position[mask], self.failed[mask])

    def of(self, test: int) -> Rows:
        """The rows of one test."""
        return self.keep(np.isin(self.member, self.members_of(test)))

    def members_of(self, test: int) -> list[int]:
        return [member for member, own in enumerate(self.tests) if own == test]

    def only(self, members: list[int]) -> Rows:
        """The rows of some members, renumbered in the given order."""
        new = np.full(len(self.tests), -1, dtype=np.int32)
        new[members] = np.arange(len(members), dtype=np.int32)
        mask = new[self.member] >= 0
        rows = self.keep(mask)
        return Rows(tuple(self.tests[m] for m in members), new[rows.member], rows.run, rows.position, rows.failed)


@dataclass(frozen=True)
class Orders:
    """The orders of a window: what ran when, in which runs that can be believed.

    `when`: int16 or int32[R, T], the position of each test that executed, `NEVER` where it did not.
    `trusted`: bool[R]. `classes`: int32[R], runs with the same number executed the same tests in the same order.
    `inside`: what is known is the order within each class; of the tests of other classes, none is known to have run
    before.
    """

    when: NDArray[np.signedinteger]
    trusted: NDArray[np.bool_]
    inside: bool = False
    _above: list[tuple[NDArray[np.int32], NDArray[np.signedinteger]]] = field(default_factory=list, repr=False)
    _pieces: list[Pieces] = field(default_factory=list, repr=False)

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        alike = [self._of_neighbours(row) for row in self.when]
        times = Counter(alike)
        seen: dict[tuple[bytes, bytes], int] = {}
        numbers = [
            seen.setdefault((key, self._digest(row) if times[key] > 1 else b""), len(seen))
            for key, row in zip(alike, self.when, strict=True)
        ]
        return np.array(numbers, dtype=np.int32)

    @cached_property
    def differ(self) -> bool:
        """Whether no two runs had the same order."""
        return len(np.unique(self.classes)) == len(self.classes)

    def above_never(self, tests: NDArray[np.int32]) -> NDArray[np.signedinteger]:
        """[R, T]: by how much `RANKS` × position + the rank of a single test is above `NEVER`, 0 where it did not run.

        `tests`: int32[T], their order. The last one asked for is remembered.
        """
        if not self._above or self._above[0][0] is not tests:
            kind = self.when.dtype.type
            table = np.maximum(self.when.take(tests, axis=1) * kind(RANKS) + kind(RANKS - 1 - NEVER), kind(0))
            self._above[:] = [(tests, table)]
        return self._above[0][1]

    def pieces(self, candidates: Candidates) -> Pieces:
        """When the groups among the candidates ran. The last ones asked for are remembered."""
        if not self._pieces or self._pieces[0].candidates is not candidates:
            self.expect(candidates, ())
        return self._pieces[0]

    def expect(self, candidates: Candidates, victims: Sequence[int]) -> None:
        """These victims are going to be asked about: what their groups did is told in one go."""
        self._pieces[:] = [Pieces(self.when, candidates, victims)]
        if victims:
            self._pieces[0].before(victims[0])

    @cached_property
    def before(self) -> NDArray[np.signedinteger]:
        """[R, P]: the latest position before p at which any test executed, `NEVER` where there was none."""
        longest = int(self.when.max(initial=0)) + 2
        latest = np.full((len(self.when), longest), NEVER, dtype=self.when.dtype)
        for own, positions in zip(latest, self.when, strict=True):  # a run at a time: lists of all would be far larger
            taken = positions[positions >= 0]
            own[taken + 1] = taken
        np.maximum.accumulate(latest, axis=1, out=latest)
        return latest

    @staticmethod
    def _of_neighbours(row: NDArray[np.signedinteger]) -> bytes:
        """Which tests ran, and which of these ran before the next one in the window: most orders differ in that, and it
        is told far sooner than the whole order."""
        ran = row >= 0
        first = (row[:-1] <= row[1:]) & ran[:-1] & ran[1:]
        return np.packbits(np.concatenate([ran, first])).tobytes()

    @staticmethod
    def _digest(row: NDArray[np.signedinteger]) -> bytes:
        ran = np.flatnonzero(row >= 0)
        return blake2b(ran[np.argsort(row[ran], kind="stable")].astype(np.int32).tobytes(), digest_size=16).digest()


def find_orders(window: Window) -> Orders:
    longest = int(window.positions.max(initial=0))
    kind = np.int16 if longest < np.iinfo(np.int16).max // RANKS - 1 else np.int32  # room for the ranks of writers.py
    when: NDArray[np.signedinteger] = window.positions.astype(kind)
    when[~window.executed] = NEVER
    return Orders(when, window.serial)


def orders_inside(window: Window, orders: Orders) -> Orders | None:
    """The orders within classes, where some runs tell no more than these."""
    told = np.array([run.ordered_classes for run in window.runs], dtype=np.bool_)
    return Orders(orders.when, orders.trusted | told, inside=True) if told.any() else None


def rows_of(members: list[tuple[int, Bytes]], orders: Orders) -> Rows:
    """The rows of some victims: (window's test, failed: int8[R] with -1 for runs that say nothing) each."""
    parts: list[tuple[NDArray[np.int32], ...]] = []
    for number, (test, failed) in enumerate(members):
        runs = np.flatnonzero((failed >= 0) & orders.trusted & (orders.when[:, test] >= 0)).astype(np.int32)
        here = np.full(len(runs), number, dtype=np.int32)
        parts.append((here, runs, orders.when[runs, test].astype(np.int32), failed[runs].astype(np.int32)))
    member, run, position, failures = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Rows(tuple(test for test, _ in members), member, run, position, failures)
