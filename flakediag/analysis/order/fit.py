"""What a set of writers is worth as an explanation of a set of rows.

A row fails iff the last writer before it wrote bad, or nobody wrote and the process started bad. With `NEVER` < start
< every position, that is one comparison: last bad > last good, where the start counts as a writer at -1. A set of
writers splits the rows into those expected to fail and those expected to pass; the likelihood is the product of the
two parts' marginals. Each writer pays its prior.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.hypotheses import Costs, Found, Writers
from flakediag.analysis.order.marginal import Doubles, log_sum
from flakediag.analysis.order.scan import Columns, Leads, Splits, changed, largest
from flakediag.analysis.order.units import NEVER, Rows
from flakediag.analysis.order.writers import Places, both_written, last_of

_WORTH = 10.0  # nats below the best of a scan: what is worse adds nothing to the posterior,
_NEAR = 12.0  # nats below the best: what is worse is not worth exchanging writers of
_FEW = 6  # and only so many of them are kept, to go on from


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
    found: Found = field(default_factory=Found)
    _wrote: dict[int, Places] = field(default_factory=dict)
    _scanned: set[Writers] = field(default_factory=set)
    # What the scans of all but the chains found, in both ways to add a writer.
    _leads: dict[tuple[Writers, bool], tuple[Leads, Leads]] = field(default_factory=dict)

    @property
    def seen(self) -> dict[Writers, float]:
        return self.found.scores

    @property
    def best(self) -> Writers:
        return self.found.best

    @property
    def telling(self) -> Sequence[Writers]:
        """The hypotheses that explain something."""
        return self.found.telling

    @property
    def starts_mostly_bad(self) -> bool:
        """Whether the state starts bad, by all hypotheses that explain something."""
        bad, good = (log_sum([self.seen[w] for w in self.telling if w.starts_bad is s]) for s in (True, False))
        return bad > good

    def top(self, count: int) -> list[Writers]:
        return self.found.ranked(self.telling)[:count]

    def leading(self) -> list[Writers]:
        """The best hypotheses, and the best ones of each number of writers where these come near."""
        near, scores = self.found.most - _NEAR, self.seen
        ranked = self.found.ranked([w for w in self.telling if scores[w] > near])
        sizes = [len(w.bad) + len(w.good) for w in ranked]
        chosen = ranked[:2]
        for size in range(2, self.costs.most_writers + 1):
            chosen += [w for w, own in zip(ranked, sizes, strict=True) if own == size][: self.costs.beam]
        return list(dict.fromkeys(chosen))

    def expected(self, writers: Writers) -> NDArray[np.bool_]:
        """bool[M]: the rows that these writers expect to fail."""
        last_bad, last_good = self._lasts(writers)
        result: NDArray[np.bool_] = last_bad > last_good
        return result

    def with_chains(self, chains: Sequence[tuple[int, int]], prior: Doubles) -> Fit:
        """The same hypotheses, to go on with chains: their links, and ln of their prior."""
        return replace(
            self,
            numbers=np.concatenate([self.numbers, self.numbers[[a for a, _ in chains]]]),
            prior=np.concatenate([self.prior, prior]),
            chains=tuple(chains),
            _scanned=set(),
        )

    def done(self) -> Fit:
        """The same without what only a search needs: the candidates that no hypothesis names."""
        used = {writer for writers in self.telling for writer in writers.all}
        plain = [writer for writer in used if writer < len(self.written)]
        wrote = dict(zip(plain, np.ascontiguousarray(self.written[plain]), strict=True))
        wrote |= {writer: self.wrote(writer).copy() for writer in used if writer >= len(self.written)}
        found = replace(self.found, promise={}, turned=set(), levels={})
        nobody = self.written[:0].copy()
        return Fit(self.rows, self.numbers, nobody, self.prior, self.costs, self.chains, found, _wrote=wrote)

    def weighed(self, scores: dict[Writers, float]) -> Fit:
        """The same with other scores of the same hypotheses."""
        return replace(self, found=self.found.weighed(scores))

    def links_of_best(self) -> list[int]:
        """The writers of the best hypothesis, each link of a chain by itself."""
        return sorted({link for writer in self.best.all for link in self.links(writer)})

    def elsewhere(self, rows: Rows, written: Places) -> NDArray[np.bool_]:
        """bool[M]: the rows of another table that the best writers expect to fail. written: [`links_of_best`, M]."""
        wrote = dict(zip(self.links_of_best(), written, strict=True))
        for writer in self.best.all:
            links = [wrote[link] for link in self.links(writer)]
            wrote[writer] = both_written(np.array(links), [(0, 1)])[0] if len(links) > 1 else links[0]
        return Fit(rows, self.numbers, written, self.prior, self.costs, _wrote=wrote).expected(self.best)

    @property
    def ran(self) -> NDArray[np.bool_]:
        """bool[M, C]: which candidates but chains ran before each row."""
        return self._columns[0].later(np.full(len(self.rows), -1, dtype=self.written.dtype))

    def wrote(self, writer: int) -> Places:
        """[M]: when a writer last wrote before each row."""
        if writer not in self._wrote:
            links = self.links(writer)
            written = self.written[list(links)]
            self._wrote[writer] = both_written(written, [(0, 1)])[0] if len(links) > 1 else written[0]
        return self._wrote[writer]

    def chained(self, writers: Writers) -> bool:
        """Whether any of them is a chain."""
        return bool(self.chains) and max(writers.all, default=0) >= len(self.numbers) - len(self.chains)

    def links(self, writer: int) -> tuple[int, ...]:
        """The writers that a chain is made of; of another writer, itself."""
        chain = writer - (len(self.numbers) - len(self.chains))
        return self.chains[chain] if chain >= 0 else (writer,)

    def _lasts(self, writers: Writers) -> tuple[Places, Places]:
        starts = self.starts(writers)
        last_bad = last_of([self.wrote(c) for c in writers.bad], np.where(starts, -1, NEVER), self.written.dtype)
        last_good = last_of([self.wrote(c) for c in writers.good], np.where(starts, NEVER, -1), self.written.dtype)
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
        victims = self._victims
        if victims > 1:
            start += self.costs.turned * len(writers.turned) + self.costs.same_start * (victims - len(writers.turned))
        return (
            start + sum(float(self.prior[c]) for c in writers.all) + self.costs.another * max(0, len(writers.all) - 1)
        )

    def score(self, writers: Writers) -> float:
        """Looks at one hypothesis."""
        if writers not in self.seen:
            expected = self.expected(writers)
            k, n = self._counts(expected)
            score = self._splits.one(k, n) + self.log_prior(writers)
            self.found.add(writers, score, tells=bool(self._splits.tells(np.array(k), np.array(n))))
        return self.seen[writers]

    def _counts(self, expected: NDArray[np.bool_]) -> tuple[int, int]:
        """The failures, and the rows, among those expected to fail."""
        return int(np.count_nonzero(expected & self._failed)), int(np.count_nonzero(expected))

    @property
    def perfect(self) -> float:
        """ln of the likelihood where nothing is left to explain."""
        return self._splits.one(self.rows.failures, self.rows.failures)

    def scan(self, base: Writers) -> list[tuple[NDArray[np.intp], Doubles]]:
        """Score every candidate as one more bad, and as one more good writer; keep the best alternatives.

        Returns the best candidates with their scores, for each way to add one.
        """
        if base in self._scanned or len(base.all) >= self.costs.most_writers:
            return []
        self._scanned.add(base)
        if self._hopeless(base):
            return []
        found, seen, promised = [], self.seen, self.found.promise[len(base.all) + 1]
        for is_bad, (by_score, by_promise) in self._look(base):
            extend = _extending(base, is_bad)
            best = largest(by_score.scores, self.costs.kept)
            promising = largest(by_promise.promise, self.costs.beam)[: self.costs.beam]
            found.append((by_score.candidates[best], by_score.scores[best]))
            chosen = _listed(by_score, best)
            worth = chosen[0][1] - _WORTH if chosen else 0.0
            near = sum([score > worth for _, score, _ in chosen])
            more = _listed(by_promise, promising)
            for candidate, _, promise in more:
                promised[extend(candidate)] = promise
            for candidate, score, promise in [*chosen[: max(near, _FEW)], *more]:
                writers = extend(candidate)
                if writers not in seen:
                    self.found.add(writers, score, tells=promise > float("-inf"))
        return found

    def _look(self, base: Writers) -> list[tuple[bool, tuple[Leads, Leads]]]:
        """For each way to add a writer, whether a bad one, and who may be the best, by score and by promise."""
        last_bad, last_good = self._lasts(base)
        fails = last_bad > last_good
        # A bad writer changes rows that pass, a good one rows that fail: where it wrote later than the last one.
        last = np.where(fails, last_bad, last_good)
        ways = [(is_bad, of) for is_bad, of in ((True, ~fails), (False, fails)) if of.any()]
        known = {is_bad: self._leads.get((base, is_bad)) for is_bad, _ in ways}
        k0, n0 = self._counts(fails)
        prior = self.log_prior(base) + self.costs.another * bool(base.all)
        for columns in self._columns if None in known.values() else self._columns[1:]:
            later = columns.later(last)
            for is_bad, of in ways:
                k, n = changed(later, of, self._failed)
                sign = 1 if is_bad else -1
                named, promise = self._splits.both(k0, n0, sign * k, sign * n)
                leads = columns.leads(named, promise, prior, base.all, self.costs.kept, self.costs.beam)
                if columns.first == 0:
                    self._leads[base, is_bad] = leads
                before = known[is_bad]
                known[is_bad] = leads if before is None else (before[0].joined(leads[0]), before[1].joined(leads[1]))
        return [(is_bad, leads) for is_bad, leads in known.items() if leads is not None]

    def turn(self, base: Writers) -> None:
        """Score every victim with the other start, and all those together that gain by it."""
        tests = sorted(set(self.rows.tests))
        if base in self.found.turned or len(tests) < 2 or not base.all:
            return
        self.found.turned.add(base)
        nobody = np.maximum(*self._lasts(base)) < 0
        starts = self.starts(base)[nobody]
        number = np.searchsorted(tests, np.array(self.rows.tests))[self.rows.member[nobody]]
        sign = np.where(starts, -1, 1)
        k = np.bincount(number, sign * self.rows.failed[nobody], len(tests)).astype(np.int64)
        n = np.bincount(number, sign, len(tests)).astype(np.int64)
        k0, n0 = self._counts(self.expected(base))
        gains = self._splits.named(k0 + k, n0 + n) - self._splits.one(k0, n0)
        price = self.costs.turned - self.costs.same_start
        gains += np.where(np.isin(tests, base.turned), -price, price)
        gaining = [test for test, gain in zip(tests, gains.tolist(), strict=True) if gain > 0]
        if gaining:
            self.score(base.turn(gaining))
            self.score(base.turn([tests[int(gains.argmax())]]))

    def _hopeless(self, base: Writers) -> bool:
        """Whether no further writer can bring it near the best, not even one that leaves nothing to explain."""
        most = self.perfect + self.log_prior(base) + self._likeliest + self.costs.another * bool(base.all)
        return bool(self.seen) and most < self.found.most - _WORTH

    @cached_property
    def _splits(self) -> Splits:
        return Splits(self.rows, self.costs.when_bad, self.costs.when_good)

    @cached_property
    def _columns(self) -> list[Columns]:
        """All candidates but the chains; and the chains."""
        plain = len(self.written)
        columns = [Columns(np.ascontiguousarray(self.written.T), self.prior[:plain])]
        if self.chains:
            chained = np.ascontiguousarray(both_written(self.written, self.chains).T)
            columns.append(Columns(chained, self.prior[plain:], plain))
        return columns

    @cached_property
    def _failed(self) -> NDArray[np.bool_]:
        failed: NDArray[np.bool_] = self.rows.failed == 1
        return failed

    @cached_property
    def _victims(self) -> int:
        return len(set(self.rows.tests))

    @cached_property
    def _likeliest(self) -> float:
        return float(self.prior.max())


def _listed(leads: Leads, places: NDArray[np.intp]) -> list[tuple[int, float, float]]:
    """Candidate, score, promise."""
    candidates, scores, promise = (part[places].tolist() for part in leads)
    return list(zip(candidates, scores, promise, strict=True))


def _extending(base: Writers, is_bad: bool) -> Callable[[int], Writers]:
    """What adds a writer, who is none of them yet."""
    starts_bad, bad, good, turned = base
    new = tuple.__new__  # half the time of the class's own, and there are a thousand for each victim

    def with_bad(writer: int) -> Writers:
        place = bisect(bad, writer)
        return new(Writers, (starts_bad, (*bad[:place], writer, *bad[place:]), good, turned))

    def with_good(writer: int) -> Writers:
        place = bisect(good, writer)
        return new(Writers, (starts_bad, bad, (*good[:place], writer, *good[place:]), turned))

    return with_bad if is_bad else with_good


def evidence_for_order(fit: Fit) -> float:
    """ln of the sum over the hypotheses that explain something: the marginal likelihood of order dependence."""
    return log_sum([fit.seen[writers] for writers in fit.telling])
