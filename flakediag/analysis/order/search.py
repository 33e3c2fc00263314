"""The way through the sets of writers: greedy with a beam, then by exchange.

See `fit.py` for what a set of writers is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.extend import Extensions, at_a_time, extensions
from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Numbers, Writers
from flakediag.analysis.order.later import bits_of, counted
from flakediag.analysis.order.leads import foremost
from flakediag.analysis.order.marginal import Doubles
from flakediag.analysis.order.splits import at_any_rates

_WORTH = 10.0  # nats below the best: what cannot come nearer is not looked at
_NEAR = 12.0  # nats below the best: what is worse is not worth exchanging writers of
_FIRST = 8  # tests are looked at in pairs,
_SECOND = 12  # each with so many others
_CHAINED = 4.0  # nats below the best: where no chain can come nearer, none is looked at


def search(fit: Fit, starting_bad: frozenset[int] = frozenset()) -> Fit:
    """Greedy with a beam, then exchange and drop until nothing improves.

    `starting_bad`: the victims that seem to start bad, if not all do.
    """
    way = Search(fit)
    way.follow(list(dict.fromkeys((Writers(False), Writers(True), _mixed(fit, starting_bad)))), score=True)
    best = float("-inf")
    for depth in range(1, fit.costs.most_writers):
        way.follow(_beam(fit, depth), turn=True)
        now = _of_best(fit)
        if now <= best + 1e-9:
            break
        best = now
    return way.exchange()


def with_chains(fit: Fit, share: float, singles: NDArray[np.bool_]) -> Fit:
    """The same with chains of two tests, where these may come near what has been found.

    `share`: ln of the prior of a chain, given its links. `singles`: bool[C], the writers that may be links.
    """
    nothing_left = fit.perfect + max(fit.costs.starts_bad, fit.costs.starts_good)
    likeliest = float(fit.prior.max(where=singles, initial=-np.inf))
    if nothing_left + 2 * likeliest + share + np.log(2) < _of_best(fit) - _CHAINED - 1e-6:
        return fit
    chains = _likely_chains(fit, singles)
    if not chains:
        return fit
    prior = np.array([fit.prior[a] + fit.prior[b] for a, b in chains]) + share + np.log(2)
    if nothing_left + float(prior.max()) < _of_best(fit) - _CHAINED:
        return fit
    more = fit.with_chains(chains, prior)
    way = Search(more)
    way.follow([more.found.writers(place) for place in np.flatnonzero(more.found.sizes == 0).tolist()])
    return way.exchange()


def survey(fit: Fit, count: int) -> Numbers:
    """The candidates worth a closer look, in rising order: those of the best hypotheses of a few scans."""
    way = Search(fit)
    heard = way.follow([Writers(False), Writers(True)], score=True)
    for depth, width in ((1, 4), (2, 2)):
        heard += way.follow(fit.found.ranked(np.flatnonzero(fit.found.sizes == depth), width))
    candidates = np.concatenate([found for found, _ in heard])
    ranked = candidates[np.argsort(-np.concatenate([scores for _, scores in heard]), kind="stable")]
    first = np.sort(np.unique(ranked, return_index=True)[1])
    chosen: Numbers = fit.numbers[np.sort(ranked[first[:count]])]
    return chosen


class Search:
    """A search as it goes on: which hypotheses were extended, or tried with other starts."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self._scanned: set[Writers] = set()
        self._turned: set[Writers] = set()
        self._most: dict[Writers, float] = {}  # what a hypothesis may come to
        self._looked_at: dict[Writers, Extensions | None] = {}
        self._perfect, self._likeliest = fit.perfect, float(fit.prior.max())

    def exchange(self) -> Fit:
        """Others in the place of the writers of the leading hypotheses, dropped or turned, until nothing improves."""
        for _ in range(2 * self.fit.costs.most_writers):
            best = _of_best(self.fit)
            self._exchange(_leading(self.fit))
            if _of_best(self.fit) <= best + 1e-9:
                break
        return self.fit

    def follow(
        self, bases: Sequence[Writers], *, score: bool = False, turn: bool = False
    ) -> list[tuple[Numbers, Doubles]]:
        """Extends each of these, after looking at it, and before looking at its other starts, where asked to.

        Returns the best candidates with their scores, of each.
        """
        heard = []
        for number, base in enumerate(bases):
            if score:
                self.fit.score(base)
            heard += self._extend(base, bases[number:])
            if turn:
                self._turn(base)
        return heard

    def _exchange(self, leading: Sequence[Writers]) -> None:
        steps = [[*(writers.without(candidate) for candidate in writers.all), writers] for writers in leading]
        ahead = [base for bases in steps for base in bases]
        for writers, bases in zip(leading, steps, strict=True):
            self.fit.score(writers._replace(starts_bad=not writers.starts_bad))
            for base in bases:
                self._extend(base, ahead)
                ahead = ahead[1:]
            self._turn(writers)

    def _extend(self, base: Writers, ahead: Sequence[Writers]) -> list[tuple[Numbers, Doubles]]:
        """Every candidate as one more writer; the best alternatives are kept.

        ahead: what is going to be extended next, this one first; some of them are looked at in one go.
        """
        if not self._may_be_extended(base):
            return []
        if base not in self._looked_at:
            some = [one for one in dict.fromkeys(ahead) if self._may_be_extended(one)][: at_a_time(self.fit)]
            self._looked_at = dict(zip(some, extensions(self.fit, some), strict=True))
        self._scanned.add(base)
        found = self._looked_at[base]
        return [] if found is None else [self._keep(base, found)]

    def _may_be_extended(self, base: Writers) -> bool:
        """Whether it was not yet, has room, and may come near the best (if its writer left nothing to explain)."""
        if base in self._scanned or len(base.bad) + len(base.good) >= self.fit.costs.most_writers:
            return False
        most = self._most.get(base)
        if most is None:
            fit = self.fit
            most = self._perfect + fit.log_prior(base) + self._likeliest + fit.costs.another * bool(base.all)
            self._most[base] = most
        return not most < self.fit.found.most - _WORTH

    def _keep(self, base: Writers, found: Extensions) -> tuple[Numbers, Doubles]:
        places = self.fit.found.add(found.rows, found.scores, found.promise > -np.inf)
        if found.plain.small:
            self.fit.known[base] = found.plain
        promised = self.fit.found.promise[len(base.all) + 1]
        for number in np.flatnonzero(found.promising).tolist():
            promised[places[number]] = float(found.promise[number])
        return found.named

    def _turn(self, base: Writers) -> None:
        """Score every victim with the other start, and all those together that gain by it."""
        fit = self.fit
        if base in self._turned or fit.victims < 2 or not base.all:
            return
        self._turned.add(base)
        rows = fit.expecting(base)
        nobody = ~reduce(or_, (fit.later.rows(writer, ()) for writer in base.all))
        # Where nobody has written, what is expected is how the state starts.
        more, fewer = ([fit.counts(own & nobody & start) for own in fit.of_tests.values()] for start in (~rows, rows))
        split = np.array(more) - np.array(fewer) + np.array(fit.counts(rows))
        gains = fit.splits.named(split[:, 0], split[:, 1]) - fit.splits.one(*fit.counts(rows))
        price = fit.costs.turned - fit.costs.same_start
        tests = list(fit.of_tests)
        gains += np.where(np.isin(tests, base.turned), -price, price)
        gaining = [test for test, gain in zip(tests, gains.tolist(), strict=True) if gain > 0]
        if gaining:
            fit.score(base.turn(gaining))
            fit.score(base.turn([tests[int(gains.argmax())]]))


