"""The search for the writers as it reads on paper: one hypothesis after the other, one candidate after the other.

The oracle that the search of `flakediag.analysis.order` is compared with: the same hypotheses, with the same scores to
the last digit, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.hypotheses import Costs, Writers
from flakediag.analysis.order.marginal import ANY, Prior, log_marginal
from flakediag.analysis.order.units import NEVER, Rows

Scored = tuple[int, float, float]
"""A candidate, its score and its promise."""


class PlainSearch:
    """written: [C, M], when each candidate last wrote before each row; prior: [C], ln."""

    def __init__(self, rows: Rows, written: NDArray[np.int16], prior: NDArray[np.float64], costs: Costs) -> None:
        self.rows, self.written, self.prior, self.costs = rows, written, prior, costs
        self.failed = rows.failed == 1
        self.seen: dict[Writers, float] = {}
        self.telling: list[Writers] = []
        self.promise: dict[Writers, float] = {}
        self.scanned: set[Writers] = set()
        self.turned: set[Writers] = set()

    # --- what a hypothesis is worth ---------------------------------------------------------------------------------

    def starts(self, writers: Writers) -> NDArray[np.bool_]:
        turned = [self.rows.tests[member] in writers.turned for member in self.rows.member]
        return np.array(turned, dtype=np.bool_) ^ writers.starts_bad

    def lasts(self, writers: Writers) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        starts = self.starts(writers)
        bad = np.max([np.where(starts, -1, NEVER), *self.written[list(writers.bad)]], axis=0)
        return bad, np.max([np.where(starts, NEVER, -1), *self.written[list(writers.good)]], axis=0)

    def expected(self, writers: Writers) -> NDArray[np.bool_]:
        bad, good = self.lasts(writers)
        return bad > good

    def counts(self, expected: NDArray[np.bool_]) -> tuple[int, int]:
        return int((expected & self.failed).sum()), int(expected.sum())

    def split(self, k: int, n: int, here: Prior, there: Prior) -> float:
        rest = log_marginal(int(self.failed.sum()) - k, len(self.rows) - n, there)
        return float(log_marginal(k, n, here) + rest)

    def tells(self, k: int, n: int) -> bool:
        return k * (len(self.rows) - n) > (int(self.failed.sum()) - k) * n

    def log_prior(self, writers: Writers) -> float:
        start = self.costs.starts_bad if writers.starts_bad else self.costs.starts_good
        victims = len(set(self.rows.tests))
        if victims > 1:
            start += self.costs.turned * len(writers.turned) + self.costs.same_start * (victims - len(writers.turned))
        return (
            start + sum(float(self.prior[c]) for c in writers.all) + self.costs.another * max(0, len(writers.all) - 1)
        )

    def add(self, writers: Writers, score: float, tells: bool) -> None:
        if writers not in self.seen:
            self.seen[writers] = score
            if tells and writers.all:
                self.telling.append(writers)

    def score(self, writers: Writers) -> None:
        k, n = self.counts(self.expected(writers))
        named = self.split(k, n, self.costs.when_bad, self.costs.when_good)
        self.add(writers, named + self.log_prior(writers), self.tells(k, n))

    def ranked(self, some: Iterable[Writers]) -> list[Writers]:
        return sorted(some, key=lambda w: (self.seen[w], -len(w.all), w), reverse=True)

    @property
    def best(self) -> Writers:
        return self.ranked(self.telling)[0] if self.telling else Writers(False)

    # --- one more writer --------------------------------------------------------------------------------------------

    def hopeless(self, base: Writers) -> bool:
        failures = int(self.failed.sum())
        perfect = self.split(failures, failures, self.costs.when_bad, self.costs.when_good)
        most = perfect + self.log_prior(base) + float(self.prior.max()) + self.costs.another * bool(base.all)
        return bool(self.seen) and most < max(self.seen.values()) - 10.0

    def scan(self, base: Writers) -> None:
        if base in self.scanned or len(base.all) >= self.costs.most_writers:
            return
        self.scanned.add(base)
        if self.hopeless(base):
            return
        expected = self.expected(base)
        for is_bad, of in ((True, ~expected), (False, expected)):
            if not of.any():
                continue
            candidates = self.candidates(base, is_bad, of)
            best = the_largest(candidates, 1, self.costs.kept)
            near = [one for one in best if one[1] > best[0][1] - 10.0]
            promising = the_largest(candidates, 2, self.costs.beam)[: self.costs.beam]
            for candidate, score, promise in [*best[: max(len(near), 6)], *promising]:
                more = extended(base, candidate, is_bad)
                self.add(more, score, promise > float("-inf"))
            for candidate, _, promise in promising:
                self.promise[extended(base, candidate, is_bad)] = promise

    def candidates(self, base: Writers, is_bad: bool, of: NDArray[np.bool_]) -> list[Scored]:
        last = np.maximum(*self.lasts(base))
        k0, n0 = self.counts(self.expected(base))
        prior = self.log_prior(base) + self.costs.another * bool(base.all)
        found = []
        for candidate, wrote in enumerate(self.written):
            k, n = self.counts(of & (wrote > last))
            named = promise = float("-inf")
            if n and candidate not in base.all:
                k, n = (k0 + k, n0 + n) if is_bad else (k0 - k, n0 - n)
                own = float(self.prior[candidate])
                named = self.split(k, n, self.costs.when_bad, self.costs.when_good) + own + prior
                promise = self.split(k, n, ANY, ANY) + own + prior if self.tells(k, n) else promise
            found.append((candidate, named, promise))
        return found

    def turn(self, base: Writers) -> None:
        tests = sorted(set(self.rows.tests))
        if base in self.turned or len(tests) < 2 or not base.all:
            return
        self.turned.add(base)
        k0, n0 = self.counts(self.expected(base))
        now = self.split(k0, n0, self.costs.when_bad, self.costs.when_good)
        gains = []
        for test in tests:
            k, n = self.counts(self.expected(base.turn([test])))
            named = self.split(k, n, self.costs.when_bad, self.costs.when_good)
            price = self.costs.turned - self.costs.same_start
            gains.append(named - now + (-price if test in base.turned else price))
        gaining = [test for test, gain in zip(tests, gains, strict=True) if gain > 0]
        if gaining:
            self.score(base.turn(gaining))
            self.score(base.turn([tests[int(np.argmax(gains))]]))

    # --- the way ----------------------------------------------------------------------------------------------------

    def search(self) -> None:
        for empty in (Writers(False), Writers(True)):
            self.score(empty)
            self.scan(empty)
        best = float("-inf")
        for depth in range(1, self.costs.most_writers):
            for writers in self.beam(depth):
                self.scan(writers)
                self.turn(writers)
            if self.seen[self.best] <= best + 1e-9:
                break
            best = self.seen[self.best]
        for _ in range(2 * self.costs.most_writers):
            best = self.seen[self.best]
            for writers in self.leading():
                self.score(writers._replace(starts_bad=not writers.starts_bad))
                for candidate in writers.all:
                    self.scan(writers.without(candidate))
                self.scan(writers)
                self.turn(writers)
            if self.seen[self.best] <= best + 1e-9:
                break

    def beam(self, depth: int) -> list[Writers]:
        level = self.ranked(w for w in self.seen if len(w.all) == depth)
        chosen = level[: self.costs.beam]
        for starts_bad in (False, True):
            chosen += [w for w in level if w.starts_bad is starts_bad][:2]
        promise = {w: own for w, own in self.promise.items() if len(w.all) == depth}
        chosen += sorted(promise, key=lambda w: (promise[w], w), reverse=True)[: self.costs.beam]
        return list(dict.fromkeys(chosen))

    def leading(self) -> list[Writers]:
        least = max(self.seen.values()) - 12.0
        ranked = self.ranked(w for w in self.telling if self.seen[w] > least)
        chosen = ranked[:2]
        for size in range(2, self.costs.most_writers + 1):
            chosen += [w for w in ranked if len(w.all) == size][: self.costs.beam]
        return list(dict.fromkeys(chosen))


def extended(base: Writers, candidate: int, is_bad: bool) -> Writers:
    if is_bad:
        return base._replace(bad=tuple(sorted((*base.bad, candidate))))
    return base._replace(good=tuple(sorted((*base.good, candidate))))


def the_largest(candidates: list[Scored], by: int, count: int) -> list[Scored]:
    """All from the count-th largest on, as they stand up to four times as many; those of them that are finite."""
    if len(candidates) > count:
        least = sorted(one[by] for one in candidates)[-count]
        candidates = [one for one in candidates if one[by] >= least][: 4 * count]
    return sorted((one for one in candidates if one[by] > float("-inf")), key=lambda one: -one[by])
