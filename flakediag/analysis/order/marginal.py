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


@cache
def marginal_table(prior: Prior, size: int) -> Doubles:
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
