"""Medians of what is known."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating)


def medians(table: NDArray[Real]) -> NDArray[Real]:
    """The median of each row but for its NaNs, NaN where there is nothing else.

    As `np.nanmedian`, which takes ten times as long.
    """
    low, high = middles(table)
    found: NDArray[Real] = ((low + high) / 2).astype(table.dtype)
    return found


def middles(table: NDArray[Real]) -> tuple[NDArray[Real], NDArray[Real]]:
    """The two values in the middle of each row, its NaNs left out: the same one twice where their number is odd."""
    if not table.size:
        return (np.full(len(table), np.nan, dtype=table.dtype),) * 2
    ranked = np.sort(table, axis=1)  # the NaNs come last
    count = (~np.isnan(ranked)).sum(axis=1)
    rows = np.arange(len(ranked))
    return ranked[rows, np.maximum(count - 1, 0) // 2], ranked[rows, np.minimum(count // 2, ranked.shape[1] - 1)]


def median(values: NDArray[np.float64]) -> float:
    """The median of some values, at least one and none of them NaN."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ranked = np.partition(values, (low, high))
    return float((ranked[low] + ranked[high]) / 2)
