"""What the rows are worth, split in those that should fail and the others, each part with a rate of its own."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import ANY, Doubles, Prior, log_marginal, marginal_table

_ROWS = 1 << 9  # of fewer rows than this, there is a table of all splits

Counts = NDArray[np.signedinteger]


class Splits:
    """ln of the likelihood of k failures in n rows that should fail, and of the rest of `failures` in `rows`.

    Either at the rates of bad and good state, or with a rate of any size in both parts.
    """

    def __init__(self, failures: int, rows: int, when_bad: Prior, when_good: Prior) -> None:
        self.failures, self.rows = failures, rows
        self._priors = when_bad, when_good
        self._wide = 1 << rows.bit_length()

    def one(self, k: int, n: int) -> float:
        """At the rates of bad and good state."""
        return float(self.named(np.array([k]), np.array([n]))[0])

    def named(self, k: Counts, n: Counts) -> Doubles:
        """As `one`, for many at once."""
        if self.rows >= _ROWS:
            return self._direct(k, n, *self._priors)
        return self._named.take(k * self._wide + n)

    def tells(self, k: Counts, n: Counts) -> NDArray[np.bool_]:
        """Whether k failures in n rows that should fail are a larger share than in the other rows."""
        tells: NDArray[np.bool_] = k * self.rows > self.failures * n
        return tells

    def both(self, k: Counts, n: Counts) -> tuple[Doubles, Doubles]:
        """What k failures in n rows are worth at the rates of bad and good state, and at any.

        At any rates, it is minus infinity where the failures tell nothing. What cannot be has some figure, too.
        """
        if self.rows >= _ROWS:
            named, promise = self._direct(k, n, *self._priors), self._direct(k, n, ANY, ANY)
        else:
            code = k * self._wide + n
            named, promise = (table.take(code, mode="clip") for table in (self._named, self._at_any_rates))
        np.copyto(promise, -np.inf, where=~self.tells(k, n))
        return named, promise

    @cached_property
    def all(self) -> tuple[Doubles, Doubles]:
        """As `both`, of all that can be: at k × (passes + 1) + n - k, where `passes` are the rows that did not fail.

        Minus infinity is at the end.
        """
        passes = self.rows - self.failures
        k, passed = np.divmod(np.arange((self.failures + 1) * (passes + 1)), passes + 1)
        named, promise = self.both(k, k + passed)
        return np.append(named, -np.inf), np.append(promise, -np.inf)

    @cached_property
    def _named(self) -> Doubles:
        return self._table(*self._priors)

    @cached_property
    def _at_any_rates(self) -> Doubles:
        return self._table(ANY, ANY)

    def _table(self, here: Prior, there: Prior) -> Doubles:
        """At k × `_wide` + n; what cannot be (k > n) has some figure, too."""
        last = self.failures * self._wide + self.rows
        first, second = (marginal_table(prior, self._wide).ravel()[: last + 1] for prior in (here, there))
        table: Doubles = first + second[::-1]
        return table

    def _direct(self, k: Any, n: Any, here: Prior, there: Prior) -> Doubles:
        return log_marginal(k, n, here) + log_marginal(self.failures - k, self.rows - n, there)


def at_any_rates(k: Counts, n: Counts, failures: Counts, rows: Counts) -> Doubles:
    """ln of the likelihood of `failures` in `rows` with k of them in n rows, at a rate of any size in both parts."""
    most = int(rows.max(initial=0))
    if most >= _ROWS:
        return log_marginal(k, n, ANY) + log_marginal(failures - k, rows - n, ANY)
    wide = 1 << most.bit_length()
    table, code = marginal_table(ANY, wide).ravel(), k * wide + n
    found: Doubles = table.take(code) + table.take(failures * wide + rows - code)
    return found