def _of_best(fit: Fit) -> float:
    """The score of the best hypothesis that explains something; that of nobody where none does."""
    scores = fit.found.scores[fit.found.telling]
    return float(scores.max()) if len(scores) else fit.score_of(Writers(False))


def _beam(fit: Fit, depth: int) -> list[Writers]:
    """The best and the most promising hypotheses with so many writers; at least two of each start, lest one be lost."""
    found = fit.found
    level, starts_bad = found.sizes == depth, found.starts_bad
    chosen = found.ranked(np.flatnonzero(level), fit.costs.beam)
    for start in (~starts_bad, starts_bad):
        chosen += found.ranked(np.flatnonzero(level & start), 2)
    return list(dict.fromkeys((*chosen, *found.promising(depth, fit.costs.beam))))


def _leading(fit: Fit) -> list[Writers]:
    """The best hypotheses, and the best ones of each number of writers where these come near."""
    telling, found = fit.found.telling, fit.found
    near = telling[found.scores[telling] > found.most - _NEAR]
    sizes = found.sizes[near]
    chosen = found.ranked(near, 2)
    for size in range(2, fit.costs.most_writers + 1):
        chosen += found.ranked(near[sizes == size], fit.costs.beam)
    return list(dict.fromkeys(chosen))


def _likely_chains(fit: Fit, singles: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs of tests: those that tell most, at whatever rates, each with those that tell most where it has run."""
    first = _telling(fit, np.broadcast_to(singles, (1, len(singles))), _FIRST, np.ones((1, len(fit.rows)), np.bool_))[1]
    others = np.tile(singles, (len(first), 1))
    others[np.arange(len(first)), first] = False
    number, second = _telling(fit, others, _SECOND, fit.by_row[:, first].T >= 0)
    pairs = zip(first[number].tolist(), second.tolist(), strict=True)
    return sorted({(min(pair), max(pair)) for pair in pairs})


def _telling(fit: Fit, among: NDArray[np.bool_], count: int, rows: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The `count` writers after which failing is most different, the most telling first, for each of several choices.

    among: bool[L, C], the writers to choose from; rows: bool[L, M], the rows that say something. Returns the numbers of
    the choices, and the writers.
    """
    if not len(rows):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    ran = np.broadcast_to(fit.later.ran(), (len(rows), *fit.later.ran().shape))
    k, n = (counted(ran, bits_of(some)).astype(np.int64) for some in (rows & fit.failed, rows))
    failures, size = (rows & fit.failed).sum(axis=1)[:, None], rows.sum(axis=1)[:, None]
    worth = at_any_rates(k, n, failures, size) + fit.prior
    worth[~among | (n == 0) | (n == size)] = -np.inf
    best = foremost(worth, count)
    return best.line, best.place


def _mixed(fit: Fit, starting_bad: frozenset[int]) -> Writers:
    """Nobody writes, and some victims start bad: the fewer ones are those that are turned."""
    tests = set(fit.rows.tests)
    bad = tests & starting_bad
    return Writers(True).turn(tests - bad) if 2 * len(bad) > len(tests) else Writers(False).turn(bad)
