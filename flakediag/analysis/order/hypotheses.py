"""Who may have written the hidden state, and what a search knows of it so far.

A search sees thousands of hypotheses for each victim. They are kept in columns, a row of numbers each, and only the few
that somebody asks for become `Writers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import Doubles, Prior

Codes = NDArray[np.int32]
Numbers = NDArray[np.intp]
_NOBODY = -1  # where a hypothesis has fewer writers than there may be


class Writers(NamedTuple):
    """A hypothesis: how the state starts, and who writes it. Candidates by number, in rising order.

    `turned`: the victims (window's tests) for which it starts the other way: what one needs, the other may do without.
    """

    starts_bad: bool
    bad: tuple[int, ...] = ()
    good: tuple[int, ...] = ()
    turned: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        return self.bad + self.good

    def without(self, candidate: int) -> Writers:
        bad = tuple(c for c in self.bad if c != candidate)
        return self._replace(bad=bad, good=tuple(c for c in self.good if c != candidate))

    def turn(self, victims: Iterable[int]) -> Writers:
        """With another start for some victims."""
        return self._replace(turned=tuple(sorted({*self.turned} ^ {*victims})))

    def seen_by(self, victim: int) -> Writers:
        """As they are for one victim alone."""
        return Writers(self.starts_bad ^ (victim in self.turned), self.bad, self.good)


class Found:
    """The hypotheses that a search has seen, with the log of likelihood times prior, in the order of their coming.

    Each is a row of numbers: its start (by its place in a list), then a code for each writer in rising order, 2 ×
    candidate, + 1 if it writes good, filled up with -1 in front. `most_writers`: how many writers it may have.
    """

    def __init__(self, most_writers: int) -> None:
        self.most_writers = most_writers
        self.most = float("-inf")  # the largest score of all
        # Those of several writers look poor, by their score, while one of them is missing: many failures are left over
        # where nothing should fail. Their promise is what they explain at whatever rates: number of writers -> place.
        self.promise: dict[int, dict[int, float]] = defaultdict(dict)
        self._places: dict[bytes, int] = {}
        self._starts: list[tuple[bool, tuple[int, ...]]] = []
        self._parts: list[tuple[Codes, Doubles, NDArray[np.bool_]]] = []

    def __getstate__(self) -> dict[str, Any]:
        """What is known, without what only a search needs to go on."""
        table = self._table
        whole = {"_table": table, "_parts": [table], "_starts": self._starts}
        return whole | {"most_writers": self.most_writers, "most": self.most, "promise": {}, "_places": {}}

    def __len__(self) -> int:
        return len(self._table[1])

    # --- to add and to look up ----------------------------------------------------------------------------------

    def row(self, writers: Writers) -> Codes:
        """int32[1 + most_writers]: a hypothesis in numbers."""
        row: Codes = self.rows([writers])[0]
        return row

    def rows(self, hypotheses: Sequence[Writers]) -> Codes:
        """int32[n, 1 + most_writers]: some hypotheses in numbers."""
        return np.array([self._numbers(writers) for writers in hypotheses], dtype=np.int32)

    def _numbers(self, writers: Writers) -> list[int]:
        start = writers.starts_bad, writers.turned
        if start not in self._starts:
            self._starts.append(start)
        codes = sorted([2 * c for c in writers.bad] + [2 * c + 1 for c in writers.good])
        return [self._starts.index(start), *[_NOBODY] * (self.most_writers - len(codes)), *codes]

    @staticmethod
    def joined(bases: Codes, candidates: NDArray[np.integer], good: NDArray[np.bool_]) -> Codes:
        """int32[n, 1 + most_writers]: each of the hypotheses (which have room) with one more writer."""
        rows = bases.copy()
        rows[:, 1] = 2 * candidates + good
        rows[:, 1:].sort(axis=1)
        return rows

    def add(self, rows: Codes, scores: Doubles, tells: NDArray[np.bool_]) -> list[int]:
        """Those not yet seen are remembered. The place of each.

        tells: whether more rows fail where they should than elsewhere.
        """
        known, before = self._places, len(self._places)
        places = [known.setdefault(key, len(known)) for key in _keys(rows)]
        if len(known) > before:
            if len(known) - before < len(rows):
                new = _firsts(places, before)
                rows, scores, tells = rows[new], scores[new], tells[new]
            self._parts.append((rows, scores, tells))
            self.most = max(self.most, float(scores.max()))
            self.__dict__.pop("_table", None)
        return places

    def add_one(self, writers: Writers, score: float, *, tells: bool) -> None:
        self.add(self.row(writers)[None], np.array([score]), np.array([tells]))

    def place(self, writers: Writers) -> int | None:
        if not self._places:
            self._places = {key: place for place, key in enumerate(_keys(self._table[0]))}
        return self._places.get(self.row(writers).tobytes())

    # --- all together -------------------------------------------------------------------------------------------

    @cached_property
    def _table(self) -> tuple[Codes, Doubles, NDArray[np.bool_]]:
        if len(self._parts) > 1:
            rows, scores, tells = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
            self._parts = [(rows, scores, tells)]
        if not self._parts:
            return np.zeros((0, 1 + self.most_writers), dtype=np.int32), np.zeros(0), np.zeros(0, dtype=np.bool_)
        return self._parts[0]

    @property
    def scores(self) -> Doubles:
        return self._table[1]

    @property
    def codes(self) -> Codes:
        """int32[N, most_writers], -1 where there is none."""
        return self._table[0][:, 1:]

    @property
    def sizes(self) -> Numbers:
        """How many writers each has."""
        sizes: Numbers = (self.codes >= 0).sum(axis=1)
        return sizes

    @property
    def starts_bad(self) -> NDArray[np.bool_]:
        return np.array([bad for bad, _ in self._starts], dtype=np.bool_)[self._table[0][:, 0]]

    def starts_bad_for(self, victim: int) -> NDArray[np.bool_]:
        """bool[N]: how the state starts for one of the victims."""
        starts = [bad ^ (victim in turned) for bad, turned in self._starts]
        return np.array(starts, dtype=np.bool_)[self._table[0][:, 0]]

    @property
    def telling(self) -> Numbers:
        """The places of those that explain something: with writers, after whom more rows fail where they should."""
        rows, _, tells = self._table
        return np.flatnonzero(tells & (rows[:, -1] >= 0))

    @property
    def best(self) -> Writers:
        """Of those that explain something; nobody where none does."""
        best = self.ranked(self.telling, 1)
        return best[0] if best else Writers(False)

    def writers(self, place: int) -> Writers:
        start, *codes = self._table[0][place].tolist()
        starts_bad, turned = self._starts[start]
        bad = tuple(code >> 1 for code in codes if code >= 0 and not code & 1)
        return Writers(starts_bad, bad, tuple(code >> 1 for code in codes if code & 1 and code >= 0), turned)

    def of_same_start(self, writers: Writers) -> Numbers:
        """The places of those that start as these do."""
        start = writers.starts_bad, writers.turned
        return np.flatnonzero(self._table[0][:, 0] == (self._starts.index(start) if start in self._starts else -1))

    def ranked(self, places: Numbers, count: int) -> list[Writers]:
        """The best of these, best first: by their score, then the fewer, then the larger."""
        return [self.writers(place) for place in self._foremost(self.scores[places], places, count)]

    def promising(self, size: int, count: int) -> list[Writers]:
        """Those of so many writers that promise most, of equal ones the larger."""
        promise = self.promise[size]
        return sorted(
            (self.writers(place) for place in _largest(promise, count)),
            key=lambda writers: (promise[self._places[self.row(writers).tobytes()]], writers),
            reverse=True,
        )[:count]

    def weighed(self, scores: Doubles) -> Found:
        """The same with other scores."""
        rows, _, tells = self._table
        found = Found(self.most_writers)
        found._starts = self._starts
        found._parts = [(rows, scores, tells)]
        found.most = float(scores.max(initial=-np.inf))
        return found

    def _foremost(self, scores: Doubles, places: Numbers, count: int) -> list[int]:
        if len(places) > count:
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            kept = scores >= least
            scores, places = scores[kept], places[kept]
        order = np.argsort(-scores, kind="stable")
        ranked, places = scores[order], places[order]
        if (ranked[1:] == ranked[:-1]).any():
            places = places[np.lexsort((*self._rank(places), ranked))[::-1]]
        found: list[int] = places[:count].tolist()
        return found

    def _rank(self, places: Numbers) -> Sequence[Numbers | Codes]:
        """What decides between equal scores, for `np.lexsort`: the last of these first."""
        rows = self._table[0][places]
        codes = rows[:, 1:]
        turned = sorted({turned for _, turned in self._starts})
        start = np.array([(bad, turned.index(own)) for bad, own in self._starts])[rows[:, 0]]
        bad, good = (_by_role(codes, role) for role in (0, 1))
        fewer = -(codes >= 0).sum(axis=1)
        return [start[:, 1], *good.T[::-1], *bad.T[::-1], start[:, 0], fewer]


def _keys(rows: Codes) -> list[bytes]:
    rows = np.ascontiguousarray(rows)
    keys: list[Any] = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel().tolist()
    return keys


def _firsts(places: list[int], before: int) -> Numbers:
    """Where a place from `before` on comes for the first time; new ones come in rising order."""
    highest = np.maximum.accumulate([before - 1, *places])
    return np.flatnonzero(np.diff(highest))


def _by_role(codes: Codes, role: int) -> Codes:
    """The candidates of one role in rising order, -1 beyond: so tuples compare."""
    beyond = np.iinfo(np.int32).max
    found = np.where((codes >= 0) & (codes & 1 == role), codes >> 1, beyond)
    found.sort(axis=1)
    result: Codes = np.where(found == beyond, _NOBODY, found)
    return result


def _largest(values: dict[int, float], count: int) -> list[int]:
    """The keys of the `count` largest values and of their ties."""
    least = sorted(values.values(), reverse=True)[:count][-1:]
    return [key for key, value in values.items() if value >= least[0]] if least else []


@dataclass(frozen=True)
class Costs:
    """The figures of `weights.toml`, section `[order]`, that the search needs."""

    when_bad: Prior
    when_good: Prior
    starts_bad: float  # ln of the prior of a brittle test, and of a victim
    starts_good: float
    another: float  # ln of the prior of one more writer and of its role; the first one comes free
    most_writers: int
    beam: int
    kept: int  # alternatives kept of each scan
    turned: float  # ln of the prior that a victim starts otherwise than those which it is explained together with
    same_start: float  # and that it starts as they do
