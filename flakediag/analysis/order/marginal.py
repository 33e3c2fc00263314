"""Closed-form likelihoods of failure counts whose rate is not known.

k failures in n executions with one rate p ~ Beta(a, b) have, as a sequence, the marginal likelihood
    B(a + k, b + n - k) / B(a, b)                                        (the beta-binomial without its coefficient).
All arguments are whole numbers here, so that log-gamma is a table of summed logarithms.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Prior = tuple[tuple[float, int, int], ...]
"""A mixture of beta distributions: (share, a, b) each; the shares add up to one."""

ANY: Prior = ((1.0, 1, 1),)
"""A rate of any size."""


@cache
def _log_factorials(size: int) -> Doubles:
    """float64[size]: ln(i!) for i = 0 … size - 1."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, size, dtype=np.float64)))))


def _log_factorial_table(largest: int) -> Doubles:
    return _log_factorials(1 << max(10, int(largest).bit_length() + 1))


def log_marginal(failures: Any, executions: Any, prior: Prior) -> Doubles:
    """The log marginal likelihood of `failures` in `executions` (whole numbers, any one shape) under `prior`."""
    k, n = np.asarray(failures, dtype=np.int64), np.asarray(executions, dtype=np.int64)
    ln = _log_factorial_table(int(n.max(initial=0)) + 64)
    total: Doubles | None = None
    for share, a, b in prior:
        constant = np.log(share) - (ln[a - 1] + ln[b - 1] - ln[a + b - 1])
        term = ln[a + k - 1] + ln[b + n - k - 1] - ln[a + b + n - 1] + constant
        total = term if total is None else np.logaddexp(total, term)
    assert total is not None, "a prior has at least one part"
    return total


def split_table(failures: int, rows: int, here: Prior, there: Prior) -> Doubles:
    """float64[(failures + 1) × (rows + 1)]: `failures` in `rows`, split in two parts with a rate of their own each.

    At k × (rows + 1) + n: k failures in n rows under `here`, the others under `there`. What cannot be (k > n) has some
    figure, too.
    """
    first, second = (_table(prior, 1 << rows.bit_length()) for prior in (here, there))
    table = first[: failures + 1, : rows + 1] + second[failures::-1, rows::-1]
    return table.ravel()


@cache
def _table(prior: Prior, size: int) -> Doubles:
    """float64[size, size]: the log marginal likelihood of k failures in n executions, where k ≤ n."""
    k, n = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    return log_marginal(np.minimum(k, n), n, prior)


def log_sum(values: Any) -> float:
    """ln of the sum of exponentials; minus infinity for nothing."""
    values = np.asarray(values, dtype=np.float64)
    return float(np.logaddexp.reduce(values)) if values.size else float("-inf")


def mixture(rows: list[list[float]]) -> Prior:
    """A prior as `weights.toml` writes it: rows of share, a, b."""
    return tuple((float(share), int(a), int(b)) for share, a, b in rows)
