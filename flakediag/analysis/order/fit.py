"""What a set of writers is worth as an explanation of a set of rows.

A row fails iff the last writer before it wrote bad, or nobody wrote and the process started bad. With `NEVER` < start
< every position, that is one comparison: last bad > last good, where the start counts as a writer at -1. A set of
writers splits the rows into those expected to fail and those expected to pass; the likelihood is the product of the
two parts' marginals. Each writer pays its prior.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.hypotheses import Costs, Writers
from flakediag.analysis.order.marginal import ANY, Doubles, Prior, log_marginal, log_sum
from flakediag.analysis.order.units import NEVER, Rows
from flakediag.analysis.order.writers import Places, both_written, last_of

_WORTH = 10.0  # nats below the best of a scan: what is worse adds nothing to the posterior,
_NEAR = 12.0  # nats below the best: what is worse is not worth exchanging writers of
_FEW = 6  # and only so many of them are kept, to go on from
_SUMMED = 255  # rows at a time: so many ones fit into a byte


@dataclass
class Fit:
    """The hypotheses seen in one search, with the log of likelihood times prior.

    The last writers may be chains of two tests, which write only when both have run; the number of a chain is that of
    its first link.
    """

    rows: Rows
    numbers: NDArray[np.intp]  # [C], the candidates looked at; writers are places in this list
    written: Places  # [C, M]
    prior: Doubles  # [C], ln
    costs: Costs
    chains: tuple[tuple[int, int], ...] = ()  # the last of the writers, by their links
    seen: dict[Writers, float] = field(default_factory=dict)
    scanned: dict[Writers, None] = field(default_factory=dict)
    turns: set[Writers] = field(default_factory=set)
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

    @property
    def starts_mostly_bad(self) -> bool:
        """Whether the state starts bad, by all hypotheses that explain something."""
        bad, good = (log_sum([self.seen[w] for w in self.telling if w.starts_bad is s]) for s in (True, False))
        return bad > good

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
        alone = written[: len(written) - len(self.chains)]
        written = np.concatenate([alone, both_written(alone, self.chains)])
        return Fit(rows, self.numbers, written, self.prior, self.costs).expected(self.best)

    def chained(self, writers: Writers) -> bool:
        """Whether any of them is a chain."""
        return bool(self.chains) and max(writers.all, default=0) >= len(self.numbers) - len(self.chains)

    def links(self, writer: int) -> tuple[int, ...]:
        """The writers that a chain is made of; of another writer, itself."""
        chain = writer - (len(self.numbers) - len(self.chains))
        return self.chains[chain] if chain >= 0 else (writer,)

    def _lasts(self, writers: Writers) -> tuple[Places, Places]:
        starts = self.starts(writers)
        last_bad = last_of(writers.bad, self.written, np.where(starts, -1, NEVER))
        last_good = last_of(writers.good, self.written, np.where(starts, NEVER, -1))
        return last_bad, last_good

    def starts(self, writers: Writers) -> NDArray[np.bool_]:
        """bool[M]: the rows whose victims fail when nobody has written."""
        if not writers.turned:
            return np.full(len(self.rows), writers.starts_bad)
        turned = np.array([test in writers.turned for test in self.rows.tests], dtype=np.bool_)
        starts: NDArray[np.bool_] = turned[self.rows.member] ^ writers.starts_bad
        return starts

    def log_prior(self, writers: Writers) -> float:
        start = self.costs.starts_bad if writers.starts_bad else self.costs.starts_good
        victims = len(set(self.rows.tests))
        if victims > 1:
            start += self.costs.turned * len(writers.turned) + self.costs.same_start * (victims - len(writers.turned))
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

    @property
    def perfect(self) -> float:
        """ln of the likelihood where nothing is left to explain."""
        failures = np.array([self.rows.failures])
        return float(self._split(failures, failures)[0])

    def at_any_rates(self, k: NDArray[np.int64], n: NDArray[np.int64]) -> Doubles:
        """The same with a rate of any size in both parts."""
        return self._looked_up(k, n, ANY, ANY)

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
        return self._tables[bad, good].take(k * (rows + 1) + n)

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
        # A bad writer changes rows that pass, a good one rows that fail: where it wrote later than the last one.
        later = self._by_row > np.where(fails, last_bad, last_good)[:, None]
        for of, extend, sign in ((~fails, base.with_bad, 1), (fails, base.with_good, -1)):
            if not of.any():
                continue
            failed = _summed(later, of & self._failed)
            changed = failed + _summed(later, of & ~self._failed)
            k, n = k0 + sign * failed, n0 + sign * changed
            scores = self._split(k, n) + self.prior + here
            promise = self.at_any_rates(k, n) + self.prior + here
            none = changed == 0  # a writer that changes no row is no explanation
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

    def turn(self, base: Writers) -> None:
        """Score every victim with the other start, and all those together that gain by it."""
        tests = sorted(set(self.rows.tests))
        if base in self.turns or len(tests) < 2 or not base.all:
            return
        self.turns.add(base)
        nobody = np.maximum(*self._lasts(base)) < 0
        starts = self.starts(base)[nobody]
        number = np.searchsorted(tests, np.array(self.rows.tests))[self.rows.member[nobody]]
        sign = np.where(starts, -1, 1)
        k = np.bincount(number, sign * self.rows.failed[nobody], len(tests)).astype(np.int64)
        n = np.bincount(number, sign, len(tests)).astype(np.int64)
        expected = self.expected(base)
        gains = self._split(self._count(expected) + k, int(expected.sum()) + n) - self.log_likelihood(expected)
        price = self.costs.turned - self.costs.same_start
        gains += np.where(np.isin(tests, base.turned), -price, price)
        gaining = [test for test, gain in zip(tests, gains.tolist(), strict=True) if gain > 0]
        if gaining:
            self.score(base.turn(gaining))
            self.score(base.turn([tests[int(gains.argmax())]]))

    def _hopeless(self, base: Writers) -> bool:
        """Whether no further writer can bring it near the best, not even one that leaves nothing to explain."""
        most = self.perfect + self.log_prior(base) + float(self.prior.max()) + self.costs.another * bool(base.all)
        return bool(self.seen) and most < max(self.seen.values()) - _WORTH

    @cached_property
    def _by_row(self) -> Places:
        """[M, C]"""
        return np.ascontiguousarray(self.written.T)

    @cached_property
    def _failed(self) -> NDArray[np.bool_]:
        failed: NDArray[np.bool_] = self.rows.failed == 1
        return failed


def _summed(table: NDArray[np.bool_], rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64[C]: how many of these rows of a table bool[M, C] are true. Sums of bytes are far faster than products."""
    total = np.zeros(table.shape[1], dtype=np.int64)
    chosen = np.flatnonzero(rows)
    for start in range(0, len(chosen), _SUMMED):
        part = table[chosen[start : start + _SUMMED]].view(np.uint8)
        total += np.add.reduce(part, axis=0, dtype=np.uint8)
    return total


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


def evidence_for_order(fit: Fit) -> float:
    """ln of the sum over the hypotheses that explain something: the marginal likelihood of order dependence."""
    return log_sum([fit.seen[writers] for writers in fit.telling])
