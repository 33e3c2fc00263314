"""All candidates at once: how the rows would be split if each were one more writer, and which come out best.

What a candidate is worth follows from two counts, the rows that it would change and the failures among them, which are
looked up in a table of all splits. Of the scores, only the best are kept: `Leads`, from which the best of several
tables of candidates can still be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import ANY, Doubles, Prior, log_marginal, split_table
from flakediag.analysis.order.units import Rows
from flakediag.analysis.order.writers import Places

_SUMMED = 255  # rows at a time: so many ones fit into a byte
_TIES = 4  # as many candidates as asked for are kept, where the last of them tie
_SAMPLED = 16  # of more than so many times the candidates asked for, a sample tells first who may be among them
_ROWS = 1 << 9  # of fewer rows than this, there is a table of all splits

Counts = NDArray[np.int64]


class Splits:
    """What the rows' splits are worth: ln of the likelihood of k failures in n rows that should fail, and of the rest.

    Either at the rates of bad and good state, or with a rate of any size in both parts.
    """

    def __init__(self, rows: Rows, when_bad: Prior, when_good: Prior) -> None:
        self.failures, self.rows = rows.failures, len(rows)
        self._priors = when_bad, when_good
        self._tabled = self.rows < _ROWS
        self._tables: dict[str, Doubles] = {}

    def one(self, k: int, n: int) -> float:
        """At the rates of bad and good state."""
        if self._tabled:
            return float(self._named[k * (self.rows + 1) + n])
        return float(self._direct(np.array([k]), np.array([n]), *self._priors)[0])

    def named(self, k: Counts, n: Counts) -> Doubles:
        """As `one`, for many at once."""
        if self._tabled:
            return self._named.take(k * (self.rows + 1) + n)
        return self._direct(k, n, *self._priors)

    def tells(self, k: Counts, n: Counts) -> NDArray[np.bool_]:
        """Whether k failures in n rows that should fail are a larger share than in the other rows."""
        tells: NDArray[np.bool_] = k * (self.rows - n) > (self.failures - k) * n
        return tells

    def both(self, k0: int, n0: int, k: Counts, n: Counts) -> tuple[Doubles, Doubles]:
        """For k0 + k failures in n0 + n rows: what it is worth at the rates of bad and good state, and at any.

        Minus infinity where n is 0, and at any rates also where the failures tell nothing.
        """
        if not self._tabled:
            none, k, n = n == 0, k0 + k, n0 + n
            named, promise = self._direct(k, n, *self._priors), self._direct(k, n, ANY, ANY)
            named[none] = -np.inf
            promise[none | ~self.tells(k, n)] = -np.inf
            return named, promise
        wide = self.rows + 1
        here = k0 * wide + n0
        code = k * wide
        code += n
        code += here
        found = []
        for table in (self._named, self._promise):
            unchanged, table[here] = table[here], -np.inf  # for the time of this look
            found.append(table.take(code))
            table[here] = unchanged
        return found[0], found[1]

    @property
    def _named(self) -> Doubles:
        if "named" not in self._tables:
            self._tables["named"] = split_table(self.failures, self.rows, *self._priors)
        return self._tables["named"]

    @property
    def _promise(self) -> Doubles:
        if "promise" not in self._tables:
            table = split_table(self.failures, self.rows, ANY, ANY)
            k, n = np.divmod(np.arange(len(table)), self.rows + 1)
            table[~self.tells(k, n)] = -np.inf
            self._tables["promise"] = table
        return self._tables["promise"]

    def _direct(self, k: Counts, n: Counts, here: Prior, there: Prior) -> Doubles:
        return log_marginal(k, n, here) + log_marginal(self.failures - k, self.rows - n, there)


class Leads(NamedTuple):
    """The candidates that may be the best ones by one of two scores, in rising order, with both.

    Of these and of others, with higher numbers, the largest are what they would be of all.
    """

    candidates: NDArray[np.intp]
    scores: Doubles
    promise: Doubles

    def joined(self, other: Leads) -> Leads:
        return Leads(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


class Columns:
    """A table of candidates. by_row: [M, C], when each last wrote before each row; prior: [C], ln; first: the number of
    the first one."""

    def __init__(self, by_row: Places, prior: Doubles, first: int = 0) -> None:
        self.by_row, self.prior, self.first = by_row, prior, first
        self._later = np.empty(by_row.shape, dtype=np.bool_)

    def later(self, than: Places) -> NDArray[np.bool_]:
        """bool[M, C]: which candidates wrote later than at these places, one for each row; good until the next call."""
        later: NDArray[np.bool_] = np.greater(self.by_row, than[:, None], out=self._later)
        return later

    def leads(
        self, named: Doubles, promise: Doubles, base: float, taken: Sequence[int], kept: int, beam: int
    ) -> tuple[Leads, Leads]:
        """The leads by either score, of what the candidates are worth (see `Splits.both`) and their prior.

        base: ln of the prior of the writers that they join; taken: those who cannot be added; kept, beam: how many are
        wanted by either score.
        """
        for scores in (named, promise):
            scores += self.prior
            scores += base
            scores[[c - self.first for c in taken if 0 <= c - self.first < len(scores)]] = -np.inf
        chosen = _leading(named, kept), _leading(promise, beam)
        by_score, by_promise = (Leads(places + self.first, named[places], promise[places]) for places in chosen)
        return by_score, by_promise


def changed(later: NDArray[np.bool_], of: NDArray[np.bool_], failed: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """int64[C] each: the failures, and the rows, among the rows `of` (bool[M]) in which a candidate wrote later."""
    k = _summed(later, of & failed)
    return k, k + _summed(later, of & ~failed)


def at_any_rates(k: Counts, n: Counts, failures: int, rows: int) -> Doubles:
    """ln of the likelihood of `failures` in `rows` with k of them in n rows, at a rate of any size in both parts."""
    if rows >= _ROWS:
        return log_marginal(k, n, ANY) + log_marginal(failures - k, rows - n, ANY)
    return split_table(failures, rows, ANY, ANY).take(k * (rows + 1) + n)


def _summed(table: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Counts:
    """int64[C]: how many of these rows of a table bool[M, C] are true. Sums of bytes are far faster than products."""
    total = np.zeros(table.shape[1], dtype=np.int64)
    chosen = np.flatnonzero(rows)
    for start in range(0, len(chosen), _SUMMED):
        part = table[chosen[start : start + _SUMMED]].view(np.uint8)
        total += np.add.reduce(part, axis=0, dtype=np.uint8)
    return total


def largest(scores: Doubles, count: int) -> NDArray[np.intp]:
    """The places of the largest finite scores, largest first; more than `count` where the last of them tie."""
    top = np.arange(len(scores))
    if len(scores) > count:
        top = np.flatnonzero(scores >= _threshold(scores, count))[: _TIES * count]
    top = top[np.isfinite(scores[top])]
    ranked: NDArray[np.intp] = top[np.argsort(-scores[top], kind="stable")]
    return ranked


def foremost(scores: Doubles, count: int) -> NDArray[np.intp]:
    """The places of the `count` largest scores, largest first, those with lower places before their ties."""
    some = _leading(scores, count)  # of equal ones it knows the first
    return some[np.argsort(-scores[some], kind="stable")[:count]]


def _leading(scores: Doubles, count: int) -> NDArray[np.intp]:
    """In rising order, the places that `largest` may choose, whatever scores come behind these."""
    if len(scores) <= _TIES * count:
        return np.arange(len(scores))
    if len(scores) > _SAMPLED * count:  # the largest of a part are no larger than those of the whole
        bound = _threshold(scores[:: isqrt(len(scores) // count)], count)
        few = np.flatnonzero(scores >= bound if bound > -np.inf else scores > bound)
        if bound == -np.inf and len(few) < count:
            return _union(few, np.arange(_TIES * count))
        if len(few) <= _SAMPLED * count:
            return few
        if len(few) < len(scores):
            return few[_leading(scores[few], count)]
    last = _threshold(scores, count)
    at_least = np.flatnonzero(scores >= last)
    if len(at_least) <= _TIES * count:
        return at_least
    above = at_least[scores[at_least] > last]
    return _union(above, at_least[: _TIES * count])


def _union(some: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.intp]:
    """In rising order, as `np.union1d`, which takes five times as long."""
    both = np.concatenate([some, others])
    both.sort()
    new = np.ones(len(both), dtype=np.bool_)
    np.not_equal(both[1:], both[:-1], out=new[1:])
    return both[new]


def _threshold(scores: Doubles, count: int) -> float:
    """The score that is the count-th largest."""
    ranked = scores.copy()
    ranked.partition(len(scores) - count)
    return float(ranked[len(scores) - count])
