"""The search for the sets of writers that explain a set of rows best.

A row fails iff the last writer before it wrote bad, or nobody wrote and the process started bad. With `NEVER` < start
< every position, that is one comparison: last bad > last good, where the start counts as a writer at -1. A set of
writers splits the rows into those expected to fail and those expected to pass; the likelihood is the product of the
two parts' marginals. Each writer pays its prior.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import Doubles, Prior, log_marginal, log_sum
from flakediag.analysis.order.units import NEVER, Rows
from flakediag.analysis.order.writers import Places, last_of

_BLOCK = 256  # candidates at a time: the comparison and its float copy stay in the cache


class Writers(NamedTuple):
    """A hypothesis: how the state starts, and who writes it. Candidates by number, in rising order."""

    starts_bad: bool
    bad: tuple[int, ...] = ()
    good: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        return self.bad + self.good

    def with_bad(self, candidate: int) -> Writers:
        return self._replace(bad=tuple(sorted({*self.bad, candidate})))

    def with_good(self, candidate: int) -> Writers:
        return self._replace(good=tuple(sorted({*self.good, candidate})))

    def without(self, candidate: int) -> Writers:
        bad = tuple(c for c in self.bad if c != candidate)
        return self._replace(bad=bad, good=tuple(c for c in self.good if c != candidate))


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


@dataclass
class Fit:
    """The hypotheses seen in one search, with the log of likelihood times prior."""

    rows: Rows
    numbers: NDArray[np.intp]  # [C], the candidates looked at; writers are places in this list
    written: Places  # [C, M]
    prior: Doubles  # [C], ln
    costs: Costs
    seen: dict[Writers, float] = field(default_factory=dict)
    scanned: dict[Writers, None] = field(default_factory=dict)
    idle: set[Writers] = field(
        default_factory=set
    )  # those under which no more rows fail where they should than elsewhere

    @property
    def best(self) -> Writers:
        return max(self.telling or [Writers(False)], key=self._rank)

    @property
    def telling(self) -> list[Writers]:
        """The hypotheses that explain something."""
        return [w for w in self.seen if w.all and w not in self.idle]

    def _rank(self, writers: Writers) -> tuple[float, int, Writers]:
        return self.seen[writers], -len(writers.bad) - len(writers.good), writers

    def top(self, count: int) -> list[Writers]:
        return sorted(self.telling, key=self._rank, reverse=True)[:count]

    def expected(self, writers: Writers) -> NDArray[np.bool_]:
        """bool[M]: the rows that these writers expect to fail."""
        last_bad, last_good = self._lasts(writers)
        result: NDArray[np.bool_] = last_bad > last_good
        return result

    def _lasts(self, writers: Writers) -> tuple[Places, Places]:
        last_bad = last_of(writers.bad, self.written, -1 if writers.starts_bad else NEVER)
        last_good = last_of(writers.good, self.written, NEVER if writers.starts_bad else -1)
        return last_bad, last_good

    def log_prior(self, writers: Writers) -> float:
        start = self.costs.starts_bad if writers.starts_bad else self.costs.starts_good
        return (
            start + sum(float(self.prior[c]) for c in writers.all) + self.costs.another * max(0, len(writers.all) - 1)
        )

    def score(self, writers: Writers) -> float:
        """Looks at one hypothesis."""
        if writers not in self.seen:
            expected = self.expected(writers)
            self.seen[writers] = self.log_likelihood(expected) + self.log_prior(writers)
            if not self._tells(np.array([self._count(expected)]), np.array([expected.sum()]))[0]:
                self.idle.add(writers)
        return self.seen[writers]

    def log_likelihood(self, expected: NDArray[np.bool_]) -> float:
        k, n = self._count(expected), int(expected.sum())
        total_k, total_n = self.rows.failures, len(self.rows)
        return float(self._split(np.array([k]), np.array([n]), total_k, total_n)[0])

    def _count(self, expected: NDArray[np.bool_]) -> int:
        return int(self.rows.failed[expected].sum())

    def _tells(self, k: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether k failures in n rows that should fail are a larger share than in the other rows."""
        rest_k, rest_n = self.rows.failures - k, len(self.rows) - n
        tells: NDArray[np.bool_] = k * rest_n > rest_k * n
        return tells

    def _split(self, k: NDArray[np.int64], n: NDArray[np.int64], total_k: int, total_n: int) -> Doubles:
        return log_marginal(k, n, self.costs.when_bad) + log_marginal(total_k - k, total_n - n, self.costs.when_good)

    def scan(self, base: Writers) -> None:
        """Score every candidate as one more bad, and as one more good writer; keep the best alternatives."""
        if base in self.scanned or len(base.all) >= self.costs.most_writers:
            return
        self.scanned[base] = None
        last_bad, last_good = self._lasts(base)
        fails = last_bad > last_good
        here = self.log_prior(base) + self.costs.another * bool(base.all)
        k0, n0 = self._count(fails), int(fails.sum())
        gained = self._counts(last_good, ~fails)
        lost = self._counts(last_bad, fails)
        total_k, total_n = self.rows.failures, len(self.rows)
        taken = list(base.all)
        for changed, extend, sign in ((gained, base.with_bad, 1), (lost, base.with_good, -1)):
            k, n = k0 + sign * changed[:, 0], n0 + sign * changed[:, 1]
            scores = self._split(k, n, total_k, total_n) + self.prior + here
            scores[changed[:, 1] == 0] = -np.inf  # a writer that changes no row is no explanation
            scores[taken] = -np.inf
            tells = self._tells(k, n)
            for candidate in _largest(scores, self.costs.kept):
                writers = extend(int(candidate))
                if writers not in self.seen:
                    self.seen[writers] = float(scores[candidate])
                    if not tells[candidate]:
                        self.idle.add(writers)

    def _counts(self, last: Places, of: NDArray[np.bool_]) -> NDArray[np.int64]:
        """int64[C, 2]: failures and rows, among the rows `of`, in which each candidate wrote later than `last`."""
        weights = np.stack([self.rows.failed * of, of], axis=1).astype(np.float32)
        counts = np.empty((len(self.written), 2), dtype=np.float32)
        for start in range(0, len(self.written), _BLOCK):
            later = self.written[start : start + _BLOCK] > last
            counts[start : start + _BLOCK] = later.astype(np.float32) @ weights
        return counts.astype(np.int64)


