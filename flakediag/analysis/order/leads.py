"""The best of many scores, line by line: by a cheap bound those that may be among them, then the best of these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import Doubles

_TIES = 4  # as many candidates as asked for are kept, where the last of them tie
_BLOCKS = 3  # times as many candidates as asked for: so many parts the bound of the largest scores is told from

Numbers = NDArray[np.intp]


class Leads(NamedTuple):
    """Scores of some places of some lines, line by line."""

    line: Numbers
    place: Numbers
    scores: Doubles

    @property
    def of_first(self) -> Doubles:
        """The first score of each one's line."""
        return self.scores[np.searchsorted(self.line, self.line)]

    @property
    def rank(self) -> Numbers:
        """The place of each within its line."""
        rank: Numbers = np.arange(len(self.line)) - np.searchsorted(self.line, self.line)
        return rank

    def only(self, kept: NDArray[np.bool_] | Numbers) -> Leads:
        return Leads(self.line[kept], self.place[kept], self.scores[kept])

    def sorted(self) -> Leads:
        """Line by line the best first, those with lower places before their ties, without minus infinity."""
        finite = self.only(self.scores > -np.inf)
        order = np.argsort(-finite.scores, kind="stable")
        return finite.only(order[np.argsort(finite.line[order].astype(np.int16), kind="stable")])


def among_best(scores: NDArray[np.floating], count: int) -> Numbers:
    """The places in scores [L, C], flat, that may be among the `count` largest of their line; few others.

    Scores of single precision may be off by their rounding.
    """
    bound = _bound(scores, count)
    if scores.dtype != np.float64:
        bound -= np.float32(1e-3) + np.float32(1e-5) * np.abs(bound)
    return np.flatnonzero(scores >= bound[:, None])


def _bound(scores: NDArray[np.floating], count: int) -> NDArray[np.floating]:
    """[L]: no more than the count-th largest score of each line, and hardly less.

    The count-th largest of the maxima of many parts of a line: each is a score of its own.
    """
    lines, size = scores.shape
    if size <= _TIES * count:
        return np.full(lines, -np.inf, dtype=scores.dtype)
    parts = min(size, max(64, _BLOCKS * count))
    deep = size // parts
    maxima = scores[:, : deep * parts].reshape(lines, deep, parts).max(axis=1)
    maxima.partition(parts - count, axis=1)
    bound: NDArray[np.floating] = maxima[:, parts - count]
    return bound


def largest(leads: Leads, size: int, count: int) -> Leads:
    """The largest finite scores of each line; more than `count` where the last of them tie.

    leads: all that may be, in rising order of their places; size: how many places a line has. Of those that are no less
    than the count-th, up to four times as many are looked at as they stand, and where a line has fewer finite ones than
    `count`, so many of all.
    """
    ranked = leads.sorted()
    lines = int(ranked.line[-1]) + 1 if len(ranked.line) else 0
    bounds = np.searchsorted(ranked.line, np.arange(lines + 1))
    many = (np.diff(bounds) >= count) & (size > count)
    least = np.full(lines, -np.inf)
    least[many] = ranked.scores[bounds[:-1][many] + count - 1]
    kept = ranked.scores >= least[ranked.line]
    if size > _TIES * count:
        kept &= many[ranked.line] | (ranked.place < _TIES * count)
    for number in np.flatnonzero(many & (np.bincount(ranked.line[kept], minlength=lines) > _TIES * count)):
        crowd = np.flatnonzero((ranked.line == number) & kept)
        kept[crowd[ranked.place[crowd] > np.sort(ranked.place[crowd])[_TIES * count - 1]]] = False
    return ranked.only(kept)


def foremost(scores: Doubles, count: int) -> Leads:
    """The `count` largest finite scores of each line of scores [L, C], those with lower places before their ties."""
    flat = among_best(scores, count)
    line, place = np.divmod(flat, scores.shape[1])
    ranked = Leads(line, place, scores.ravel()[flat]).sorted()
    return ranked.only(ranked.rank < count)
