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

_ANY = ((1.0, 1, 1),)
_WORTH = 10.0  # nats below the best of a scan: what is worse adds nothing to the posterior,
_NEAR = 12.0  # nats below the best: what is worse is not worth exchanging writers of
_FEW = 6  # and only so many of them are kept, to go on from
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
    # Those of several writers look poor, by their score, while one of them is missing: many failures are left over
    # where nothing should fail. Their promise is what they explain at whatever rates.
    promise: dict[Writers, float] = field(default_factory=dict)
    # Those under which no more rows fail where they should than elsewhere.
    idle: set[Writers] = field(default_factory=set)
    _tables: dict[tuple[Prior, Prior], Doubles] = field(default_factory=dict)
    _best: tuple[int, Writers] = (-1, Writers(False))

    @property
    def best(self) -> Writers:
        if self._best[0] != len(self.seen):
            self._best = len(self.seen), max(self.telling or [Writers(False)], key=self._rank)
        return self._best[1]

    @property
    def telling(self) -> list[Writers]:
        """The hypotheses that explain something."""
        return [w for w in self.seen if w.all and w not in self.idle]

    def _rank(self, writers: Writers) -> tuple[float, int, Writers]:
        return self.seen[writers], -len(writers.bad) - len(writers.good), writers

    def top(self, count: int) -> list[Writers]:
        return sorted(self.telling, key=self._rank, reverse=True)[:count]

    def leading(self) -> list[Writers]:
        """The best hypotheses, and the best ones of each number of writers where these come near."""
        near = max(self.seen.values()) - _NEAR
        ranked = sorted((w for w in self.telling if self.seen[w] > near), key=self._rank, reverse=True)
        chosen = ranked[:2]
        for size in range(2, self.costs.most_writers + 1):
            chosen += [writers for writers in ranked if len(writers.all) == size][: self.costs.beam]
        return list(dict.fromkeys(chosen))

    def expected(self, writers: Writers) -> NDArray[np.bool_]:
        """bool[M]: the rows that these writers expect to fail."""
        last_bad, last_good = self._lasts(writers)
        result: NDArray[np.bool_] = last_bad > last_good
        return result

    def elsewhere(self, rows: Rows, written: Places) -> NDArray[np.bool_]:
        """bool[M]: the rows of another table that the best writers expect to fail."""
        return Fit(rows, self.numbers, written, self.prior, self.costs).expected(self.best)

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
        return float(self._split(np.array([k]), np.array([n]))[0])

    def _count(self, expected: NDArray[np.bool_]) -> int:
        return int(self.rows.failed[expected].sum())

    def _tells(self, k: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether k failures in n rows that should fail are a larger share than in the other rows."""
        rest_k, rest_n = self.rows.failures - k, len(self.rows) - n
        tells: NDArray[np.bool_] = k * rest_n > rest_k * n
        return tells

    def _split(self, k: NDArray[np.int64], n: NDArray[np.int64]) -> Doubles:
        """ln of the likelihood where n rows with k failures should fail, and the others pass."""
        return self._looked_up(k, n, self.costs.when_bad, self.costs.when_good)

    def _either(self, k: NDArray[np.int64], n: NDArray[np.int64]) -> Doubles:
        """The same with a rate of any size in both parts."""
        return self._looked_up(k, n, _ANY, _ANY)

    def _looked_up(self, k: NDArray[np.int64], n: NDArray[np.int64], bad: Prior, good: Prior) -> Doubles:
        """From a table where there are fewer splits of the rows than candidates."""
        failures, rows = self.rows.failures, len(self.rows)

        def direct(k: NDArray[np.int64], n: NDArray[np.int64]) -> Doubles:
            return log_marginal(k, n, bad) + log_marginal(failures - k, rows - n, good)

        if (failures + 1) * (rows + 1) > len(self.numbers):
            return direct(k, n)
        if (bad, good) not in self._tables:
            ks, ns = np.meshgrid(np.arange(failures + 1), np.arange(rows + 1), indexing="ij")
            possible = (ks <= ns) & (failures - ks <= rows - ns)
            self._tables[bad, good] = direct(np.where(possible, ks, 0), np.where(possible, ns, 0))
        return self._tables[bad, good][k, n]

    def scan(self, base: Writers) -> list[tuple[NDArray[np.intp], Doubles]]:
        """Score every candidate as one more bad, and as one more good writer; keep the best alternatives.

        Returns the best candidates with their scores, for each way to add one.
        """
        if base in self.scanned or len(base.all) >= self.costs.most_writers:
            return []
        self.scanned[base] = None
        if self._hopeless(base):
            return []
        found = []
        last_bad, last_good = self._lasts(base)
        fails = last_bad > last_good
        here = self.log_prior(base) + self.costs.another * bool(base.all)
        k0, n0 = self._count(fails), int(fails.sum())
        taken = list(base.all)
        for last, of, extend, sign in ((last_good, ~fails, base.with_bad, 1), (last_bad, fails, base.with_good, -1)):
            if not of.any():
                continue
            changed = self._counts(last, of)
            k, n = k0 + sign * changed[:, 0], n0 + sign * changed[:, 1]
            scores = self._split(k, n) + self.prior + here
            promise = self._either(k, n) + self.prior + here
            none = changed[:, 1] == 0  # a writer that changes no row is no explanation
            none[taken] = True
            scores[none] = promise[none] = -np.inf
            tells = self._tells(k, n)
            promise[~tells] = -np.inf
            promising = _largest(promise, self.costs.beam)[: self.costs.beam]
            self.promise.update((extend(int(candidate)), float(promise[candidate])) for candidate in promising)
            best = _largest(scores, self.costs.kept)
            found.append((best, scores[best]))
            near = int((scores[best] > scores[best[:1]] - _WORTH).sum())
            for candidate in [*best[: max(near, _FEW)], *promising]:
                writers = extend(int(candidate))
                if writers not in self.seen:
                    self.seen[writers] = float(scores[candidate])
                    if not tells[candidate]:
                        self.idle.add(writers)
        return found

    def _hopeless(self, base: Writers) -> bool:
        """Whether no further writer can bring it near the best, not even one that leaves nothing to explain."""
        whole = float(self._split(np.array([self.rows.failures]), np.array([self.rows.failures]))[0])
        most = whole + self.log_prior(base) + float(self.prior.max()) + self.costs.another * bool(base.all)
        return bool(self.seen) and most < max(self.seen.values()) - _WORTH

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
        for writers in fit.leading():
            fit.score(writers._replace(starts_bad=not writers.starts_bad))
            for candidate in writers.all:
                fit.scan(writers.without(candidate))
            fit.scan(writers)
        if fit.seen[fit.best] <= best + 1e-9:
            break
    return fit


def survey(fit: Fit, count: int) -> NDArray[np.intp]:
    """The candidates worth a closer look, in rising order: those of the best hypotheses of a few scans."""
    heard: list[tuple[NDArray[np.intp], Doubles]] = []
    for starts_bad in (False, True):
        fit.score(Writers(starts_bad))
        heard += fit.scan(Writers(starts_bad))
    for depth, width in ((1, 4), (2, 2)):
        level = sorted((w for w in fit.seen if len(w.all) == depth), key=fit._rank, reverse=True)
        for writers in level[:width]:
            heard += fit.scan(writers)
    candidates = np.concatenate([found for found, _ in heard])
    ranked = candidates[np.argsort(-np.concatenate([scores for _, scores in heard]), kind="stable")]
    first = np.sort(np.unique(ranked, return_index=True)[1])
    chosen: NDArray[np.intp] = fit.numbers[np.sort(ranked[first[:count]])]
    return chosen


def _beam(fit: Fit, depth: int) -> list[Writers]:
    """The best and the most promising hypotheses with so many writers; at least two of each start, lest one be lost."""
    level = sorted((w for w in fit.seen if len(w.all) == depth), key=fit._rank, reverse=True)
    chosen = level[: fit.costs.beam]
    for starts_bad in (False, True):
        chosen += [w for w in level if w.starts_bad is starts_bad][:2]
    promising = (w for w in fit.promise if len(w.all) == depth)
    chosen += sorted(promising, key=lambda w: (fit.promise[w], w), reverse=True)[: fit.costs.beam]
    return list(dict.fromkeys(chosen))


def evidence_for_order(fit: Fit) -> float:
    """ln of the sum over the hypotheses that explain something: the marginal likelihood of order dependence."""
    return log_sum([fit.seen[writers] for writers in fit.telling])
