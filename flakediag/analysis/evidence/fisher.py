"""Fisher's exact test, one-sided, and the control of false discoveries over many such tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def enrichment(failed: NDArray[np.bool_], seen: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    """The chance that so many of the failures, or more, fall where `where` holds, were the two independent.

    failed, seen, where: bool[R]; failures outside `seen` do not count.
    """
    total = int(seen.sum())
    inside = int((seen & where).sum())
    failures = int((failed & seen).sum())
    return hypergeometric_tail(int((failed & seen & where).sum()), total, inside, failures)


def hypergeometric_tail(hits: int, total: int, inside: int, drawn: int) -> float:
    """P(X >= hits) for X hypergeometric: `drawn` of `total`, of which `inside` are special.

    Summed from log-factorials: P(k) = C(inside, k) C(total - inside, drawn - k) / C(total, drawn).
    """
    low, high = max(hits, 0, drawn + inside - total), min(inside, drawn)
    if hits <= max(0, drawn + inside - total):
        return 1.0
    if low > high:
        return 0.0
    f = _log_factorials(total)
    k = np.arange(low, high + 1)
    logs = (
        (f[inside] - f[k] - f[inside - k])
        + (f[total - inside] - f[drawn - k] - f[total - inside - drawn + k])
        - (f[total] - f[drawn] - f[total - drawn])
    )
    return float(min(1.0, np.exp(logs).sum()))


@lru_cache(maxsize=64)
def _log_factorials(n: int) -> NDArray[np.float64]:
    """float64[n + 1]: log(0!) … log(n!)."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))


def discoveries(chances: Sequence[float], rate: float) -> list[bool]:
    """Which hypotheses hold at a false discovery rate (Benjamini and Hochberg 1995)."""
    if not chances:
        return []
    values = np.asarray(chances)
    ranked = np.argsort(values)
    below = values[ranked] <= rate * np.arange(1, len(values) + 1) / len(values)
    last = int(np.flatnonzero(below)[-1]) if below.any() else -1
    held = np.zeros(len(values), dtype=np.bool_)
    held[ranked[: last + 1]] = True
    return [bool(h) for h in held]
