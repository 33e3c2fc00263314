"""Hypotheses that lack a writer: every candidate as one more bad, and as one more good writer, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Codes, Numbers, Writers
from flakediag.analysis.order.later import Counts, bits_of, counted
from flakediag.analysis.order.leads import Leads, among_best, largest
from flakediag.analysis.order.marginal import Doubles

_WORTH = 10.0  # nats below the best of a scan: what is worse adds nothing to the posterior,
_FEW = 6  # and only so many of them are kept, to go on from
_CELLS = 1 << 16  # hypotheses × candidates at a time, so that their scores stay in the cache,
_BITS = 1 << 26  # and × rows, so that what is known of them takes little memory


class Extensions(NamedTuple):
    """One hypothesis with one more writer: the alternatives that are kept, in columns, those by a bad writer first.

    rows: see `Found`. scores: ln of likelihood times prior; promise: what they explain at whatever rates.
    promising: those that are among the best by their promise.
    named: all candidates that are among the best by their score, kept or not, with it.
    """

    rows: Codes
    scores: Doubles
    promise: Doubles
    promising: NDArray[np.bool_]
    named: tuple[Numbers, Doubles]


def at_a_time(fit: Fit) -> int:
    """How many hypotheses are best looked at together."""
    cells = 2 * max(1, len(fit.numbers))
    return max(1, min(_CELLS, _BITS // max(1, len(fit.rows))) // cells)


def extensions(fit: Fit, bases: Sequence[Writers]) -> list[Extensions]:
    """What each of these hypotheses, which have room, comes to with one more writer."""
    last_bad, last_good = fit.lasts(bases)
    fails = last_bad > last_good
    # A bad writer changes rows that pass, a good one rows that fail: where it wrote later than the last one.
    changing = np.stack([~fails, fails], axis=1)
    base, way = np.nonzero(changing.any(axis=2))
    changing = changing[base, way]
    later = np.array([fit.later.than_all(writers.all) for writers in bases])[base]
    failed, passed = (counted(later, bits_of(changing & rows), len(fit.rows)) for rows in (fit.failed, ~fit.failed))
    prior = np.array([fit.log_prior(writers) + fit.costs.another * bool(writers.all) for writers in bases])[base]
    worth = Worth.of(fit, np.array(fit.counts(fails))[base], way, failed, passed)
    by_score, by_promise = worth.best(fit, prior)
    kept = by_score.scores > by_score.of_first - _WORTH
    kept |= by_score.rank < _FEW
    line = np.concatenate([by_score.line[kept], by_promise.line])
    place = np.concatenate([by_score.place[kept], by_promise.place])
    promising = np.zeros(len(line), dtype=np.bool_)
    promising[int(kept.sum()) :] = True
    order = np.argsort(line, kind="stable")
    line, place, promising = line[order], place[order], promising[order]
    scores, promise = worth.at(line, place)
    for of_each in (scores, promise):
        of_each += fit.prior[place]
        of_each += prior[line]
    own = np.array([fit.found.row(writers) for writers in bases])
    rows = fit.found.joined(own[base[line]], place, way[line] == 1)
    of_base, of_best = (_bounds(base[lines], len(bases)) for lines in (line, by_score.line))
    return [
        Extensions(rows[one], scores[one], promise[one], promising[one], (by_score.place[best], by_score.scores[best]))
        for one, best in zip(of_base, of_best, strict=True)
    ]


@dataclass(frozen=True)
class Worth:
    """What the splits of some lines are worth: a hypothesis each, and how one more writer of it writes.

    named, promise: float64[L, X], ln of the likelihood at the rates of bad and good state, and at any rates. Minus
    infinity where nothing changes. cell: [L, C], where in these (flat) the candidates stand; many of them change as
    many failures and passes as others.
    """

    named: Doubles
    promise: Doubles
    cell: Numbers

    @staticmethod
    def of(fit: Fit, expected: NDArray[np.int64], way: Numbers, failed: Counts, passed: Counts) -> Worth:
        """expected: [L, 2], the failures, and the rows, that each hypothesis expects to fail; failed, passed: [L, C],
        those rows that each candidate changes.
        """
        lines, size = failed.shape
        wide = len(fit.rows) - fit.splits.failures + 1
        cells = (fit.splits.failures + 1) * wide
        start = np.arange(lines)[:, None]
        if cells < size:
            cell = (failed * wide + passed).astype(np.intp)
            cell += start * cells
            k, n = np.divmod(np.arange(cells, dtype=failed.dtype), wide)
            k, n = k[None], (k + n)[None]
        else:
            cell = start * size + np.arange(size)
            k, n = failed, failed + passed
        sign = np.where(way == 1, -1, 1).astype(failed.dtype)[:, None]
        before = expected.astype(failed.dtype)
        named, promise = fit.splits.both(k * sign + before[:, :1], n * sign + before[:, 1:])
        for worth in (named, promise):
            np.copyto(worth, -np.inf, where=n == 0)
        return Worth(named, promise, cell)

    def at(self, line: Numbers, place: Numbers) -> tuple[Doubles, Doubles]:
        cell = self.cell[line, place]
        return self.named.take(cell), self.promise.take(cell)

    def best(self, fit: Fit, prior: Doubles) -> tuple[Leads, Leads]:
        """The best candidates of each line by their score, and by their promise. prior: [L], ln, of the hypotheses."""
        size, found = self.cell.shape[1], []
        for worth, count in ((self.named, fit.costs.kept), (self.promise, fit.costs.beam)):
            # In single precision, of which the rounding is allowed for, it takes half the time.
            roughly = worth.astype(np.float32).take(self.cell)
            roughly += fit.rough_prior
            flat = among_best(roughly, count)
            line, place = np.divmod(flat, size)
            scores = worth.take(self.cell.take(flat))
            scores += fit.prior[place]
            scores += prior[line]
            found.append(largest(Leads(line, place, scores), size, count))
        by_score, by_promise = found
        return by_score, by_promise.only(by_promise.rank < fit.costs.beam)


def _bounds(numbers: Numbers, count: int) -> list[slice]:
    """Where each number stands in a rising list."""
    bounds = np.searchsorted(numbers, np.arange(count + 1)).tolist()
    return [slice(*pair) for pair in pairwise(bounds)]
