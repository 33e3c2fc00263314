"""The way through the sets of writers: greedy with a beam, then by exchange.

See `fit.py` for what a set of writers is worth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Writers
from flakediag.analysis.order.marginal import Doubles
from flakediag.analysis.order.scan import at_any_rates, changed, foremost

_FIRST = 8  # tests are looked at in pairs,
_SECOND = 12  # each with so many others
_CHAINED = 4.0  # nats below the best: where no chain can come nearer, none is looked at


def search(fit: Fit, starting_bad: frozenset[int] = frozenset()) -> Fit:
    """Greedy with a beam, then exchange and drop until nothing improves.

    `starting_bad`: the victims that seem to start bad, if not all do.
    """
    for empty in dict.fromkeys((Writers(False), Writers(True), _mixed(fit, starting_bad))):
        fit.score(empty)
        fit.scan(empty)
    best = float("-inf")
    for depth in range(1, fit.costs.most_writers):
        for writers in _beam(fit, depth):
            fit.scan(writers)
            fit.turn(writers)
        now = fit.seen[fit.best]
        if now <= best + 1e-9:
            break
        best = now
    return exchange(fit)


def exchange(fit: Fit) -> Fit:
    """Put others in the place of the writers of the leading hypotheses, and drop and turn, until nothing improves."""
    for _ in range(2 * fit.costs.most_writers):
        best = fit.seen[fit.best]
        for writers in fit.leading():
            fit.score(writers._replace(starts_bad=not writers.starts_bad))
            for candidate in writers.all:
                fit.scan(writers.without(candidate))
            fit.scan(writers)
            fit.turn(writers)
        if fit.seen[fit.best] <= best + 1e-9:
            break
    return fit


def with_chains(fit: Fit, share: float, singles: NDArray[np.bool_]) -> Fit:
    """The same with chains of two tests, where these may come near what has been found.

    `share`: ln of the prior of a chain, given its links. `singles`: bool[C], the writers that may be links.
    """
    nothing_left = fit.perfect + max(fit.costs.starts_bad, fit.costs.starts_good)
    likeliest = float(fit.prior.max(where=singles, initial=-np.inf))
    if nothing_left + 2 * likeliest + share + np.log(2) < fit.seen[fit.best] - _CHAINED - 1e-6:
        return fit
    chains = _likely_chains(fit, singles)
    if not chains:
        return fit
    prior = np.array([fit.prior[a] + fit.prior[b] for a, b in chains]) + share + np.log(2)
    if nothing_left + float(prior.max()) < fit.seen[fit.best] - _CHAINED:
        return fit
    more = fit.with_chains(chains, prior)
    for empty in [writers for writers in fit.seen if not writers.all]:
        more.scan(empty)
    return exchange(more)


def _likely_chains(fit: Fit, singles: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs of tests: those that tell most, at whatever rates, each with those that tell most where it has run."""
    ran = fit.ran
    found = set()
    everywhere = np.ones(len(fit.rows), dtype=np.bool_)
    for first in _telling(fit, ran, singles, _FIRST, everywhere).tolist():
        others = singles.copy()
        others[first] = False
        found |= {(min(first, b), max(first, b)) for b in _telling(fit, ran, others, _SECOND, ran[:, first]).tolist()}
    return sorted(found)


def _telling(
    fit: Fit, ran: NDArray[np.bool_], among: NDArray[np.bool_], count: int, rows: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """The `count` writers after which failing is most different, the most telling first; only in some of the rows."""
    failed = fit.rows.failed == 1
    k, n = changed(ran, rows, failed)
    failures, size = int(np.count_nonzero(rows & failed)), int(np.count_nonzero(rows))
    worth = at_any_rates(k, n, failures, size) + fit.prior
    worth[~among | (n == 0) | (n == size)] = -np.inf
    best = foremost(worth, count)
    telling: NDArray[np.intp] = best[np.isfinite(worth[best])]
    return telling


def _mixed(fit: Fit, starting_bad: frozenset[int]) -> Writers:
    """Nobody writes, and some victims start bad: the fewer ones are those that are turned."""
    tests = set(fit.rows.tests)
    bad = tests & starting_bad
    return Writers(True).turn(tests - bad) if 2 * len(bad) > len(tests) else Writers(False).turn(bad)


def survey(fit: Fit, count: int) -> NDArray[np.intp]:
    """The candidates worth a closer look, in rising order: those of the best hypotheses of a few scans."""
    heard: list[tuple[NDArray[np.intp], Doubles]] = []
    for starts_bad in (False, True):
        fit.score(Writers(starts_bad))
        heard += fit.scan(Writers(starts_bad))
    for depth, width in ((1, 4), (2, 2)):
        for writers in fit.found.ranked(fit.found.levels[depth])[:width]:
            heard += fit.scan(writers)
    candidates = np.concatenate([found for found, _ in heard])
    ranked = candidates[np.argsort(-np.concatenate([scores for _, scores in heard]), kind="stable")]
    first = np.sort(np.unique(ranked, return_index=True)[1])
    chosen: NDArray[np.intp] = fit.numbers[np.sort(ranked[first[:count]])]
    return chosen


def _beam(fit: Fit, depth: int) -> list[Writers]:
    """The best and the most promising hypotheses with so many writers; at least two of each start, lest one be lost."""
    level = fit.found.ranked(fit.found.levels[depth])
    chosen = level[: fit.costs.beam]
    for starts_bad in (False, True):
        chosen += [w for w in level if w.starts_bad is starts_bad][:2]
    promise = fit.found.promise[depth]
    chosen += sorted(promise, key=lambda w: (promise[w], w), reverse=True)[: fit.costs.beam]
    return list(dict.fromkeys(chosen))