def _largest(scores: Doubles, count: int) -> NDArray[np.intp]:
    """The places of the largest finite scores, largest first."""
    if len(scores) > count:
        top = np.argpartition(-scores, count)[:count]
        top = np.flatnonzero(scores >= scores[top].min())[: 4 * count]  # with their ties
    else:
        top = np.arange(len(scores))
    top = top[np.isfinite(scores[top])]
    ranked: NDArray[np.intp] = top[np.argsort(-scores[top], kind="stable")]
    return ranked


def search(fit: Fit) -> Fit:
    """Greedy with a beam, then exchange and drop until nothing improves."""
    for starts_bad in (False, True):
        empty = Writers(starts_bad)
        fit.score(empty)
        fit.scan(empty)
    best = float("-inf")
    for depth in range(1, fit.costs.most_writers):
        for writers in _beam(fit, depth):
            fit.scan(writers)
        now = fit.seen[fit.best]
        if now <= best + 1e-9:
            break
        best = now
    for _ in range(2 * fit.costs.most_writers):
        best = fit.seen[fit.best]
        for writers in fit.top(2):
            fit.score(writers._replace(starts_bad=not writers.starts_bad))
            for candidate in writers.all:
                fit.scan(writers.without(candidate))
            fit.scan(writers)
        if fit.seen[fit.best] <= best + 1e-9:
            break
    return fit


def survey(fit: Fit, count: int) -> NDArray[np.intp]:
    """The candidates worth a closer look, in rising order: those of the best hypotheses of a few scans."""
    for starts_bad in (False, True):
        fit.score(Writers(starts_bad))
        fit.scan(Writers(starts_bad))
    for depth, width in ((1, 4), (2, 2)):
        level = sorted((w for w in fit.seen if len(w.all) == depth), key=fit._rank, reverse=True)
        for writers in level[:width]:
            fit.scan(writers)
    found: dict[int, None] = {}
    for writers in sorted(fit.seen, key=fit._rank, reverse=True):
        found.update(dict.fromkeys(writers.all))
        if len(found) >= count:
            break
    return fit.numbers[sorted(found)]


def _beam(fit: Fit, depth: int) -> list[Writers]:
    """The best hypotheses with so many writers, at least two of each start, so that neither is lost early."""
    level = sorted((w for w in fit.seen if len(w.all) == depth), key=fit._rank, reverse=True)
    chosen = level[: fit.costs.beam]
    for starts_bad in (False, True):
        chosen += [w for w in level if w.starts_bad is starts_bad][:2]
    return list(dict.fromkeys(chosen))


def evidence_for_order(fit: Fit) -> float:
    """ln of the sum over the hypotheses that explain something: the marginal likelihood of order dependence."""
    return log_sum([fit.seen[writers] for writers in fit.telling])
