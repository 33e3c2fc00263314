"""The best of many scores, line by line: by a cheap bound those that may be among them, then the best of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import Doubles

_TIES = 4  # as many candidates as asked for are kept, where the last of them tie
_BLOCKS = 3  # times as many candidates as asked for: so many parts the bound of the largest scores is told from
_SMALL = 1 << 13

Numbers = NDArray[np.intp]


class Leads(NamedTuple):
    """Some places of some lines, line by line, with what they are ranked by, and what else is to be known of them."""

    line: Numbers
    place: Numbers
    scores: Doubles
    others: Doubles

    def only(self, kept: NDArray[np.bool_] | Numbers | slice) -> Leads:
        return Leads(self.line[kept], self.place[kept], self.scores[kept], self.others[kept])

    def sorted(self) -> Leads:
        """Line by line the best first, those with lower places before their ties, without minus infinity."""
        finite = self.scores > -np.inf
        leads = self if finite.all() else self.only(finite)
        return leads.only(np.lexsort((-leads.scores, leads.line)))

    def bounds(self, lines: int) -> Numbers:
        """[lines + 1]: where each line starts, and the end."""
        bounds: Numbers = np.searchsorted(self.line, np.arange(lines + 1))
        return bounds

    def lines(self, start: int, count: int, new: int) -> Leads:
        """Some lines, with the numbers from `new` on."""
        found = self.only(slice(*np.searchsorted(self.line, [start, start + count]).tolist()))
        return found._replace(line=found.line + (new - start))

    @staticmethod
    def joined(parts: Sequence[Leads]) -> Leads:
        return Leads(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class LeadsOfOne(NamedTuple):
    """The lines from one on that belong together, by two scores. least: [lines], what others have to come up to."""

    leads: tuple[Leads, Leads]
    start: int
    least: tuple[Doubles, Doubles]

    @property
    def small(self) -> bool:
        """Whether it is worth the memory: where very many tie, the lines are long."""
        return sum(len(leads.line) for leads in self.leads) < _SMALL


def among_best(scores: NDArray[np.floating], count: int, least: Doubles | None = None) -> Numbers:
    """The places in scores [L, C], flat, that may be among the `count` largest of their line; few others.

    Scores of single precision may be off by their rounding. least: [L], what they have to come up to in any case.
    """
    bound = _bound(scores, count)
    if least is not None:
        bound = np.maximum(bound, least.astype(bound.dtype))
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


def leading(leads: Leads, lines: int, count: int) -> Leads:
    """Those that are no less than the count-th largest finite score of their line, the best first.

    leads: all that may be, in rising order of the places of equal ones.
    """
    ranked = leads.sorted()
    return ranked.only(ranked.scores >= least_of(ranked, lines, count)[ranked.line])


def least_of(leads: Leads, lines: int, count: int) -> Doubles:
    """[lines]: the count-th score of each line; minus infinity where it has fewer."""
    bounds = leads.bounds(lines)
    least = np.full(lines, -np.inf)
    many = np.flatnonzero(np.diff(bounds) >= count)
    least[many] = leads.scores[bounds[many] + count - 1]
    return least


def trimmed(leads: Leads, lines: int, size: int, count: int) -> Leads:
    """Of the leading ones, those that are looked at, where many tie. size: how many places a line has.

    Up to four times `count` as they stand, and where a line has fewer finite ones than `count`, so many of all.
    """
    if size <= _TIES * count:
        return leads
    found = np.diff(leads.bounds(lines))
    few = (found < count)[leads.line]
    if few.any():
        leads = leads.only(~few | (leads.place < _TIES * count))
    for number in np.flatnonzero(found > _TIES * count).tolist():
        crowd = leads.place[leads.line == number]
        leads = leads.only((leads.line != number) | (leads.place <= np.sort(crowd)[_TIES * count - 1]))
    return leads


def foremost(scores: Doubles, count: int) -> Leads:
    """The `count` largest finite scores of each line of scores [L, C], those with lower places before their ties."""
    flat = among_best(scores, count)
    line, place = np.divmod(flat, scores.shape[1])
    found = scores.ravel()[flat]
    return first(Leads(line, place, found, found).sorted(), len(scores), count)


def first(leads: Leads, lines: int, count: int) -> Leads:
    """The first `count` of each line."""
    return leads.only(rank(leads, lines) < count)


def rank(leads: Leads, lines: int) -> Numbers:
    """The place of each within its line."""
    rank: Numbers = np.arange(len(leads.line)) - leads.bounds(lines)[leads.line]
    return rank
